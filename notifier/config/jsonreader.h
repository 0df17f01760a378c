/*
 * jsonreader.h
 *		Reads the values of a configuration.
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
 * ReaderComplain: called for each error (LOG_LEVEL_ERROR) and each warning
 * (LOG_LEVEL_WARNING).
 */
typedef void (*ReaderComplain) (LogLevel level, const char *message);

/*
 * Reader: the path in the file, and whether there was an error so far.
 */
typedef struct Reader
{
	ReaderComplain complain;
	bool		ok;
	bool		exposed;		/* other users can read the file itself */
	char		path[512];
} Reader;

/*
 * reader_wrong: report an error of a key, and clear reader->ok.
 * reader_warn: report a warning.
 */
extern void reader_wrong(Reader *reader, const char *key,
						 const char *format,...)
			__attribute__((format(printf, 3, 4)));
extern void reader_warn(Reader *reader, const char *key,
						const char *format,...)
			__attribute__((format(printf, 3, 4)));

/*
 * reader_enter, reader_leave: append a key to the path, and cut the path to
 * the length that reader_enter returned.
 */
extern size_t reader_enter(Reader *reader, const char *key);
extern void reader_leave(Reader *reader, size_t len);

/*
 * reader_check_keys: report each key that is not in the list, which NULL ends.
 */
extern void reader_check_keys(Reader *reader, json_t *object,
							  const char *const *known);

/*
 * These return the value of a key; NULL or the `absent` value if there is
 * none.  A wrong value is reported.  Strings are the caller's copies.
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
 * reader_rate: return a number a second, at most max; 0 if it is absent or
 * wrong.
 */
extern double reader_rate(Reader *reader, json_t *object, const char *key,
						  double max);

/*
 * reader_secret: return the value of `key`, or the contents of the file that
 * `key`_file names; allocated, NULL if it is absent or wrong.
 */
extern char *reader_secret(Reader *reader, json_t *object, const char *key);

/*
 * reader_warn_exposed: warn if others can read the configuration, which has
 * this secret.
 */
extern void reader_warn_exposed(Reader *reader, const char *key);

/*
 * reader_contents: return the contents of the file called name, which are a
 * secret; allocated, NULL if they are wrong.
 */
extern char *reader_contents(Reader *reader, const char *key,
							 const char *name);

/*
 * reader_file: return the contents of the file that the key names; allocated,
 * NULL if it is absent or wrong.
 */
extern char *reader_file(Reader *reader, json_t *object, const char *key,
						 bool secret);

/*
 * reader_anchor_files: put dir before each relative file name in an object and
 * in the objects below it, but for the body of a request.
 */
extern void reader_anchor_files(json_t *object, const char *dir);

/*
 * reader_load: read a whole file of at most max bytes, and append a NUL;
 * allocated, NULL and errno on failure.  *exposed: can other users read it?
 */
extern char *reader_load(const char *path, size_t max, size_t *len,
						 bool *exposed);

#endif							/* NOTIFIER_JSONREADER_H */
