/*
 * signals.c
 *		Handles signals on the loop, through a file descriptor.
 */
#include "base/signals.h"

#include "base/logging.h"
#include "base/loop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const SignalEvents *events = NULL;

static void
signal_arrived(void *arg, uint32_t revents)
{
	struct signalfd_siginfo info;
	int			fd = (int) (intptr_t) arg;

	(void) revents;
	while (read(fd, &info, sizeof(info)) == (ssize_t) sizeof(info))
	{
		if (info.ssi_signo == SIGHUP)
			events->reload();
		else
			events->stop();
	}
}

bool
signals_begin(const SignalEvents *callbacks)
{
	sigset_t	set;
	int			fd;

	events = callbacks;
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 ||
		(fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)) < 0)
	{
		log_event(LOG_LEVEL_ERROR, "could not watch signals",
				  "error", strerror(errno), NULL);
		return false;
	}
	return loop_watch(fd, EPOLLIN, signal_arrived, (void *) (intptr_t) fd);
}
