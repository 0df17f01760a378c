/*
 * pooler.h
 *		Is a session one's own, or do its statements go to whatever connection a
 *		pooler has free?
 */
#ifndef NOTIFIER_POOLER_H
#define NOTIFIER_POOLER_H

#include <stdbool.h>

#include "net/session.h"

/*
 * pooler_check: find out, and call back later; own: it is.  Not called back when
 * the session is lost meanwhile.  One check at a time.
 */
typedef void (*PoolerChecked) (void *arg, bool own);

extern void pooler_check(Session *session, const char *database,
						 PoolerChecked callback, void *arg);

/*
 * pooler_heard: NOTIFY came; true if it was that of a check.
 */
extern bool pooler_heard(const char *channel);

/*
 * pooler_stop: the session is lost, or no answer is wanted any more.
 */
extern void pooler_stop(void);

#endif							/* NOTIFIER_POOLER_H */
