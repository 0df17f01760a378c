/*
 * gauges.h
 *		What each webhook is owed, as counted in the database.
 */
#ifndef NOTIFIER_GAUGES_H
#define NOTIFIER_GAUGES_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Gauge: the numbers of one webhook.
 */
typedef struct Gauge
{
	double		owed;			/* events, without dead ones */
	double		dead;			/* events */
	double		oldest_age;		/* of the events owed, in seconds */
	bool		paused;
} Gauge;

/*
 * gauges_begin: count periodically, in a session of its own.  The names are
 * copied.  If called again, it continues with the new names.
 */
extern bool gauges_begin(const char *database, const char *const *names,
						 size_t n);
extern void gauges_end(void);

/*
 * gauges_of: the gauge of the webhook at this index of the names; NULL: not
 * known, or out of date.
 */
extern const Gauge *gauges_of(size_t index);

#endif							/* NOTIFIER_GAUGES_H */
