/*
 * fill.c
 *		eventlog._fill: the BEFORE ROW trigger that fills in what a writer
 *		omits, and checks the values.
 *
 * It makes the id, normalizes the level and replaces nulls by defaults.
 */
#include "log/log.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(eventlog_fill);

/*
 * FilledRow: the columns of a row being inserted or updated.
 */
typedef struct FilledRow
{
	TupleDesc	desc;
	HeapTuple	tuple;			/* as given */
	Datum	   *values;			/* as they shall be */
	bool	   *nulls;
	bool		changed;
	EventErrorContext subject;
} FilledRow;

/*
 * open_row: take the row apart.
 */
static void
open_row(FilledRow *row, const TriggerData *trigdata)
{
	row->desc = RelationGetDescr(trigdata->tg_relation);
	row->tuple = TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) ?
		trigdata->tg_trigtuple : trigdata->tg_newtuple;
	row->values = palloc(sizeof(Datum) * row->desc->natts);
	row->nulls = palloc(sizeof(bool) * row->desc->natts);
	heap_deform_tuple(row->tuple, row->desc, row->values, row->nulls);
	row->changed = false;
}

/*
 * close_row: the row as it shall be.
 */
static HeapTuple
close_row(const FilledRow *row)
{
	HeapTuple	tuple;

	if (!row->changed)
		return row->tuple;
	tuple = heap_form_tuple(row->desc, row->values, row->nulls);
	tuple->t_data->t_ctid = row->tuple->t_data->t_ctid;
	tuple->t_self = row->tuple->t_self;
	tuple->t_tableOid = row->tuple->t_tableOid;
	return tuple;
}

static void
change(FilledRow *row, AttrNumber attnum, Datum value)
{
	row->values[attnum - 1] = value;
	row->nulls[attnum - 1] = false;
	row->changed = true;
}

/*
 * refuse_null: raise the error of a NOT NULL constraint, naming the log and
 * not the partition.
 */
static void
refuse_null(const FilledRow *row, EventColumn column)
{
	ereport(ERROR,
			(errcode(ERRCODE_NOT_NULL_VIOLATION),
			 errmsg("null value in column \"%s\" of log \"%s\" violates not-null constraint",
					event_columns[column].name,
					get_rel_name(find_root_table(row->subject.relid)))));
}

/*
 * value_of: the value of a column.
 */
static Datum
value_of(FilledRow *row, EventColumn column, AttrNumber *attnum, bool *isnull)
{
	row->subject.column = column;
	*attnum = event_find_column(row->desc, column);
	*isnull = row->nulls[*attnum - 1];
	return row->values[*attnum - 1];
}

/*
 * fill_id: make an id for the event's time, if none was given.
 */
static void
fill_id(FilledRow *row)
{
	AttrNumber	attnum;
	bool		isnull;
	TimestampTz occurred_at;
	pg_uuid_t  *id;

	occurred_at = DatumGetTimestampTz(value_of(row, EVENT_OCCURRED_AT, &attnum,
											   &isnull));
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("occurred_at of an event must not be null"),
				 errhint("Leave the column out to use the current time, set it to eventlog.id_time(id), or use eventlog.emit.")));
	id = DatumGetUUIDP(value_of(row, EVENT_ID, &attnum, &isnull));
	if (isnull)
	{
		row->subject.column = EVENT_OCCURRED_AT;
		id_require_time("occurred_at", occurred_at);
		id = palloc(sizeof(pg_uuid_t));
		id_create(id, occurred_at, NULL);
		change(row, attnum, UUIDPGetDatum(id));
	}
	event_remember_filled(row->subject.relid, id);	/* _check checks that it
													 * matches the time */
}

/*
 * note_filled: remember the row being updated, for add_error_fields().
 */
static void
note_filled(FilledRow *row)
{
	AttrNumber	attnum;
	bool		isnull;
	Datum		id = value_of(row, EVENT_ID, &attnum, &isnull);

	if (!isnull)
		event_remember_filled(row->subject.relid, DatumGetUUIDP(id));
}

/*
 * fill_level: store the level as one of the five names.
 */
static void
fill_level(FilledRow *row, bool is_insert)
{
	AttrNumber	attnum;
	bool		isnull;
	Datum		value = value_of(row, EVENT_LEVEL, &attnum, &isnull);
	text	   *given;
	const char *kept;

	if (isnull && !is_insert)
		refuse_null(row, EVENT_LEVEL);
	if (isnull)
	{
		change(row, attnum, CStringGetTextDatum(level_names[LEVEL_INFO]));
		return;
	}
	given = DatumGetTextPP(value);
	kept = level_names[level_require(given)];
	if (VARSIZE_ANY_EXHDR(given) != strlen(kept) ||
		memcmp(VARDATA_ANY(given), kept, VARSIZE_ANY_EXHDR(given)) != 0)
		change(row, attnum, CStringGetTextDatum(kept));
}

/*
 * fill_created_at: replace a null by the current time.
 */
static void
fill_created_at(FilledRow *row, bool is_insert)
{
	AttrNumber	attnum;
	bool		isnull;

	(void) value_of(row, EVENT_CREATED_AT, &attnum, &isnull);
	if (!isnull)
		return;
	if (!is_insert)
		refuse_null(row, EVENT_CREATED_AT);
	change(row, attnum, TimestampTzGetDatum(GetCurrentTimestamp()));
}

/*
 * check_values: raise an error for a value that no event can have.
 */
static void
check_values(FilledRow *row)
{
	AttrNumber	attnum;
	bool		isnull;

	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		Datum		value;

		if (col != EVENT_OCCURRED_AT && event_columns[col].max_bytes == 0)
			continue;
		value = value_of(row, col, &attnum, &isnull);
		if (!isnull)
			check_value(col, value);
		else if (col == EVENT_TYPE)
			refuse_null(row, EVENT_TYPE);
	}
}

/*
 * require_unmoved: raise an error if an UPDATE changes an event's time or id.
 */
static void
require_unmoved(FilledRow *row, HeapTuple old, EventColumn column)
{
	AttrNumber	attnum;
	bool		was_null;
	bool		is_null;
	Datum		is = value_of(row, column, &attnum, &is_null);
	Datum		was = heap_getattr(old, attnum, row->desc, &was_null);
	Form_pg_attribute att = TupleDescAttr(row->desc, attnum - 1);

	if (was_null != is_null ||
		(!is_null && !datumIsEqual(was, is, att->attbyval, att->attlen)))
		ereport(ERROR,
				(errcode(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION),
				 errmsg("%s of an event cannot be changed",
						event_columns[column].name),
				 errhint("Delete the event and emit a new one.")));
}

/*
 * eventlog._fill(): BEFORE INSERT OR UPDATE FOR EACH ROW
 */
Datum
eventlog_fill(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	FilledRow	row;
	bool		is_insert;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_BEFORE(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigdata->tg_event) ||
		TRIGGER_FIRED_BY_DELETE(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("eventlog._fill is a trigger BEFORE INSERT OR UPDATE FOR EACH ROW")));

	is_insert = TRIGGER_FIRED_BY_INSERT(trigdata->tg_event);
	open_row(&row, trigdata);
	event_push_error_context(&row.subject,
							 RelationGetRelid(trigdata->tg_relation));
	if (is_insert)
		fill_id(&row);
	else
	{
		require_unmoved(&row, trigdata->tg_trigtuple, EVENT_ID);
		note_filled(&row);
		require_unmoved(&row, trigdata->tg_trigtuple, EVENT_OCCURRED_AT);
	}
	fill_level(&row, is_insert);
	fill_created_at(&row, is_insert);
	check_values(&row);
	event_pop_error_context(&row.subject);
	return PointerGetDatum(close_row(&row));
}
