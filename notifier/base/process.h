/*
 * process.h
 *		The process itself: what it may do, and what it uses.
 */
#ifndef NOTIFIER_PROCESS_H
#define NOTIFIER_PROCESS_H

#include <stdbool.h>

/*
 * ProcessUse: by the names that Prometheus' clients have for it; -1: not known.
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
 * process_begin: no secret of its memory is to be left in a core dump.
 */
extern void process_begin(void);

extern void process_use(ProcessUse *use);

#endif							/* NOTIFIER_PROCESS_H */
