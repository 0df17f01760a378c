/*
 * pooler.h
 *		Finds out whether a pooler gives the statements of a session to
 *		different connections.
 */
#ifndef NOTIFIER_POOLER_H
#define NOTIFIER_POOLER_H

#include <stdbool.h>

#include "net/session.h"

/*
 * pooler_check: check, and call back later. own: the session has a connection
 * of its own.  No callback if the session is lost.  One check at a time.
 */
typedef void (*PoolerChecked) (void *arg, bool own);

extern void pooler_check(Session *session, const char *database,
						 PoolerChecked callback, void *arg);

/*
 * pooler_heard: a notification has arrived; true if it belongs to a check.
 */
extern bool pooler_heard(const char *channel);

/*
 * pooler_stop: end the check; there will be no callback.
 */
extern void pooler_stop(void);

#endif							/* NOTIFIER_POOLER_H */
