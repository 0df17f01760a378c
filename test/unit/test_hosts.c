/*
 * test_hosts.c
 *		The hosts of a connection string: which comes first in the next try, and
 *		for how long it may be silent.
 */
#include "hosts.h"
#include "tap.h"

#include <stdlib.h>

/*
 * learn: what libpq makes of a connection string; nothing is sent yet.
 */
static void
learn(Hosts *hosts, const char *database)
{
	PGconn	   *conn = PQconnectStart(database);

	memset(hosts, 0, sizeof(*hosts));
	ok(hosts_learn(hosts, conn), database);
	PQfinish(conn);
}

static void
rotated(Hosts *hosts, const char *list, const char *expected)
{
	char	   *got = hosts_rotated(hosts, list);

	is_text(got, expected, expected);
	free(got);
}

int
main(void)
{
	Hosts		hosts;
	PGconn	   *conn;

	learn(&hosts, "host=/tmp/a,/tmp/b,/tmp/c port=1,2,3 connect_timeout=3");
	is_int(hosts.n, 3, "three hosts");
	is_int(hosts.timeout, 3000, "each has three seconds");
	rotated(&hosts, hosts.host, "/tmp/a,/tmp/b,/tmp/c");
	hosts.first = 1;
	rotated(&hosts, hosts.host, "/tmp/b,/tmp/c,/tmp/a");
	rotated(&hosts, hosts.port, "2,3,1");
	hosts_destroy(&hosts);

	learn(&hosts, "host=/tmp/a,/tmp/b port=7");
	is_int(hosts.timeout, 10000, "ten seconds unless told otherwise");
	hosts.first = 1;
	rotated(&hosts, hosts.host, "/tmp/b,/tmp/a");
	rotated(&hosts, hosts.port, "7");
	hosts_destroy(&hosts);

	/* nobody is there, so libpq ends at the last one */
	learn(&hosts, "host=127.0.0.1,127.0.0.2 port=1,2");
	conn = PQconnectStart("host=127.0.0.1,127.0.0.2 port=1,2");
	ok(hosts_skip(&hosts, conn), "the first one is skipped: there is another");
	is_int(hosts.first, 1, "with which the next try begins");
	PQfinish(conn);
	conn = PQconnectStart("host=127.0.0.2,127.0.0.1 port=2,1");
	ok(!hosts_skip(&hosts, conn), "behind the last one the round is over");
	is_int(hosts.first, 0, "and the next one begins at the first");
	PQfinish(conn);
	hosts_destroy(&hosts);
	return done_testing();
}
