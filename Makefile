# eventlog: the extension by PGXS, the notifier by its own Makefile.
#
#   make            build both            make demo   see it work
#   make install    install both          make test   run all tests
#   make test-assert                      the same on a PostgreSQL with assertions
#   make test-matrix VERSIONS="17 18"     the same on other versions of it
#   make NO_NOTIFIER=1                    the extension alone, also for install
#   make -C notifier                      the notifier alone, also for install
#   make dist                             the source of the last commit, for PGXN
#
# demo and the tests install what the machine lacks and find a PostgreSQL of
# their own; the rest are PGXS's targets and need pg_config (or PG_CONFIG=...).
# To build in a folder of its own, beside a source tree in which nothing has
# been built: make -f ../Makefile VPATH=..

TOP := $(or $(VPATH),$(patsubst %/,%,$(dir $(firstword $(MAKEFILE_LIST)))))

EXTENSION = eventlog
EXTVERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" $(TOP)/eventlog.control)
MODULE_big = eventlog
OBJS = $(patsubst $(TOP)/%.c,%.o,$(sort $(wildcard $(TOP)/src/*.c $(TOP)/src/*/*.c)))
DATA_built = sql/eventlog--$(EXTVERSION).sql
DATA = $(filter-out $(DATA_built),$(patsubst $(TOP)/%,%,$(wildcard $(TOP)/sql/eventlog--*.sql)))
PG_CPPFLAGS = -I$(TOP)/src -DEVENTLOG_VERSION='"$(EXTVERSION)"'
PG_CFLAGS = -fvisibility=hidden -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers \
	$(CLANG_FLAGS) $(WERROR)
# what clang does not know of the flags and headers of a server made by gcc
CLANG_FLAGS = $(if $(findstring clang,$(CC)),-Wno-ignored-attributes -Wno-ignored-optimization-argument \
	-Wno-unknown-warning-option -Wno-unused-command-line-argument)

# The regression tests' expected output is in expected/, the isolation tests'
# in test/isolation/expected/ (PostgreSQL 16 needs their path).
REGRESS = $(patsubst $(TOP)/test/sql/%.sql,%,$(sort $(wildcard $(TOP)/test/sql/*.sql)))
REGRESS_OPTS = --inputdir=$(TOP)/test
ISOLATION = $(patsubst $(TOP)/test/isolation/specs/%.spec,%,$(sort $(wildcard $(TOP)/test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=$(TOP)/test/isolation --load-extension=eventlog \
	$(if $(filter-out 15,$(MAJORVERSION)),--expecteddir=$(TOP)/test/isolation)
# In a folder of its own a build has no expected/, where pg_regress looks.
ifneq ($(abspath $(TOP)),$(CURDIR))
EXPECTED_LINK = $(CURDIR)/expected
EXTRA_CLEAN = $(EXPECTED_LINK)
endif

PG_CONFIG ?= pg_config
PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))
ifneq ($(PGXS),)
include $(PGXS)
else ifneq ($(filter-out demo dist test test-assert test-matrix,$(or $(MAKECMDGOALS),all)),)
$(error $(PG_CONFIG) names no PGXS; test/install-deps installs what is missing)
endif

# The folders are made where the build has its own, in which names that are
# not absolute would be searched for in the source tree, too.
BUILD_DIRS := $(addprefix $(CURDIR)/,$(sort $(dir $(OBJS)) sql/))
$(OBJS) $(OBJS:.o=.bc): $(wildcard $(TOP)/src/*.h $(TOP)/src/*/*.h) | $(BUILD_DIRS)
$(DATA_built): sql/eventlog.sql | $(BUILD_DIRS)
	cp $< $@
$(BUILD_DIRS):
	mkdir -p $@

$(EXPECTED_LINK):
	ln -s $(abspath $(TOP))/expected $@
installcheck: $(EXPECTED_LINK)

# The manual, in whose README.md the other pages are doc/..., and in these what
# they refer to is contrib/...
manualdir = $(docdir)/eventlog
CONTRIB = $(patsubst $(TOP)/%,%,$(wildcard $(addprefix $(TOP)/contrib/,*.sql psql/* prometheus/* grafana/* examples/* webhooks/*)))
install: install-manual
install-manual:
	$(MKDIR_P) '$(DESTDIR)$(manualdir)/doc'
	$(INSTALL_DATA) $(addprefix $(TOP)/,README.md CHANGELOG.md LICENSE SECURITY.md) '$(DESTDIR)$(manualdir)'
	$(if $(wildcard $(TOP)/doc/*.*),$(INSTALL_DATA) $(wildcard $(TOP)/doc/*.*) '$(DESTDIR)$(manualdir)/doc')
	for file in $(CONTRIB); do \
		$(MKDIR_P) '$(DESTDIR)$(manualdir)'/$${file%/*} && \
		$(INSTALL_DATA) '$(TOP)'/$$file '$(DESTDIR)$(manualdir)'/$$file || exit; done
uninstall: uninstall-manual
uninstall-manual:
	rm -rf '$(DESTDIR)$(manualdir)'

# Whatever is done with the extension is done with the notifier.
NOTIFIER = all-notifier install-notifier uninstall-notifier clean-notifier
ifndef NO_NOTIFIER
all: all-notifier
install: install-notifier
uninstall: uninstall-notifier
clean: clean-notifier
endif
$(NOTIFIER): %-notifier:
	mkdir -p notifier
	$(MAKE) -C notifier -f $(abspath $(TOP))/notifier/Makefile $* VPATH= PG_CONFIG='$(PG_CONFIG)'

DISTFILE = $(EXTENSION)-$(EXTVERSION).zip
EXTRA_CLEAN += $(DISTFILE)
dist:
	git -C $(TOP) archive --format=zip --prefix=$(EXTENSION)-$(EXTVERSION)/ -o $(abspath $(DISTFILE)) HEAD

demo:
	@$(TOP)/test/demo
test:
	@$(TOP)/test/run
test-assert:
	@$(TOP)/test/run assert
test-matrix:
	@$(TOP)/test/matrix $(VERSIONS)
test-citus:
	@$(TOP)/test/run citus
coverage:
	@PG_CONFIG='$(PG_CONFIG)' $(TOP)/test/coverage
fuzz-sql:
	@PG_CONFIG='$(PG_CONFIG)' $(TOP)/test/fuzz-sql
soak:
	@PG_CONFIG='$(PG_CONFIG)' $(TOP)/test/soak
soak-notifier:
	@PG_CONFIG='$(PG_CONFIG)' $(TOP)/test/run soak_notifier
# the pictures of the manual
pictures:
	@PG_CONFIG='$(PG_CONFIG)' $(TOP)/test/pictures

# Which files may use which: see src/README.
check-layers: $(OBJS)
	@$(TOP)/test/layers $(TOP)/src upkeep,queue,read,log,. $(OBJS)

format:
	@$(TOP)/test/format
check-format:
	@$(TOP)/test/format --check

.PHONY: demo dist test test-assert test-matrix test-citus coverage fuzz-sql soak soak-notifier pictures format check-format \
	check-layers \
	install-manual uninstall-manual $(NOTIFIER)

include $(TOP)/test/bench/bench.mk
