# eventlog: the extension by PGXS, the notifier by its own Makefile.
#
#   make            build both            make demo   see it work
#   make install    install both          make test   run all tests
#   make test-assert                      the same on a PostgreSQL with assertions
#
# demo and the tests install what the machine lacks and find a PostgreSQL of
# their own; the rest are PGXS's targets and need pg_config (or PG_CONFIG=...).

EXTENSION = eventlog
EXTVERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" eventlog.control)
MODULE_big = eventlog
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
DATA_built = sql/eventlog--$(EXTVERSION).sql
DATA = $(filter-out $(DATA_built),$(wildcard sql/eventlog--*.sql))
PG_CPPFLAGS = -Isrc -DEVENTLOG_VERSION='"$(EXTVERSION)"'
PG_CFLAGS = -fvisibility=hidden -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers $(WERROR)

# The regression tests' expected output is in expected/, the isolation tests'
# in test/isolation/expected/ (PostgreSQL 16 wants to be told where).
REGRESS = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test
ISOLATION = $(patsubst test/isolation/specs/%.spec,%,$(sort $(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation --load-extension=eventlog \
	$(if $(filter-out 15,$(MAJORVERSION)),--expecteddir=test/isolation)

PG_CONFIG ?= pg_config
PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))
ifneq ($(PGXS),)
include $(PGXS)
else ifneq ($(filter-out demo test test-assert,$(or $(MAKECMDGOALS),all)),)
$(error $(PG_CONFIG) names no PGXS; test/install-deps installs what is missing)
endif

$(OBJS): $(wildcard src/*.h src/*/*.h)

sql/eventlog--$(EXTVERSION).sql: sql/eventlog.sql
	cp $< $@

# Whatever is done with the extension is done with the notifier.
NOTIFIER = all-notifier install-notifier uninstall-notifier clean-notifier
all: all-notifier
install: install-notifier
uninstall: uninstall-notifier
clean: clean-notifier
$(NOTIFIER): %-notifier:
	$(MAKE) -C notifier $* PG_CONFIG='$(PG_CONFIG)'

demo:
	@test/demo
test:
	@test/run
test-assert:
	@test/run assert
coverage:
	@PG_CONFIG='$(PG_CONFIG)' test/coverage
fuzz-sql:
	@PG_CONFIG='$(PG_CONFIG)' test/fuzz-sql
soak:
	@PG_CONFIG='$(PG_CONFIG)' test/soak
soak-notifier:
	@PG_CONFIG='$(PG_CONFIG)' test/run soak_notifier

format:
	@test/format
check-format:
	@test/format --check

.PHONY: demo test test-assert coverage fuzz-sql soak soak-notifier format check-format $(NOTIFIER)

include test/bench/bench.mk
