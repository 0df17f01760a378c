/*
 * report.c
 *		What it took to read the partitions of a page, for eventlog.explain.
 */
#include "read/read.h"

#include "utils/lsyscache.h"

/*
 * note_unindexed: which of the columns that the filter restricts has no index
 * in the partition, neither of its own nor among those of classes?
 */
static void
note_unindexed(PageReport *report, const Filter *filter,
			   const PartitionReader *reader)
{
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		bool		indexed = OidIsValid(reader->indexes[INDEX_BY_COLUMN + col]);

		for (int i = 0; i < NCLASS_INDEXES; i++)
		{
			for (int j = 0; j < class_indexes[i].ncolumns; j++)
				indexed |= OidIsValid(reader->indexes[i]) &&
					class_indexes[i].columns[j] == col;
		}
		if (!indexed && filters_column(filter, col))
			report->unindexed = bms_add_member(report->unindexed, col);
	}
}

/*
 * append_columns: their names.
 */
void
append_columns(StringInfo text, const Bitmapset *columns)
{
	const char *before = "";
	int			col = -1;

	while ((col = bms_next_member(columns, col)) >= 0)
	{
		appendStringInfo(text, "%s%s", before, event_columns[col].name);
		before = ", ";
	}
}

/*
 * report_partition: a partition that was read by its indexes.
 */
void
report_partition(PageReport *report, const Filter *filter,
				 const PartitionReader *reader, const BufferUsage *before,
				 instr_time begun)
{
	const ReadStats *stats = &reader->stats;
	StringInfo text = &report->text;
	BufferUsage used = {0};
	instr_time	time;

	INSTR_TIME_SET_CURRENT(time);
	INSTR_TIME_SUBTRACT(time, begun);
	BufferUsageAccumDiff(&used, &pgBufferUsage, before);
	report->nread++;
	note_unindexed(report, filter, reader);
	appendStringInfo(text, "  ->  %s: %s\n",
					 RelationGetRelationName(reader->rel), stats->way);
	if (!bms_is_empty(stats->columns))
	{
		appendStringInfoString(text, "        Posting lists: ");
		append_columns(text, stats->columns);
		if (stats->classes > 0)
			appendStringInfo(text, " (%d classes)", stats->classes);
		appendStringInfoChar(text, '\n');
	}
	appendStringInfo(text, "        Index searches: %d  Entries: " INT64_FORMAT
					 "  BRIN bitmaps: %d\n        Rows fetched: " INT64_FORMAT
					 "  Kept: " INT64_FORMAT "\n",
					 stats->searches, stats->entries, stats->bitmaps,
					 stats->fetched, stats->kept);
	appendStringInfo(text, "        Buffers: shared hit=%lld read=%lld\n"
					 "        Time: %.3f ms\n",
					 (long long) used.shared_blks_hit,
					 (long long) used.shared_blks_read,
					 INSTR_TIME_GET_MILLISEC(time));
}

/*
 * report_statement: a partition that was read by a statement of its own.
 */
void
report_statement(PageReport *report, Oid partition, uint64 rows)
{
	report->nread++;
	appendStringInfo(&report->text,
					 "  ->  %s: a statement of its own\n"
					 "        Rows fetched: %lld\n",
					 get_rel_name(partition), (long long) rows);
}
