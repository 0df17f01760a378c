/*
 * classlist.c
 *		Which classes a partition has that is written to no more, and how new
 *		each is, as the backend has learnt it.
 *
 * 1. Why
 *
 * The skip scan asks the class index what comes next, class after class.  For
 * a level or a service without a type it passes all classes of all partitions,
 * and it cannot know how many of them are wanted before it has.  Where the list
 * of classes is known, those that are wanted are told at once, none of them
 * among them, and those with the newest events are read first.
 *
 * 2. What is learnt, and when
 *
 * All classes that the class index has entries of, each with the key of its
 * newest one, once skip scans have spent on the partition about what that
 * costs.  The columns of a class are kept once for all partitions.  A list is
 * of one class index, and holds for as long as the partition is not written to,
 * which a stamp tells (stamp.c): what is removed meanwhile only makes it too
 * long.
 *
 * 3. Why it can be trusted
 *
 * Whoever inserts a row puts it into the table first and into the index a
 * little later, or much later, if a unique key makes it wait.  So the stamp is
 * taken first, and the index is read when all transactions that there were
 * then have ended and the stamp still holds: the rows that it is about have
 * their entries by then, and whoever inserts after it makes it wrong.
 *
 * Not under SERIALIZABLE, which wants what was read locked.
 */
#include "reader.h"

#include "access/transam.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#define MAX_MEMORY		(16 * 1024 * 1024)	/* of all lists of a backend */
#define MAX_CLASSES		10000	/* of a partition */
#define FIRST_PATIENCE	256		/* classes passed until a list is worth it */

/*
 * Known: what is known of a partition.
 */
typedef struct Known
{
	Oid			partition;		/* hash key */
	Oid			by_class;		/* the index that it is learnt from */
	bool		stamped;
	HeapStamp	stamp;
	TransactionId horizon;		/* that was next after it was stamped */
	int64		missed;			/* classes passed for want of a list */
	int64		patience;
	int			n;
	ListedClass *items;			/* newest first; NULL: there is no list yet */
} Known;

typedef struct Interned
{
	const EventClass *class;	/* hash key, by what it points to */
} Interned;

static MemoryContext context = NULL;
static HTAB *partitions = NULL;
static HTAB *classes = NULL;
static uint64 last_query = 0;

static uint32
hash_class(const void *key, Size keysize)
{
	const EventClass *class = *(const EventClass *const *) key;
	uint32		hash = 0;

	for (int i = 0; i < CLASS_NCOLUMNS; i++)
	{
		const text *value = class->columns[i];

		hash = hash_combine(hash, value == NULL ? i :
							hash_bytes((const unsigned char *) VARDATA_ANY(value),
									   VARSIZE_ANY_EXHDR(value)));
	}
	return hash;
}

static int
match_class(const void *a, const void *b, Size keysize)
{
	return compare_classes((*(const EventClass *const *) a)->columns,
						   (*(const EventClass *const *) b)->columns);
}

/*
 * begin: with nothing known; what there was is forgotten.
 */
static void
begin(void)
{
	HASHCTL		ctl = {0};

	partitions = classes = NULL;
	if (context)
		MemoryContextDelete(context);
	context = AllocSetContextCreate(CacheMemoryContext,
									"eventlog class lists",
									ALLOCSET_DEFAULT_SIZES);
	ctl.hcxt = context;
	ctl.keysize = sizeof(const EventClass *);
	ctl.entrysize = sizeof(Interned);
	ctl.hash = hash_class;
	ctl.match = match_class;
	classes = hash_create("eventlog classes", 256, &ctl,
						  HASH_ELEM | HASH_FUNCTION | HASH_COMPARE |
						  HASH_CONTEXT);
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(Known);
	partitions = hash_create("eventlog class lists", 64, &ctl,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * intern: the one EventClass of these columns.
 */
static EventClass *
intern(text *const *columns)
{
	EventClass	wanted = {0};
	const EventClass *key = &wanted;
	Interned   *entry;
	EventClass *class;

	memcpy(wanted.columns, columns, sizeof(wanted.columns));
	entry = hash_search(classes, &key, HASH_FIND, NULL);
	if (entry)
		return unconstify(EventClass *, entry->class);
	class = MemoryContextAllocZero(context, sizeof(EventClass));
	for (int i = 0; i < CLASS_NCOLUMNS; i++)
		class->columns[i] = copy_text(context, columns[i]);
	key = class;
	(void) hash_search(classes, &key, HASH_ENTER, NULL);
	return class;
}

/*
 * is_wanted: does the filter want this class?  Asked of each class once a
 * query.
 */
static bool
is_wanted(EventClass *class, const Filter *filter, uint64 query)
{
	if (class->asked_by != query)
	{
		class->asked_by = query;
		class->wanted = class_matches(filter, class->columns);
	}
	return class->wanted;
}

/*
 * class_list: the classes of a partition that the filter wants, newest first;
 * false when they are not known.
 *
 * *query is 0 when a query begins, and the same for all its partitions; its
 * filter must not change.  What the list points to is good until
 * class_list_missed() is called.
 */
bool
class_list(const OpenPartition *open, const Filter *filter, uint64 *query,
		   ClassList *list)
{
	Oid			partition = RelationGetRelid(open->rel);
	Known	   *known;

	if (partitions == NULL || IsolationIsSerializable())
		return false;
	known = hash_search(partitions, &partition, HASH_FIND, NULL);
	if (known == NULL || known->items == NULL ||
		known->by_class != open->indexes.by_class ||
		!stamp_holds(open->rel, &known->stamp))
		return false;
	if (*query == 0)
		*query = ++last_query;
	list->n = 0;
	list->items = palloc(sizeof(ListedClass) * Max(known->n, 1));
	for (int i = 0; i < known->n; i++)
	{
		if (is_wanted(known->items[i].class, filter, *query))
			list->items[list->n++] = known->items[i];
	}
	return true;
}

static int
compare_listed(const void *a, const void *b)
{
	return compare_keys(&((const ListedClass *) b)->newest,
						&((const ListedClass *) a)->newest);
}

/*
 * add_classes: all there are, in the order of the index; false when they are
 * too many.
 */
static bool
add_classes(Relation index, Snapshot snapshot, Known *known)
{
	text	   *columns[CLASS_NCOLUMNS];

	/* all there is: types are of ASCII */
	ClassBound	bound = {1, false, {cstring_to_text("\xff")}};
	int			max = 64;

	known->n = 0;
	known->items = palloc(sizeof(ListedClass) * max);
	while (known->n < MAX_CLASSES)
	{
		ListedClass item;
		bool		descended;

		CHECK_FOR_INTERRUPTS();
		if (!class_below(index, snapshot, &bound, columns, &item.newest,
						 &descended))
			return true;
		item.class = intern(columns);
		if (known->n == max)
			known->items = repalloc(known->items,
									sizeof(ListedClass) * (max *= 2));
		known->items[known->n++] = item;
		bound.n = CLASS_NCOLUMNS;
		for (int i = 0; i < CLASS_NCOLUMNS; i++)
			bound.values[i] = columns[i];
	}
	return false;
}

/*
 * learn: make the list of a partition whose stamp holds.
 */
static void
learn(Known *known, Snapshot snapshot)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext,
											   "eventlog class list",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(work);
	Relation	index = index_open(known->by_class, AccessShareLock);
	Known		learnt = {0};

	if (add_classes(index, snapshot, &learnt))
	{
		qsort(learnt.items, learnt.n, sizeof(ListedClass), compare_listed);
		known->items = MemoryContextAlloc(context,
										  sizeof(ListedClass) * Max(learnt.n, 1));
		memcpy(known->items, learnt.items, sizeof(ListedClass) * learnt.n);
		known->n = learnt.n;
		class_map_forget(index);
	}
	else
		known->patience *= 2;
	index_close(index, AccessShareLock);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(work);
}

/*
 * get_known: the entry of a partition, begun anew if it is of another index.
 */
static Known *
get_known(const OpenPartition *open)
{
	Oid			partition = RelationGetRelid(open->rel);
	Known	   *known;
	bool		found;

	if (partitions == NULL ||
		MemoryContextMemAllocated(context, true) > MAX_MEMORY)
		begin();
	known = hash_search(partitions, &partition, HASH_ENTER, &found);
	if (found && known->by_class == open->indexes.by_class)
		return known;
	if (found && known->items)
		pfree(known->items);
	memset(known, 0, sizeof(*known));
	known->partition = partition;
	known->by_class = open->indexes.by_class;
	known->patience = FIRST_PATIENCE;
	return known;
}

/*
 * stamp_again: as what was there to be learnt is, or may be, no more.
 */
static void
stamp_again(const OpenPartition *open, Known *known)
{
	if (known->items)
		pfree(known->items);
	known->items = NULL;
	known->stamped = stamp_heap(open->rel, &known->stamp);
	known->horizon = ReadNextTransactionId();
	if (!known->stamped)
	{
		known->missed = 0;		/* for another time */
		known->patience *= 2;
	}
}

/*
 * class_list_missed: a skip scan has passed so many classes of a partition for
 * want of a list: make one, if that is worth it by now and can be done.
 */
void
class_list_missed(const OpenPartition *open, int passed)
{
	Known	   *known;

	if (IsolationIsSerializable())
		return;
	known = get_known(open);
	known->missed += passed;
	if (known->missed < known->patience)
		return;
	if (!known->stamped || !stamp_holds(open->rel, &known->stamp))
		stamp_again(open, known);
	if (!known->stamped ||
		TransactionIdPrecedes(open->snapshot->xmin, known->horizon))
		return;
	known->missed = 0;
	learn(known, open->snapshot);
}
