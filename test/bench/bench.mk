# test/bench/bench.mk - the benchmarks, each in a private cluster of its own
#
#   make bench-read SIZE=10000000    pages, against a plain table and Anchore's
#
# They measure what is installed.

BENCH_PROGRAMS = read
SIZE ?= 1000000

bench: $(addprefix bench-,$(BENCH_PROGRAMS))
$(addprefix bench-,$(BENCH_PROGRAMS)): bench-%:
	@SIZE='$(SIZE)' PG_CONFIG='$(PG_CONFIG)' test/bench/$*

.PHONY: bench $(addprefix bench-,$(BENCH_PROGRAMS))
