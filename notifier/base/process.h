/*
 * process.h
 *		The process: core dumps, and the resources that it uses.
 */
#ifndef NOTIFIER_PROCESS_H
#define NOTIFIER_PROCESS_H

#include <stdbool.h>

/*
 * ProcessUse: the values that Prometheus clients report; -1: not known.
 */
typedef struct ProcessUse
{
	double		cpu_seconds;
	double		resident_bytes;
	double		virtual_bytes;
	double		open_fds;
	double		max_fds;
	double		start_time;		/* seconds since 1970 */
} ProcessUse;

/*
 * process_begin: disable core dumps, which could contain secrets.
 */
extern void process_begin(void);

extern void process_use(ProcessUse *use);

#endif							/* NOTIFIER_PROCESS_H */
