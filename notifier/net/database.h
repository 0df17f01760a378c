/*
 * database.h
 *		The session that delivers: made fit for it, and its log found.
 */
#ifndef NOTIFIER_DATABASE_H
#define NOTIFIER_DATABASE_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "net/session.h"

/*
 * DatabaseEvents: ready: the log is known, and NOTIFY is heard; webhooks may
 * start.  lost: the session is lost, and with it what was fetched.  rung: a
 * subscription has something to fetch; "": any may.  failed: something did not
 * work and will be tried again.  beat: it goes on; so many notifiers are there
 * with the same webhooks.
 */
typedef struct DatabaseEvents
{
	void		(*ready) (void);
	void		(*lost) (void);
	void		(*rung) (const char *name);
	void		(*failed) (void);
	void		(*beat) (int nnotifiers);
} DatabaseEvents;

/*
 * database_begin: connect.  name: of the session, the same for notifiers of the
 * same webhooks.  The configuration must outlive it.
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
 * database_trouble: what is wrong, for people; NULL: nothing.
 */
extern const char *database_trouble(void);

/*
 * database_heard: when the database was last heard of, in seconds since 1970;
 * 0: never.
 */
extern double database_heard(void);

/*
 * database_use: a configuration with the same database and log takes the place
 * of the one before; the session may have another name.
 */
extern void database_use(const Config *config, const char *name);

#endif							/* NOTIFIER_DATABASE_H */
