/*
 * damage.c
 *		What is wrong with the parts of a log.
 *
 * A log belongs to a user, who can change its columns, constraints and
 * triggers at any time. log.c decides quickly whether a table can be used as a
 * log; this file finds the reasons: for the view eventlog.logs, for the
 * warnings of maintain, and for create_log, which repairs what it can
 * (repair.c).
 *
 * Nothing here runs code of the table's owner: the partition key is read from
 * the catalog, and constraints are compared in their stored form.
 */
#include "log/log.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_index.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/primnodes.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/*
 * add_damage: note what is wrong with a part.  `name` is the name of the
 * existing constraint or trigger, or NULL.
 */
static void
add_damage(List **found, LogPart part, EventColumn column, const char *name,
		   char *text)
{
	Damage	   *damage = palloc0(sizeof(Damage));

	damage->part = part;
	damage->column = column;
	damage->name = name ? pstrdup(name) : NULL;
	damage->text = text;

	*found = lappend(*found, damage);
}

/*
 * damage_is_fatal: does it keep a table from being used as a log?
 */
bool
damage_is_fatal(const Damage *damage)
{
	/* no reader depends on this column */
	if (damage->part == PART_NOT_NULL && damage->column == EVENT_CREATED_AT)
		return false;
	return damage->part <= LAST_FATAL_PART;
}

/*
 * column_named: the number of the column with that name, of any type.
 */
static AttrNumber
column_named(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && strcmp(NameStr(att->attname), name) == 0)
			return i + 1;
	}
	return InvalidAttrNumber;
}

/*
 * check_column: check that a column exists, with the right type and collation,
 * and NOT NULL and a default where needed.
 */
static void
check_column(Relation rel, EventColumn column, AttrNumber *attnum,
			 List **found)
{
	const EventColumnInfo *info = &event_columns[column];
	TupleDesc	desc = RelationGetDescr(rel);
	AttrNumber	at = column_named(desc, info->name);
	Form_pg_attribute att;

	attnum[column] = at;
	if (at == InvalidAttrNumber)
	{
		add_damage(found, PART_COLUMN, column, NULL,
				   psprintf("column \"%s\" is missing", info->name));
		return;
	}
	att = TupleDescAttr(desc, at - 1);
	if (att->atttypid != info->type)
	{
		add_damage(found, PART_COLUMN, column, NULL,
				   psprintf("column \"%s\" is of type %s, not %s", info->name,
							format_type_be(att->atttypid),
							format_type_be(info->type)));
		return;
	}
	if (info->not_null && !att->attnotnull)
		add_damage(found, PART_NOT_NULL, column, NULL,
				   psprintf("column \"%s\" is not NOT NULL", info->name));
	if ((column == EVENT_ID || column == EVENT_OCCURRED_AT) && !att->atthasdef)
		add_damage(found, PART_DEFAULT, column, NULL,
				   psprintf("column \"%s\" has no default", info->name));
	if (info->collate_c && att->attcollation != C_COLLATION_OID)
		add_damage(found, PART_COLLATION, column, NULL,
				   psprintf("column \"%s\" has collation \"%s\" instead of \"C\"",
							info->name, get_collation_name(att->attcollation)));
}

/*
 * is_call_on_columns: is a stored expression nothing but a call of this
 * function on these columns?
 */
static bool
is_call_on_columns(const char *expression, Oid function,
				   const AttrNumber *attnum, const EventColumn *columns,
				   int n)
{
	FuncExpr   *call = stringToNode(expression);
	ListCell   *cell;
	int			i = 0;

	if (!IsA(call, FuncExpr) || call->funcid != function ||
		list_length(call->args) != n)
		return false;
	foreach(cell, call->args)
	{
		Var		   *var = lfirst(cell);

		AttrNumber	at = attnum[columns[i++]];

		/* a column that cannot be found may have been renamed */
		if (!IsA(var, Var) || (at != InvalidAttrNumber && var->varattno != at))
			return false;
	}
	return true;
}

/*
 * find_level_check: find the CHECK constraint on the level; NULL if there is
 * none.
 */
static const ConstrCheck *
find_level_check(Relation rel)
{
	TupleConstr *constr = RelationGetDescr(rel)->constr;

	for (int i = 0; constr && i < constr->num_check; i++)
	{
		if (strcmp(constr->check[i].ccname, LEVEL_CHECK) == 0)
			return &constr->check[i];
	}
	return NULL;
}

static bool
check_holds(const ConstrCheck *check)
{
	return check->ccvalid && compat_check_enforced(check);
}

/*
 * log_checks_level: do all rows of a log, or of a partition, have one of the
 * levels?
 */
bool
log_checks_level(Relation rel)
{
	const ConstrCheck *check = find_level_check(rel);

	return check != NULL && check_holds(check);
}

/*
 * check_constraints: check the CHECK constraints on the row and on the level.
 */
static void
check_constraints(Relation rel, const AttrNumber *attnum, List **found)
{
	Oid			function = event_check_function(CHECK_NCOLUMNS);
	Oid			old_function = event_check_function(CHECK_OLD_NCOLUMNS);
	TupleConstr *constr = RelationGetDescr(rel)->constr;
	const char *check = NULL;
	const ConstrCheck *level = find_level_check(rel);
	const char *old = NULL;
	bool		valid = false;

	for (int i = 0; constr && i < constr->num_check; i++)
	{
		ConstrCheck *item = &constr->check[i];

		if (is_call_on_columns(item->ccbin, function, attnum, check_columns,
							   CHECK_NCOLUMNS))
		{
			check = item->ccname;
			valid = check_holds(item);
		}
		else if (is_call_on_columns(item->ccbin, old_function, attnum,
									check_columns, CHECK_OLD_NCOLUMNS))
			old = item->ccname;
	}
	if (check == NULL && old != NULL)
		add_damage(found, PART_CHECK, EVENT_ID, old,
				   pstrdup("its CHECK constraint is of an older version"));
	else if (check == NULL)
		add_damage(found, PART_CHECK, EVENT_ID, NULL,
				   pstrdup("its CHECK constraint is missing"));
	else if (!valid)
		add_damage(found, PART_VALIDATION, EVENT_ID, check,
				   psprintf("constraint \"%s\" is not validated", check));
	if (level == NULL)
		add_damage(found, PART_LEVEL_CHECK, EVENT_LEVEL, NULL,
				   psprintf("constraint \"%s\" is missing", LEVEL_CHECK));
	else if (!check_holds(level))
		add_damage(found, PART_VALIDATION, EVENT_LEVEL, level->ccname,
				   psprintf("constraint \"%s\" is not validated", LEVEL_CHECK));
}

/*
 * check_trigger: check that a row trigger of the log exists and is enabled.
 *
 * The relation's trigger list is valid until the next catalog access, and
 * there is none while the list is read.
 */
static void
check_trigger(Relation rel, LogPart part, const char *function_name,
			  int16 events, List **found)
{
	Oid			function = eventlog_trigger_function(function_name);
	TriggerDesc *triggers = rel->trigdesc;
	int			nenabled = 0;
	char	   *disabled = NULL;

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (trigger->tgfoid != function ||
			(trigger->tgtype & events) != events ||
			!TRIGGER_FOR_ROW(trigger->tgtype) ||
			trigger->tgqual != NULL || trigger->tgnattr > 0)
			continue;
		if (trigger->tgenabled == TRIGGER_DISABLED ||
			trigger->tgenabled == TRIGGER_FIRES_ON_REPLICA)
			disabled = pstrdup(trigger->tgname);
		else
			nenabled++;
	}
	if (nenabled > 1)
		add_damage(found, PART_SECOND_TRIGGER, EVENT_ID, NULL,
				   psprintf("there are %d triggers by eventlog.%s", nenabled,
							function_name));
	if (nenabled > 0)
		return;
	add_damage(found, part, EVENT_ID, disabled, disabled ?
			   psprintf("trigger \"%s\" is disabled", disabled) :
			   psprintf("the trigger by eventlog.%s is missing",
						function_name));
}

/*
 * count_disabled: in how many partitions is the clone of one of these triggers
 * disabled?  The log's own trigger may still be enabled.
 */
static int
count_disabled(List *partitions, Oid fill, Oid enqueue)
{
	Relation	rel = table_open(TriggerRelationId, AccessShareLock);
	ListCell   *cell;
	int			n = 0;

	foreach(cell, partitions)
	{
		ScanKeyData key;
		SysScanDesc scan;
		HeapTuple	tuple;
		bool		disabled = false;

		CHECK_FOR_INTERRUPTS();
		ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber,
					F_OIDEQ, ObjectIdGetDatum(lfirst_oid(cell)));
		scan = systable_beginscan(rel, TriggerRelidNameIndexId, true, NULL, 1,
								  &key);
		while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		{
			Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tuple);

			if ((form->tgfoid == fill || form->tgfoid == enqueue) &&
				OidIsValid(form->tgparentid) &&
				(form->tgenabled == TRIGGER_DISABLED ||
				 form->tgenabled == TRIGGER_FIRES_ON_REPLICA))
				disabled = true;
		}
		systable_endscan(scan);
		if (disabled)
			n++;
	}
	table_close(rel, AccessShareLock);
	return n;
}

/*
 * check_partition_triggers: check the clones of the triggers in partitions.
 */
static void
check_partition_triggers(Relation rel, List **found)
{
	PartitionList *list = partition_list(rel);
	List	   *partitions = NIL;
	int			n;

	for (int i = 0; i < list->n; i++)
		partitions = lappend_oid(partitions, list->items[i].oid);
	if (OidIsValid(list->default_oid))
		partitions = lappend_oid(partitions, list->default_oid);
	n = count_disabled(partitions, eventlog_trigger_function("_fill"),
					   eventlog_trigger_function("_owe"));
	if (n > 0)
		add_damage(found, PART_PARTITION_TRIGGERS, EVENT_ID, NULL,
				   psprintf("triggers are disabled in %d partitions", n));
}

/*
 * check_primary_key: check that it is on (occurred_at, id).
 */
static void
check_primary_key(Relation rel, const AttrNumber *attnum, List **found)
{
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *cell;
	bool		is_there = false;

	foreach(cell, indexes)
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID,
											ObjectIdGetDatum(lfirst_oid(cell)));
		Form_pg_index form;
		bool		matches;

		if (!HeapTupleIsValid(tuple))
			continue;
		form = (Form_pg_index) GETSTRUCT(tuple);
		matches = form->indnkeyatts == 2 &&
			form->indkey.values[0] == attnum[EVENT_OCCURRED_AT] &&
			form->indkey.values[1] == attnum[EVENT_ID] && form->indisvalid;
		if (form->indisprimary)
		{
			is_there = true;
			if (!matches)
				add_damage(found, PART_OTHER_KEY, EVENT_ID, NULL,
						   pstrdup("its primary key is not a valid one on (occurred_at, id)"));
		}
		ReleaseSysCache(tuple);
	}
	if (!is_there)
		add_damage(found, PART_PRIMARY_KEY, EVENT_ID, NULL,
				   pstrdup("its primary key is missing"));
}

/*
 * check_rights: writers need EXECUTE on the function of the CHECK constraint,
 * and the owner on those of the triggers, to create partitions.
 */
static void
check_rights(Relation rel, List **found)
{
	Oid			owner = rel->rd_rel->relowner;
	Oid			check = event_check_function(CHECK_NCOLUMNS);
	static const char *const names[] = {"_fill", "_owe", "_settings"};

	if (OidIsValid(check) &&
		compat_function_aclcheck(check, ACL_ID_PUBLIC) != ACLCHECK_OK)
		add_damage(found, PART_EXECUTE, EVENT_ID, NULL,
				   pstrdup("EXECUTE on eventlog._check is not granted to PUBLIC"));
	for (int i = 0; i < lengthof(names); i++)
	{
		Oid			function = eventlog_trigger_function(names[i]);

		if (OidIsValid(function) &&
			compat_function_aclcheck(function, owner) != ACLCHECK_OK)
			add_damage(found, PART_EXECUTE, EVENT_ID, NULL,
					   psprintf("EXECUTE on eventlog.%s is not granted to the log's owner",
								names[i]));
	}
}

/*
 * has_fatal: is any of the damage fatal?
 */
static bool
has_fatal(List *found)
{
	ListCell   *cell;

	foreach(cell, found)
	{
		if (damage_is_fatal(lfirst(cell)))
			return true;
	}
	return false;
}

/*
 * damage_find: find all that is wrong with the parts of a log, as a list of
 * Damage; NIL if nothing is.  Waits for no lock.
 */
List *
damage_find(Relation rel)
{
	List	   *found = NIL;
	AttrNumber	attnum[EVENT_NCOLUMNS];
	LogSettings settings;

	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
	{
		add_damage(&found, PART_PARTITIONING, EVENT_ID, NULL,
				   pstrdup("it is not a partitioned table"));
		return found;
	}
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		add_damage(&found, PART_PARTITIONING, EVENT_ID, NULL,
				   pstrdup("it is a temporary table"));
	for (int col = 0; col < EVENT_NCOLUMNS; col++)
		check_column(rel, col, attnum, &found);
	if (!partition_is_by_time(rel, attnum[EVENT_OCCURRED_AT]))
		add_damage(&found, PART_PARTITIONING, EVENT_OCCURRED_AT, NULL,
				   pstrdup("it is not partitioned by range of occurred_at"));
	switch (settings_find(rel, &settings))
	{
		case SETTINGS_MISSING:
			add_damage(&found, PART_SETTINGS, EVENT_ID, NULL,
					   pstrdup("the trigger by eventlog._settings is missing"));
			break;
		case SETTINGS_INVALID:
			add_damage(&found, PART_SETTINGS, EVENT_ID, NULL,
					   pstrdup("the arguments of its settings trigger are invalid"));
			break;
		case SETTINGS_FOUND:
			break;
	}
	check_constraints(rel, attnum, &found);
	check_trigger(rel, PART_FILL, "_fill",
				  TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_INSERT |
				  TRIGGER_TYPE_UPDATE, &found);
	check_trigger(rel, PART_QUEUE, "_owe", TRIGGER_TYPE_INSERT, &found);
	check_primary_key(rel, attnum, &found);
	check_rights(rel, &found);
	if (!has_fatal(found))
		check_partition_triggers(rel, &found);
	return found;
}

/*
 * damage_describe_fatal: why a table that has a log's triggers cannot be used
 * as a log; NULL if it can, or was dropped.
 *
 * Waits for an ACCESS SHARE lock, as log_try_open() does.
 */
char *
damage_describe_fatal(Oid relid)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	StringInfoData text;
	ListCell   *cell;

	if (rel == NULL)
		return NULL;
	initStringInfo(&text);
	foreach(cell, damage_find(rel))
	{
		Damage	   *damage = lfirst(cell);

		if (damage_is_fatal(damage))
			appendStringInfo(&text, "%s%s", text.len > 0 ? "; " : "",
							 damage->text);
	}
	relation_close(rel, AccessShareLock);
	return text.len > 0 ? text.data : NULL;
}
