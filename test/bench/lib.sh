# shellcheck shell=bash
#
# test/bench/lib.sh - what the benchmarks share; sourced by them, in bash
#
# PG_CONFIG names the PostgreSQL to use, as everywhere; both programs are built
# and installed there first.  What is printed goes to results/ too.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export PG_CONFIG=${PG_CONFIG:-pg_config} PGTZ=UTC
here=test/bench
program=${0##*/}

die()
{
	echo "bench-$program: $*" >&2
	exit 1
}

# say WORD... - progress, to the terminal only
say()
{
	printf '%s  %s\n' "$(date +%T)" "$*" >&2
}

# in_cluster SETTING... -- ARGUMENT... - install, and run this script again,
# with ARGUMENT, inside a private cluster with these settings
in_cluster()
{
	local options=()

	while [ "$1" != -- ]; do
		options+=(-c "$1")
		shift
	done
	shift
	test/install-deps build bench >&2
	test/build >&2
	mkdir -p results
	say "starting a private cluster"
	BENCH_INSIDE=1 exec test/with-cluster "${options[@]}" "$0" "$@"
}

inside_cluster()
{
	[ -n "${BENCH_INSIDE:-}" ]
}

# memory_mb PERCENT - so much of this machine's memory
memory_mb()
{
	awk -v percent="$1" '/^MemTotal/ { print int($2 / 1024 * percent / 100) }' \
		/proc/meminfo
}

# sql ARGUMENT... - psql, which stops at the first error
sql()
{
	psql -X -q -v ON_ERROR_STOP=1 "$@"
}

# value SQL - the one value that it gives
value()
{
	sql -A -t -c "$1"
}

# median - of the numbers on standard input, one a line
median()
{
	sort -g | awk '{ v[NR] = $1 }
		END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# percentile P - of the numbers on standard input, one a line
percentile()
{
	sort -g | awk -v p="$1" '{ v[NR] = $1 }
		END { i = int(NR * p / 100 + 0.999999); print (i > 0 ? v[i] : v[1]) }'
}

# seconds_since START - from "$EPOCHREALTIME" then until now
seconds_since()
{
	awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.6f\n", to - from }'
}

# generate SIZE - the extension, and the events in bench.row
generate()
{
	sql -c 'CREATE EXTENSION eventlog'
	say "making $1 events"
	sql -v size="$1" -f $here/generate.sql
}

# machine - what this was measured on
machine()
{
	local name

	name=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
	printf '%s\n' \
		"$(value 'SHOW server_version' | sed 's/^/PostgreSQL /'), eventlog $(
			value "SELECT extversion FROM pg_extension WHERE extname = 'eventlog'")" \
		"$(nproc) processors (${name:-unknown}), $(memory_mb 100) MB of memory, $(uname -sr)" \
		"$(value "SELECT string_agg(name || ' = ' || current_setting(name), ', '
		                            ORDER BY name)
		            FROM pg_settings
		           WHERE source = 'configuration file'
		             AND name ~ '^(jit|fsync|shared_buffers|work_mem|random_page_cost|effective_cache_size|synchronous_commit|max_wal_size)\$'")"
}
