/*
 * database.h
 *		The session that delivers: sets it up, finds the log, and watches it.
 */
#ifndef NOTIFIER_DATABASE_H
#define NOTIFIER_DATABASE_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "net/session.h"

/*
 * DatabaseEvents: callbacks.
 *
 * ready: the log is known, and the session listens; webhooks may start.
 * lost: the session is lost, and with it what was fetched.
 * notified: a subscription has events; "": any subscription can have some.
 * failed: something failed and will be tried again.
 * beat: called periodically while the session works, with the number of
 * notifiers that have the same webhooks.
 */
typedef struct DatabaseEvents
{
	void		(*ready) (void);
	void		(*lost) (void);
	void		(*notified) (const char *name);
	void		(*failed) (void);
	void		(*beat) (int nnotifiers);
} DatabaseEvents;

/*
 * database_begin: connect. name: the application_name, which notifiers with
 * the same webhooks share.  The configuration must stay valid.
 */
extern bool database_begin(const Config *config, const char *name,
						   const DatabaseEvents *events);
extern void database_end(void);

extern Session *database_session(void);

/*
 * database_log: the Oid of the log, as text; NULL: not known.
 */
extern const char *database_log(void);

extern bool database_is_set_up(void);

/*
 * database_trouble: what is wrong, as a text for people; NULL: nothing.
 */
extern const char *database_trouble(void);

/*
 * database_heard: when the database last answered, in seconds since 1970; 0:
 * never.
 */
extern double database_heard(void);

/*
 * database_use: continue with another configuration for the same database and
 * log, and perhaps another application_name.
 */
extern void database_use(const Config *config, const char *name);

#endif							/* NOTIFIER_DATABASE_H */
