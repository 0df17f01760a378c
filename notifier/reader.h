/*
 * reader.h
 *		What the configuration's values are read with.
 */
#ifndef NOTIFIER_READER_H
#define NOTIFIER_READER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

#define READER_DAY	((int64_t) 86400000)	/* ms */

/*
 * Reader: where in the file we are, and whether all is well so far.
 */
typedef struct Reader
{
	const char *dir;			/* where files are sought */
	ConfigComplain complain;
	bool		ok;
	char		path[512];
} Reader;

/*
 * reader_wrong: complain of a key, and note that not all is well.
 */
extern void reader_wrong(Reader *reader, const char *key,
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
 * reader_text: a value that stands in the file itself, or in a file of its own
 * that `key`_file names.
 */
extern char *reader_text(Reader *reader, json_t *object, const char *key);

/*
 * reader_contents: the text of the file of that name.
 */
extern char *reader_contents(Reader *reader, const char *key,
							 const char *name);

/*
 * reader_path: a file that others read, as a path; it must be readable now.
 */
extern char *reader_path(Reader *reader, json_t *object, const char *key);

/*
 * reader_load: a whole file of at most max bytes, with a NUL behind it; NULL
 * and errno when that fails.
 */
extern char *reader_load(const char *path, size_t max, size_t *len);

#endif							/* NOTIFIER_READER_H */
