/*
 * search.h
 *		A search for the newest events of a partition: what newest.c, which
 *		chooses the way, and ways.c and lists.c share.
 */
#ifndef EVENTLOG_SEARCH_H
#define EVENTLOG_SEARCH_H

#include "read/read.h"

/* what things cost, in µs */
#define COST_POINTER	0.012	/* one of a list, or of the index by time */
#define COST_PROBE		0.08	/* the same, and looked up among others */
#define COST_ROW		1.5		/* a row from anywhere */
#define COST_NEIGHBOUR	0.15	/* a row next to the last one */
#define COST_RANGE		0.1		/* of BRIN */
#define COST_BLOCK		0.025	/* in a bitmap of BRIN */
#define COST_CERTIFIED	200		/* a page by lists, in the order of time */

/* of a live row in a budget of by_time(), where an entry is 1 */
#define LIVE_WEIGHT		16

#define MAX_LISTS		(EVENT_NCOLUMNS + 1)

typedef struct Search
{
	PartitionReader *reader;
	const Filter *filter;
	const EventRange *range;
	EventRange	narrowed;		/* what there is of it */
	FoundList  *found;
	bool		full;			/* found has as many as it needs, … */
	EventKey	worst;			/* … and this is the oldest of them */
	int			n;				/* lists */
	PostingList lists[MAX_LISTS];
	bool		in_order;
	double		rows;			/* estimate: in the range */
	BlockNumber newest_block;	/* of the newest rows of the range */
	bool		forced;			/* the way is not a matter of choice */

	/* by lists */
	BlockRuns	runs;			/* what is left to be read */
	bool		certified;		/* they are from BRIN */
	int64		hits;			/* rows fetched */
	int64		next_check;
	BlockNumber start;			/* the block of the first of them */
} Search;

typedef enum Outcome
{
	COMPLETE,
	OVER_BUDGET,
	TOO_FAR						/* too much is left, in too many places */
} Outcome;

/* search.c */
extern void search_add(Search *search, const EventKey *key, RowPlace place);
extern void search_row(Search *search, RowPlace place);
extern bool search_sort(Search *search);
extern bool search_has_window(const Search *search);
extern double search_density(const Search *search);
extern double search_part(const Search *search, double density);
extern double search_cost_by_places(const Search *search, double density);
extern void search_restart(Search *search);

/* ways.c, lists.c */
extern bool by_time(Search *search, double budget, const RowPlace *places,
					int nplaces);
extern void all_by_time(Search *search);
extern void by_places(Search *search);
extern Outcome by_lists(Search *search, int64 budget);

#endif							/* EVENTLOG_SEARCH_H */
