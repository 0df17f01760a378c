# eventlog: the extension by PGXS, the notifier by its own Makefile.
#
#   make            build both            make demo   see it work
#   make install    install both          make test   run all tests

EXTENSION = eventlog
EXTVERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" eventlog.control)
MODULE_big = eventlog
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c)))
DATA_built = sql/eventlog--$(EXTVERSION).sql
DATA = $(wildcard sql/eventlog--*--*.sql)
PG_CPPFLAGS = -DEVENTLOG_VERSION='"$(EXTVERSION)"'
PG_CFLAGS = -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers $(WERROR)

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(OBJS): $(wildcard src/*.h)

SQL_PARTS = $(addprefix sql/,schema.sql event.sql log.sql read.sql write.sql \
	clear.sql queue.sql)

sql/eventlog--$(EXTVERSION).sql: $(SQL_PARTS)
	cat $(SQL_PARTS) > $@
