/*
 * logging.h
 *		One logfmt line an occurrence, to stderr.
 */
#ifndef NOTIFIER_LOGGING_H
#define NOTIFIER_LOGGING_H

#include <stdbool.h>
#include <stddef.h>

typedef enum LogLevel
{
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_ERROR
} LogLevel;

extern bool log_level_find(const char *name, LogLevel *level);
extern void log_set_level(LogLevel level);

/*
 * log_event: write "time=… level=… msg=… key=value …".
 *
 * Behind msg come pairs of strings, a key and a value, up to a NULL key; a
 * pair whose value is NULL is left out.  Values are quoted and cut as needed.
 * Nothing that is secret, and no payload, may be passed.
 */
extern void log_event(LogLevel level, const char *msg,...)
			__attribute__((sentinel));

/*
 * printable: make a foreign text fit to be shown and kept: on one line, cut to
 * size - 1 bytes where a character ends, with '?' for whatever is not UTF-8 or
 * would change how the rest is shown.
 */
extern void printable(char *to, size_t size, const char *from, size_t len);

#endif							/* NOTIFIER_LOGGING_H */
