/*
 * test_supervisor.c
 *		What a service manager is told, over sockets of this program's own.
 */
#include "base/supervisor.h"
#include "tap.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * heard: what arrives at a socket of that name, "@..." being abstract, when
 * the manager is told so
 */
static const char *
heard(const char *name, const char *state)
{
	static char message[100];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int			fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	ssize_t		n;

	memcpy(address.sun_path, name, strlen(name));
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	if (bind(fd, (struct sockaddr *) &address,
			 (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(name))) != 0)
		return "no socket";
	setenv("NOTIFY_SOCKET", name, 1);
	supervisor_notify(state);
	n = recv(fd, message, sizeof(message) - 1, MSG_DONTWAIT);
	message[n > 0 ? n : 0] = '\0';
	close(fd);
	return message;
}

int
main(void)
{
	char		dir[] = "/tmp/test_supervisor.XXXXXX";
	char		name[200];
	char		pid[20];

	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(name, sizeof(name), "%s/notify", dir);
	is_text(heard(name, "READY=1"), "READY=1", "a socket in the file system");
	unlink(name);
	rmdir(dir);
	snprintf(name, sizeof(name), "@eventlog-%d", (int) getpid());
	is_text(heard(name, "STOPPING=1"), "STOPPING=1", "an abstract socket");

	/* none of these may do harm */
	supervisor_notify("READY=1");
	memset(name, 'x', sizeof(name) - 1);
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	setenv("NOTIFY_SOCKET", name, 1);
	supervisor_notify("READY=1");
	setenv("NOTIFY_SOCKET", "", 1);
	supervisor_notify("READY=1");
	setenv("NOTIFY_SOCKET", "vsock:2:1234", 1);
	supervisor_notify("READY=1");
	unsetenv("NOTIFY_SOCKET");
	supervisor_notify("READY=1");
	ok(true, "without a service manager that listens nothing happens");

	is_int((int) supervisor_watchdog(), 0, "no watchdog");
	setenv("WATCHDOG_USEC", "30000000", 1);
	is_int((int) supervisor_watchdog(), 30000000, "a watchdog");
	setenv("WATCHDOG_PID", "1", 1);
	is_int((int) supervisor_watchdog(), 0, "of another process");
	snprintf(pid, sizeof(pid), "%d", (int) getpid());
	setenv("WATCHDOG_PID", pid, 1);
	is_int((int) supervisor_watchdog(), 30000000, "of this one");
	return done_testing();
}
