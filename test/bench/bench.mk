# test/bench/bench.mk - the benchmarks, each in a private cluster of its own
#
#   make bench-read SIZE=10000000    pages, against a plain table and Anchore's
#   make bench-write SIZE=1000000    writing, against the same
#   make bench-clear SIZE=10000000   clearing, against DELETE
#   make bench-notify                what webhooks cost those who write events
#   make bench-deliver               how fast webhooks go out
#   make bench-fetch                 whether a fetch stays as fast
#   make bench-upkeep                who waits while partitions are dropped
#   make bench                       all of them
#
# Each builds and installs both programs first, prints its figures and keeps
# them in results/.  What else can be set is told at the head of each program,
# test/bench/read, write, clear, notify, deliver, fetch and upkeep.

BENCHES = bench-read bench-write bench-clear bench-notify bench-deliver \
	bench-fetch bench-upkeep
SIZE ?= 1000000

bench:
	@for b in $(BENCHES); do $(MAKE) -s $$b || exit; done
$(BENCHES): bench-%:
	@SIZE='$(SIZE)' PG_CONFIG='$(PG_CONFIG)' $(TOP)/test/bench/$*

.PHONY: bench $(BENCHES)
