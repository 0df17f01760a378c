/*
 * test_hosts.c
 *		The hosts of a connection string, and for how long each may be silent.
 */
#include "net/hosts.h"
#include "tap.h"

#include <stdlib.h>

/*
 * learn: what libpq makes of a connection string; nothing is sent.
 */
static void
learn(Hosts *hosts, const char *database, int n)
{
	memset(hosts, 0, sizeof(*hosts));
	ok(hosts_learn(hosts, database), database);
	is_int(hosts->n, n, "how many hosts");
}

static void
is_host(const Hosts *hosts, int number, const char *host, const char *hostaddr,
		const char *port, bool name)
{
	Host		got;

	ok(hosts_get(hosts, number, &got), "a host");
	is_text(got.host ? got.host : "default", host, "its name");
	is_text(got.hostaddr ? got.hostaddr : "none", hostaddr, "its address");
	is_text(got.port ? got.port : "default", port, "its port");
	ok(host_is_name(&got) == name, name ? "it is looked up" : "it is not looked up");
	host_free(&got);
}

int
main(void)
{
	Hosts		hosts;
	Host		host;

	unsetenv("PGHOST");
	unsetenv("PGHOSTADDR");
	unsetenv("PGPORT");
	unsetenv("PGCONNECT_TIMEOUT");
	learn(&hosts, "host=/tmp/a,b.example,127.0.0.1 port=1,2,3 connect_timeout=3", 3);
	is_int(hosts.timeout, 3000, "each has three seconds");
	is_host(&hosts, 0, "/tmp/a", "none", "1", false);
	is_host(&hosts, 1, "b.example", "none", "2", true);
	is_host(&hosts, 2, "127.0.0.1", "none", "3", true);
	hosts_destroy(&hosts);

	learn(&hosts, "host=a.example,b.example hostaddr=127.0.0.1,127.0.0.2 port=7", 2);
	is_int(hosts.timeout, 10000, "ten seconds unless told otherwise");
	is_host(&hosts, 1, "b.example", "127.0.0.2", "7", false);
	hosts_destroy(&hosts);

	learn(&hosts, "postgresql://u:p@a.example,b.example:6/db", 2);
	is_host(&hosts, 0, "a.example", "none", "5432", true);
	is_host(&hosts, 1, "b.example", "none", "6", true);
	hosts_destroy(&hosts);

	learn(&hosts, "host=,/tmp/b", 2);
	ok(hosts_get(&hosts, 0, &host) && host.host && host.host[0] == '/',
	   "an empty one is the usual directory");
	host_free(&host);
	hosts_destroy(&hosts);

	setenv("PGHOST", "env.example", 1);
	learn(&hosts, "dbname=db", 1);
	is_host(&hosts, 0, "env.example", "none", "5432", true);
	hosts_destroy(&hosts);

	setenv("PGHOST", "/tmp/a,/tmp/b", 1);
	learn(&hosts, "port=1,2,3", 2);
	is_host(&hosts, 1, "/tmp/b", "none", "1,2,3", false);
	hosts_destroy(&hosts);
	return done_testing();
}
