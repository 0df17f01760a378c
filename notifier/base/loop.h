/*
 * loop.h
 *		The event loop: file descriptors and timers, in one thread.
 */
#ifndef NOTIFIER_LOOP_H
#define NOTIFIER_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

typedef void (*LoopFdCallback) (void *arg, uint32_t events);
typedef void (*LoopTimerCallback) (void *arg);

/*
 * LoopTimer: belongs to its owner; zeroed at the start.
 */
typedef struct LoopTimer
{
	struct LoopTimer *next;
	bool		set;
	int64_t		due;			/* loop_now() */
	LoopTimerCallback callback;
	void	   *arg;
} LoopTimer;

/*
 * loop_now: ms of a monotonic clock, as of the loop's last turn.
 */
extern int64_t loop_now(void);

extern bool loop_init(void);

/*
 * loop_watch: call back when fd has events (EPOLLIN, EPOLLOUT).  If fd is
 * watched already, replace what it is watched for.
 */
extern bool loop_watch(int fd, uint32_t events, LoopFdCallback callback,
					   void *arg);
extern void loop_unwatch(int fd);

/*
 * loop_timer_set: call back once, after `in` ms.  Replaces what the timer was
 * set to.
 */
extern void loop_timer_set(LoopTimer *timer, int64_t in,
						   LoopTimerCallback callback, void *arg);
extern void loop_timer_clear(LoopTimer *timer);

/*
 * loop_once: wait for events and timers and call back.  False: waiting failed.
 */
extern bool loop_once(void);

#endif							/* NOTIFIER_LOOP_H */
