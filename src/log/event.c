/*
 * event.c
 *		The columns of an event, how to find them in a table, and the
 *		table and column that errors about a value refer to.
 */
#include "log/log.h"

#include "access/htup_details.h"
#include "catalog/partition.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#define MAX_BASE_URL	2048
#define MAX_MESSAGE		(1024 * 1024)
#define MAX_DETAILS		(8 * 1024 * 1024)

/*
 * The default of id is a null that PostgreSQL keeps in its catalog.  Programs
 * that check whether a column has a default there omit the id and read it
 * back.
 */
const EventColumnInfo event_columns[EVENT_NCOLUMNS] = {
	[EVENT_ID] = {"id", UUIDOID, 0, false, true,
	"(NULL::pg_catalog.text)::pg_catalog.uuid"},
	[EVENT_TYPE] = {"event_type", TEXTOID, 255, true, true, NULL},
	[EVENT_LEVEL] = {"level", TEXTOID, 0, true, true, "'info'"},
	[EVENT_RESOURCE_ID] = {"resource_id", TEXTOID, 1024, true, false, NULL},
	[EVENT_RESOURCE_TYPE] = {"resource_type", TEXTOID, 255, true, false, NULL},
	[EVENT_SOURCE_SERVICE] = {"source_service", TEXTOID, 255, true, false, NULL},
	[EVENT_SOURCE_HOST] = {"source_host", TEXTOID, 255, true, false, NULL},
	[EVENT_OCCURRED_AT] = {"occurred_at", TIMESTAMPTZOID, 0, false, true,
	"pg_catalog.clock_timestamp()"},
	[EVENT_MESSAGE] = {"message", TEXTOID, MAX_MESSAGE, false, false, NULL},
	[EVENT_CATEGORY] = {"category", TEXTOID, 255, true, false, NULL},
	[EVENT_DETAILS] = {"details", JSONBOID, MAX_DETAILS, false, false, NULL},
	[EVENT_USER_ID] = {"user_id", TEXTOID, 1024, true, false, NULL},
	[EVENT_BASE_URL] = {"base_url", TEXTOID, MAX_BASE_URL, false, false, NULL},
	[EVENT_REQUEST_ID] = {"request_id", TEXTOID, 255, true, false, NULL},
	[EVENT_CREATED_AT] = {"created_at", TIMESTAMPTZOID, 0, false, true,
	"pg_catalog.clock_timestamp()"},
};

/*
 * The row that _fill has seen last, usually the one that _check examines.
 */
static struct
{
	Oid			relid;
	pg_uuid_t	id;
}			last_filled;

/*
 * find_root_table: the topmost table that this one is a partition of, or
 * itself.
 */
Oid
find_root_table(Oid relid)
{
	List	   *ancestors;

	if (!get_rel_relispartition(relid))
		return relid;
	ancestors = get_partition_ancestors(relid);

	/* a partition that is being detached has none */
	return ancestors == NIL ? relid : llast_oid(ancestors);
}

/*
 * add_error_fields: error context callback that adds the table, column and
 * constraint to errors about a value.
 *
 * A CHECK function does not know its table.  But the row that _fill has seen
 * last can be recognized by its id.
 */
static void
add_error_fields(void *arg)
{
	EventErrorContext *subject = arg;
	int			code = geterrcode();
	Oid			relid = subject->relid;
	char	   *name;

	if (code != ERRCODE_NOT_NULL_VIOLATION &&
		ERRCODE_TO_CATEGORY(code) != ERRCODE_DATA_EXCEPTION)
		return;
	if (!OidIsValid(relid) && subject->id &&
		memcmp(subject->id, &last_filled.id, UUID_LEN) == 0)
		relid = last_filled.relid;
	if (OidIsValid(relid))
		relid = find_root_table(relid);
	name = OidIsValid(relid) ? get_rel_name(relid) : NULL;
	if (name)
	{
		err_generic_string(PG_DIAG_SCHEMA_NAME,
						   get_namespace_name(get_rel_namespace(relid)));
		err_generic_string(PG_DIAG_TABLE_NAME, name);
	}
	err_generic_string(PG_DIAG_COLUMN_NAME,
					   event_columns[subject->column].name);
	if (code != ERRCODE_NOT_NULL_VIOLATION)
		err_generic_string(PG_DIAG_CONSTRAINT_NAME,
						   subject->column == EVENT_LEVEL ?
						   LEVEL_CHECK : EVENT_CHECK);
}

/*
 * event_push_error_context: until event_pop_error_context(), errors about a
 * value name the table, if it is known, and the column in subject->column.
 */
void
event_push_error_context(EventErrorContext *subject, Oid relid)
{
	subject->relid = relid;
	subject->id = NULL;
	subject->column = EVENT_ID;
	subject->callback.callback = add_error_fields;
	subject->callback.arg = subject;
	subject->callback.previous = error_context_stack;
	error_context_stack = &subject->callback;
}

void
event_pop_error_context(EventErrorContext *subject)
{
	error_context_stack = subject->callback.previous;
}

/*
 * event_remember_filled: remember the row that _fill has seen last.
 */
void
event_remember_filled(Oid relid, const pg_uuid_t *id)
{
	last_filled.relid = relid;
	last_filled.id = *id;
}

/*
 * event_column_number: the number of the column of that name and type;
 * InvalidAttrNumber if a table has none.
 */
AttrNumber
event_column_number(TupleDesc desc, EventColumn column)
{
	const EventColumnInfo *info = &event_columns[column];

	for (int i = 0; i < desc->natts; i++)
	{
		/* usually they are in order: start at the same position */
		int			at = (column + i) % desc->natts;
		Form_pg_attribute att = TupleDescAttr(desc, at);

		if (!att->attisdropped && att->atttypid == info->type &&
			strcmp(NameStr(att->attname), info->name) == 0)
			return at + 1;
	}
	return InvalidAttrNumber;
}

/*
 * event_map_columns: the numbers of all columns of an event; false if one is
 * missing or has another type.
 */
bool
event_map_columns(TupleDesc desc, AttrNumber *attnum)
{
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
	{
		attnum[col] = event_column_number(desc, col);
		if (attnum[col] == InvalidAttrNumber)
			return false;
	}
	return true;
}

/*
 * event_find_column: a column for a trigger, which may be on any table; an
 * error if it is missing.
 */
AttrNumber
event_find_column(TupleDesc desc, EventColumn column)
{
	AttrNumber	attnum = event_column_number(desc, column);

	if (attnum == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("the table has no column \"%s\" of type %s",
						event_columns[column].name,
						format_type_be(event_columns[column].type)),
				 errhint("The triggers of eventlog work on the tables that eventlog.create_log creates.")));
	return attnum;
}
