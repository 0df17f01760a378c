/*
 * supervisor.h
 *		What a service manager is told.
 */
#ifndef SUPERVISOR_H
#define SUPERVISOR_H

#include <stdint.h>

extern void supervisor_notify(const char *state);
extern uint64_t supervisor_watchdog(void);

#endif							/* SUPERVISOR_H */
