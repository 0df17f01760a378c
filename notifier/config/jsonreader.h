/*
 * jsonreader.h
 *		What the configuration's values are read with.
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
 * ReaderComplain: told of what is wrong (LOG_LEVEL_ERROR), or might be
 * (LOG_LEVEL_WARNING).
 */
typedef void (*ReaderComplain) (LogLevel level, const char *message);

/*
 * Reader: where in the file we are, and whether all is well so far.
 */
typedef struct Reader
{
	ReaderComplain complain;
	bool		ok;
	bool		exposed;		/* others may read the file itself */
	char		path[512];
} Reader;

/*
 * reader_wrong: complain of a key, and note that not all is well.
 * reader_warn: complain, and that is all.
 */
extern void reader_wrong(Reader *reader, const char *key,
						 const char *format,...)
			__attribute__((format(printf, 3, 4)));
extern void reader_warn(Reader *reader, const char *key,
						const char *format,...)
			__attribute__((format(printf, 3, 4)));

/*
 * reader_enter, reader_leave: the path gets longer by a key, and is cut again
 * to what it was.
 */
extern size_t reader_enter(Reader *reader, const char *key);
extern void reader_leave(Reader *reader, size_t len);

/*
 * reader_check_keys: an error for each key that is not in the list, which NULL
 * ends.
 */
extern void reader_check_keys(Reader *reader, json_t *object,
							  const char *const *known);

/*
 * The value of a key, if it is there and as it should be; otherwise NULL or
 * what is given as absent.  Strings are copies.
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
 * reader_rate: how many a second; 0 where it is not there.
 */
extern double reader_rate(Reader *reader, json_t *object, const char *key,
						  double max);

/*
 * reader_secret: a value that stands in the file itself, or in a file of its
 * own that `key`_file names.
 */
extern char *reader_secret(Reader *reader, json_t *object, const char *key);

/*
 * reader_contents: the text of the file of that name, which is a secret.
 */
extern char *reader_contents(Reader *reader, const char *key,
							 const char *name);

/*
 * reader_file: the text of the file that the key names.
 */
extern char *reader_file(Reader *reader, json_t *object, const char *key,
						 bool secret);

/*
 * reader_anchor_files: names of files in an object, and in those in it, are
 * relative to a directory.
 */
extern void reader_anchor_files(json_t *object, const char *dir);

/*
 * reader_load: a whole file of at most max bytes, with a NUL behind it; NULL
 * and errno when that fails.  *exposed: may others read it?
 */
extern char *reader_load(const char *path, size_t max, size_t *len,
						 bool *exposed);

#endif							/* NOTIFIER_JSONREADER_H */
