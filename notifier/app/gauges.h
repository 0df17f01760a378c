/*
 * gauges.h
 *		What is owed to each webhook, as the database has it.
 */
#ifndef NOTIFIER_GAUGES_H
#define NOTIFIER_GAUGES_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Gauge: of one webhook.  Nothing is known before it was asked for, nor for
 * long when it cannot be any more.
 */
typedef struct Gauge
{
	double		owed;			/* events, dead ones apart */
	double		dead;			/* events given up */
	double		oldest_age;		/* s, of those owed */
	bool		paused;
} Gauge;

/*
 * gauges_begin: ask now and then, in a session of its own.  The names must
 * outlive it, or be others'; begun again, it goes on with other names.
 */
extern bool gauges_begin(const char *database, const char *const *names,
						 size_t n);
extern void gauges_end(void);

/*
 * gauges_of: of the webhook with that number in the list of names; NULL: not
 * known.
 */
extern const Gauge *gauges_of(size_t number);

#endif							/* NOTIFIER_GAUGES_H */
