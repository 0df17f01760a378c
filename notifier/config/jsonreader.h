/*
 * jsonreader.h
 *		Reads values of the configuration, and complains of wrong ones.
 */
#ifndef NOTIFIER_JSONREADER_H
#define NOTIFIER_JSONREADER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/logging.h"

#define READER_DAY	((int64_t) 86400000)	/* ms */

/*
 * ReaderComplain: called with each error (LOG_LEVEL_ERROR) and warning
 * (LOG_LEVEL_WARNING).
 */
typedef void (*ReaderComplain) (LogLevel level, const char *message);

/*
 * Reader: the current path in the file, and whether there was no error so far.
 */
typedef struct Reader
{
	ReaderComplain complain;
	bool		ok;
	bool		exposed;		/* others can read the configuration */
	char		path[512];
} Reader;

/*
 * reader_wrong: report an error about a key.
 * reader_warn: report a warning.
 */
extern void reader_wrong(Reader *reader, const char *key,
						 const char *format,...)
			__attribute__((format(printf, 3, 4)));
extern void reader_warn(Reader *reader, const char *key,
						const char *format,...)
			__attribute__((format(printf, 3, 4)));

/*
 * reader_enter, reader_leave: append a key to the path, or cut the path to its
 * length before.
 */
extern size_t reader_enter(Reader *reader, const char *key);
extern void reader_leave(Reader *reader, size_t len);

/*
 * reader_check_keys: report an error for each key that is not in the list,
 * which ends with NULL.
 */
extern void reader_check_keys(Reader *reader, json_t *object,
							  const char *const *known);

/*
 * Read the value of a key.  If it is missing or wrong, they return NULL or
 * `absent`.  Strings are copies.
 */
extern json_t *reader_object(Reader *reader, json_t *object, const char *key);
extern char *reader_string(Reader *reader, json_t *object, const char *key);
extern bool reader_bool(Reader *reader, json_t *object, const char *key,
						bool absent);
extern int	reader_int(Reader *reader, json_t *object, const char *key,
					   int absent, int min, int max);
extern int64_t reader_duration(Reader *reader, json_t *object, const char *key,
							   int64_t absent, int64_t min, int64_t max);

/*
 * reader_rate: read a rate, per second; 0 if it is missing.
 */
extern double reader_rate(Reader *reader, json_t *object, const char *key,
						  double max);

/*
 * reader_secret: read a value that is in the configuration, or in a file that
 * KEY_file names.
 */
extern char *reader_secret(Reader *reader, json_t *object, const char *key);

/*
 * reader_contents: read the file with that name, which has a secret.
 */
extern char *reader_contents(Reader *reader, const char *key,
							 const char *name);

/*
 * reader_file: read the file that a key names.
 */
extern char *reader_file(Reader *reader, json_t *object, const char *key,
						 bool secret);

/*
 * reader_anchor_files: make the file names in an object, and in objects in it,
 * relative to a directory.
 */
extern void reader_anchor_files(json_t *object, const char *dir);

/*
 * reader_load: read a whole file of at most max bytes, and add a NUL.  NULL
 * and errno if that fails. *exposed: can others read it?
 */
extern char *reader_load(const char *path, size_t max, size_t *len,
						 bool *exposed);

#endif							/* NOTIFIER_JSONREADER_H */
