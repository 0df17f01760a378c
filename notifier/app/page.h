/*
 * page.h
 *		Pages about the process and its webhooks, written in pieces.
 *
 * A thousand webhooks make a page of megabytes, and deliveries must not wait
 * for it.  So a page is written piece by piece, as its connection takes them.
 */
#ifndef NOTIFIER_PAGE_H
#define NOTIFIER_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "webhook/webhook.h"

#define PAGE_PIECE		16384	/* bytes, and a little more */

/*
 * PageSource: what pages report, as of now.  Times are seconds since 1970; 0:
 * never.
 */
typedef struct PageSource
{
	Webhook    *const *webhooks;
	size_t		nwebhooks;
	uint64_t	generation;		/* changes with the list of webhooks */
	bool		ready;
	bool		enabled;
	bool		database_up;
	double		database_heard;
	bool		reload_ok;
	double		reload_time;	/* of the last successful one */
} PageSource;

/*
 * Page: how much has been written; zeroed at the start.
 */
typedef struct Page
{
	size_t		family;			/* of metrics */
	size_t		webhook;
	uint64_t	generation;
	bool		begun;
	bool		done;
} Page;

/*
 * PageWriter: a kind of page.  next: write a part and note that in the page;
 * returns false when there is nothing left to write.
 */
typedef struct PageWriter
{
	void		(*begin) (FILE *out, const PageSource *source);
	bool		(*next) (FILE *out, Page *page, const PageSource *source);
	void		(*end) (FILE *out, const PageSource *source);	/* or NULL */
} PageWriter;

/*
 * page_piece: the next piece, of at least PAGE_PIECE bytes except at the end.
 * Allocated; NULL: out of memory, or the list of webhooks has changed since
 * the page was begun.
 */
extern char *page_piece(const PageWriter *writer, Page *page,
						const PageSource *source, size_t *len);

#endif							/* NOTIFIER_PAGE_H */
