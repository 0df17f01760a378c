/*
 * logging.h
 *		The log: one line in logfmt for each event, to stderr.
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
 * msg is followed by pairs of strings, key and value, and a NULL.  A pair
 * whose value is NULL is left out.  Values are quoted and cut as needed.
 * Never pass secrets or payloads.
 */
extern void log_event(LogLevel level, const char *msg,...)
			__attribute__((sentinel));

/*
 * printable: copy a text of unknown origin so that it can be shown: one line,
 * cut to size - 1 bytes at the end of a character, with '?' in place of
 * whatever is not UTF-8 or would change how other characters are shown.
 */
extern void printable(char *to, size_t size, const char *from, size_t len);

#endif							/* NOTIFIER_LOGGING_H */
