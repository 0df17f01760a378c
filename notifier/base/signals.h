/*
 * signals.h
 *		Handles signals on the loop.
 */
#ifndef NOTIFIER_SIGNALS_H
#define NOTIFIER_SIGNALS_H

#include <stdbool.h>

/*
 * SignalEvents: callbacks.  stop: for SIGTERM and SIGINT; reload: for SIGHUP.
 */
typedef struct SignalEvents
{
	void		(*stop) (void);
	void		(*reload) (void);
} SignalEvents;

extern bool signals_begin(const SignalEvents *events);

#endif							/* NOTIFIER_SIGNALS_H */
