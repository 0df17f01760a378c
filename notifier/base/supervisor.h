/*
 * supervisor.h
 *		Notifies the service manager.
 */
#ifndef NOTIFIER_SUPERVISOR_H
#define NOTIFIER_SUPERVISOR_H

#include <stdint.h>

extern void supervisor_notify(const char *state);
extern uint64_t supervisor_watchdog(void);

#endif							/* NOTIFIER_SUPERVISOR_H */
