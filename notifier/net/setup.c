/*
 * setup.c
 *		Sets a session up, and checks the version of the extension.
 *
 * An acknowledgement that is lost in a crash of the server causes a duplicate
 * at worst, so commits do not wait for the disk.  The server should notice
 * soon when this host is gone, so that another notifier can take over.  A
 * setting that the server does not know is left out.
 */
#include "net/setup.h"

#include <stdio.h>
#include <string.h>

#define SETTINGS \
	"('application_name', $1)," \
	" ('statement_timeout', $2)," \
	" ('search_path', '')," \
	" ('synchronous_commit', 'off')," \
	" ('lock_timeout', '0')," \
	" ('idle_session_timeout', '0')," \
	" ('idle_in_transaction_session_timeout', '0')," \
	" ('transaction_timeout', '0')," \
	" ('tcp_keepalives_idle', '10')," \
	" ('tcp_keepalives_interval', '5')," \
	" ('tcp_keepalives_count', '3')," \
	" ('tcp_user_timeout', '30000')," \
	" ('default_transaction_read_only', 'off')," \
	" ('default_transaction_isolation', 'read committed')," \
	" ('default_transaction_deferrable', 'off')," \
	" ('standard_conforming_strings', 'on')," \
	" ('client_min_messages', 'notice')," \
	" ('row_security', 'on')," \
	" ('jit', 'off')"

bool
setup_session(Session *session, const char *name, int statement_timeout,
			  SessionResult callback, void *arg)
{
	char		timeout[16];
	const char *params[] = {name, timeout};

	snprintf(timeout, sizeof(timeout), "%d", statement_timeout);
	return session_query(session,
						 "SELECT pg_catalog.set_config(s.name, s.value, false)"
						 " FROM (VALUES " SETTINGS ") s(name, value)"
						 " JOIN pg_catalog.pg_settings g"
						 " ON g.name OPERATOR(pg_catalog.=) s.name",
						 2, params, callback, arg);
}

/*
 * branch: the length of X.Y in X.Y.Z.
 */
static size_t
branch(const char *version)
{
	const char *dot = strchr(version, '.');

	dot = dot ? strchr(dot + 1, '.') : NULL;
	return dot ? (size_t) (dot - version) : strlen(version);
}

bool
setup_fits(const char *extension)
{
	return branch(extension) == branch(EVENTLOG_VERSION) &&
		strncmp(extension, EVENTLOG_VERSION, branch(extension)) == 0;
}
