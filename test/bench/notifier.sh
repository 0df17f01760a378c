# shellcheck shell=bash
#
# test/bench/notifier.sh - a local receiver and the notifier; sourced after
# lib.sh by the benchmarks that deliver
#
# Both run in $work, which goes with them at the end.

work=
receiver=
notifier=

# shellcheck disable=SC2317 # called by a trap
stop_all()
{
	local pid

	trap '' INT TERM HUP
	for pid in $notifier $receiver; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	[ -z "$work" ] || rm -rf "$work"
}

# start_receiver - nginx that answers everything with 200, at $url, and writes
# the time of each answer and the webhook's id to $work/received
start_receiver()
{
	local port user=

	work=$(mktemp -d "${TMPDIR:-/tmp}/eventlog-bench.XXXXXX")
	trap stop_all EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	port=$((20000 + RANDOM % 20000))
	url=http://127.0.0.1:$port
	[ "$(id -u)" != 0 ] || user="user nobody $(id -gn nobody);"
	cat >"$work/nginx.conf" <<-END
		$user
		worker_processes 1;
		pid $work/nginx.pid;
		error_log $work/nginx.log;
		events { worker_connections 1024; }
		http {
			log_format webhook '\$msec \$http_webhook_id';
			access_log off;
			client_body_buffer_size 4m;
			client_max_body_size 0;
			client_body_temp_path $work/body;
			proxy_temp_path $work/proxy;
			fastcgi_temp_path $work/fastcgi;
			uwsgi_temp_path $work/uwsgi;
			scgi_temp_path $work/scgi;
			keepalive_requests 100000000;
			server {
				listen 127.0.0.1:$port;
				location / { return 200; }
				location /logged {
					access_log $work/received webhook;
					return 200;
				}
			}
		}
	END
	nginx -c "$work/nginx.conf" -p "$work" -e "$work/nginx.log" -g 'daemon off;' &
	receiver=$!
	timeout 10 bash -c "until curl -s -o /dev/null $url; do sleep 0.1; done" || {
		cat "$work/nginx.log" >&2
		die "nginx did not start"
	}
}

# start_notifier LOG NAME OPTIONS - deliver all events of LOG to the receiver,
# as the subscription NAME; OPTIONS are further members of the webhook in JSON
start_notifier()
{
	cat >"$work/notifier.json" <<-END
		{
		  "database": "host=$PGHOST port=$PGPORT user=$PGUSER dbname=$PGDATABASE",
		  "log": "$1", "log_level": "warning",
		  "event_log": { "notification": { "enabled": true } },
		  "webhooks": { "$2": { $3 } }
		}
	END
	eventlog-notifier --config "$work/notifier.json" 2>"$work/notifier.log" &
	notifier=$!
	for _ in {1..200}; do
		[ -z "$(consumer "$2")" ] || return 0
		kill -0 "$notifier" 2>/dev/null || break
		sleep 0.1
	done
	cat "$work/notifier.log" >&2
	die "the notifier holds no subscription"
}

# consumer NAME - the process id of the session that is the subscription's
consumer()
{
	value "SELECT consumer FROM eventlog.subscriptions WHERE name = '$1'"
}

stop_notifier()
{
	kill "$notifier"
	wait "$notifier" || die "the notifier ended with status $?"
	notifier=
}

# owed NAME - how many events are owed to the subscription
owed()
{
	value "SELECT pending + retrying FROM eventlog.subscriptions WHERE name = '$1'"
}

# wait_delivered NAME - until nothing is owed
wait_delivered()
{
	until [ "$(owed "$1")" = 0 ]; do
		kill -0 "$notifier" 2>/dev/null || die "the notifier is gone"
		sleep 0.2
	done
}

# cpu_seconds PID... - processor time that these processes have used
cpu_seconds()
{
	local pid

	for pid in "$@"; do
		# after the name, which may have blanks: utime is the 12th, stime the 13th
		sed 's/.*) //' "/proc/$pid/stat"
	done | awk -v hz="$(getconf CLK_TCK)" '{ s += $12 + $13 } END { print s / hz }'
}

# peak_mb PID - the most memory that was resident
peak_mb()
{
	awk '/^VmHWM/ { printf "%.1f\n", $2 / 1024 }' "/proc/$1/status"
}
