/*
 * page.c
 *		Pages about the process and its webhooks, written in pieces.
 */
#include "app/page.h"

#include <stdlib.h>

char *
page_piece(const PageWriter *writer, Page *page, const PageSource *source,
		   size_t *len)
{
	char	   *piece = NULL;
	FILE	   *out;

	if (page->begun && page->generation != source->generation)
		return NULL;
	out = open_memstream(&piece, len);
	if (out == NULL)
		return NULL;
	if (!page->begun)
		writer->begin(out, source);
	page->begun = true;
	page->generation = source->generation;
	while (!page->done && ftell(out) < PAGE_PIECE)
		page->done = !writer->next(out, page, source);
	if (page->done && writer->end)
		writer->end(out, source);
	if (fclose(out) == 0)
		return piece;
	free(piece);
	return NULL;
}
