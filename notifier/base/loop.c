/*
 * loop.c
 *		The event loop: epoll, and a sorted list of timers.
 *
 * A list is fast enough, since there are only a few timers for each webhook.
 */
#include "base/loop.h"

#include "base/logging.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_EVENTS	64

/*
 * Watch: of one file descriptor.  Events carry its serial number, so an event
 * of a closed descriptor is not taken for one of a new descriptor with the
 * same number.
 */
typedef struct Watch
{
	LoopFdCallback callback;	/* NULL: not watched */
	void	   *arg;
	uint32_t	serial;
} Watch;

static int	epoll_fd = -1;
static Watch *watches = NULL;	/* by file descriptor */
static int	nwatches = 0;
static LoopTimer *timers = NULL;
static int64_t now = 0;

static void
read_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t
loop_now(void)
{
	return now;
}

bool
loop_init(void)
{
	read_clock();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		log_event(LOG_LEVEL_ERROR, "epoll_create1 failed",
				  "error", strerror(errno), NULL);
	return epoll_fd >= 0;
}

/*
 * room_for: extend the table of watches to fd.
 */
static bool
room_for(int fd)
{
	int			n = fd + 16;
	Watch	   *grown;

	if (fd < nwatches)
		return true;
	grown = realloc(watches, sizeof(Watch) * (size_t) n);
	if (grown == NULL)
		return false;
	memset(grown + nwatches, 0, sizeof(Watch) * (size_t) (n - nwatches));
	watches = grown;
	nwatches = n;
	return true;
}

bool
loop_watch(int fd, uint32_t events, LoopFdCallback callback, void *arg)
{
	struct epoll_event event = {.events = events};
	int			op;

	if (!room_for(fd))
	{
		log_event(LOG_LEVEL_ERROR, "out of memory", NULL);
		return false;
	}
	op = watches[fd].callback ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (op == EPOLL_CTL_ADD)
		watches[fd].serial++;
	event.data.u64 = (uint64_t) watches[fd].serial << 32 | (uint32_t) fd;
	if (epoll_ctl(epoll_fd, op, fd, &event) != 0)
	{
		/* fd was closed without loop_unwatch(), or is another one now */
		op = op == EPOLL_CTL_MOD ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
		if (epoll_ctl(epoll_fd, op, fd, &event) != 0)
		{
			log_event(LOG_LEVEL_ERROR, "epoll_ctl failed",
					  "error", strerror(errno), NULL);
			return false;
		}
	}
	watches[fd].callback = callback;
	watches[fd].arg = arg;
	return true;
}

void
loop_unwatch(int fd)
{
	if (fd < 0 || fd >= nwatches || watches[fd].callback == NULL)
		return;
	watches[fd].callback = NULL;
	/* this fails if fd is closed already, which has the same effect */
	(void) epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

void
loop_timer_set(LoopTimer *timer, int64_t in, LoopTimerCallback callback,
			   void *arg)
{
	LoopTimer **at = &timers;

	loop_timer_clear(timer);
	timer->due = now + (in > 0 ? in : 1);	/* never in the same turn */
	timer->callback = callback;
	timer->arg = arg;
	timer->set = true;
	while (*at && (*at)->due <= timer->due)
		at = &(*at)->next;
	timer->next = *at;
	*at = timer;
}

void
loop_timer_clear(LoopTimer *timer)
{
	LoopTimer **at = &timers;

	if (!timer->set)
		return;
	while (*at != timer)
		at = &(*at)->next;
	*at = timer->next;
	timer->set = false;
}

static void
run_timers(void)
{
	while (timers && timers->due <= now)
	{
		LoopTimer  *timer = timers;

		loop_timer_clear(timer);
		timer->callback(timer->arg);
	}
}

bool
loop_once(void)
{
	struct epoll_event events[MAX_EVENTS];
	int64_t		wait = timers ? timers->due - now : -1;
	int			n;

	if (timers && wait < 0)
		wait = 0;
	n = epoll_wait(epoll_fd, events, MAX_EVENTS,
				   wait > 3600000 ? 3600000 : (int) wait);
	read_clock();
	if (n < 0 && errno != EINTR)
	{
		log_event(LOG_LEVEL_ERROR, "epoll_wait failed",
				  "error", strerror(errno), NULL);
		return false;
	}
	for (int i = 0; i < n; i++)
	{
		Watch	   *watch = &watches[(uint32_t) events[i].data.u64];

		if (watch->callback && watch->serial == events[i].data.u64 >> 32)
			watch->callback(watch->arg, events[i].events);
	}
	run_timers();
	return true;
}
