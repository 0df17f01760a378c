/*
 * foreignjson.c
 *		Events of other systems, as JSON: finding a field in it, and what is
 *		left when fields are taken out.
 *
 * The shapes themselves are described in SQL, in eventlog._foreign_events(),
 * which calls these functions.  A field is named by its path, "log.level",
 * which leads through nested objects, through keys with dots, or both.
 */
#include "log/log.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(eventlog_foreign_field);
PG_FUNCTION_INFO_V1(eventlog_foreign_rest);
PG_FUNCTION_INFO_V1(eventlog_foreign_attributes);

/*
 * foreign_find: the value at a path; NULL if there is none, or it is null.
 */
JsonbValue *
foreign_find(JsonbContainer *object, const char *path, int len)
{
	JsonbValue *value;

	if (!JsonContainerIsObject(object))
		return NULL;
	value = getKeyJsonValueFromContainer(object, path, len, NULL);
	if (value != NULL)
		return value->type == jbvNull ? NULL : value;
	for (int i = 1; i < len - 1; i++)
	{
		JsonbValue *found;

		if (path[i] != '.')
			continue;
		value = getKeyJsonValueFromContainer(object, path, i, NULL);
		if (value == NULL || value->type != jbvBinary)
			continue;
		found = foreign_find(value->val.binary.data, path + i + 1, len - i - 1);
		if (found != NULL)
			return found;
	}
	return NULL;
}

/*
 * foreign_scalar: a scalar as text; NULL for an object or array.
 */
char *
foreign_scalar(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(value->val.numeric)));
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		default:
			return NULL;
	}
}

/*
 * foreign_find_arg: the same for a function whose first arguments are an
 * object and a path.
 */
JsonbValue *
foreign_find_arg(FunctionCallInfo fcinfo)
{
	Jsonb	   *object = PG_GETARG_JSONB_P(0);
	text	   *path = PG_GETARG_TEXT_PP(1);

	return foreign_find(&object->root, VARDATA_ANY(path), VARSIZE_ANY_EXHDR(path));
}

/*
 * eventlog._foreign_field(object jsonb, path text) returns jsonb: the value at
 * a path; NULL if there is none.
 */
Datum
eventlog_foreign_field(PG_FUNCTION_ARGS)
{
	JsonbValue *value = foreign_find_arg(fcinfo);

	if (value == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(JsonbValueToJsonb(value));
}

/*
 * append_value: append a value as JSON.
 */
static void
append_value(StringInfo to, const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			appendStringInfoString(to, "null");
			break;
		case jbvString:
			escape_json(to, foreign_scalar(value));
			break;
		case jbvBinary:
			(void) JsonbToCString(to, value->val.binary.data, value->val.binary.len);
			break;
		default:
			appendStringInfoString(to, foreign_scalar(value));
			break;
	}
}

/*
 * append_key: append the key of a next member.
 */
static void
append_key(StringInfo to, const JsonbValue *key)
{
	appendStringInfoChar(to, to->data[to->len - 1] == '{' ? ' ' : ',');
	append_value(to, key);
	appendStringInfoChar(to, ':');
}

/*
 * is_listed: 2: one of the paths is this one; 1: one begins with it.
 */
static int
is_listed(const char *path, Datum *paths, int n)
{
	int			found = 0;
	size_t		len = strlen(path);

	for (int i = 0; i < n; i++)
	{
		const char *listed = TextDatumGetCString(paths[i]);

		if (strcmp(listed, path) == 0)
			return 2;
		if (strncmp(listed, path, len) == 0 && listed[len] == '.')
			found = 1;
	}
	return found;
}

/*
 * append_rest: append an object without what is at the paths; false, and
 * nothing, if that is all.
 */
static bool
append_rest(StringInfo to, JsonbContainer *object, const char *prefix,
			Datum *paths, int n)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;
	int			start = to->len;
	bool		any = false;

	check_stack_depth();
	appendStringInfoChar(to, '{');
	(void) JsonbIteratorNext(&iterator, &value, true);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) == WJB_KEY)
	{
		char	   *path = psprintf("%s%s", prefix, foreign_scalar(&key));
		int			listed = is_listed(path, paths, n);
		int			before = to->len;

		(void) JsonbIteratorNext(&iterator, &value, true);
		if (listed == 2)
			continue;
		append_key(to, &key);
		if (listed == 0 || value.type != jbvBinary ||
			!JsonContainerIsObject(value.val.binary.data))
			append_value(to, &value);
		else if (!append_rest(to, value.val.binary.data, psprintf("%s.", path),
							  paths, n))
		{
			to->len = before;
			continue;
		}
		any = true;
	}
	appendStringInfoChar(to, '}');
	if (!any)
		to->len = start;
	to->data[to->len] = '\0';
	return any;
}

/*
 * eventlog._foreign_rest(object jsonb, paths text[]) returns jsonb: the object
 * without what is at the paths; NULL if that is all.
 */
Datum
eventlog_foreign_rest(PG_FUNCTION_ARGS)
{
	Jsonb	   *object = PG_GETARG_JSONB_P(0);
	Datum	   *paths;
	int			n;
	StringInfoData json;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT,
					  &paths, NULL, &n);
	initStringInfo(&json);
	if (!JB_ROOT_IS_OBJECT(object) || !append_rest(&json, &object->root, "", paths, n))
		PG_RETURN_NULL();
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

static void append_attributes(StringInfo to, JsonbContainer *list);

/*
 * append_any: append a value of OpenTelemetry, {"stringValue": ...} and the
 * like.
 */
static void
append_any(StringInfo to, JsonbContainer *any)
{
	static const char *const scalars[] = {
		"stringValue", "boolValue", "doubleValue", "intValue", "bytesValue"
	};
	JsonbValue *value;

	check_stack_depth();
	for (int i = 0; i < lengthof(scalars); i++)
	{
		value = foreign_find(any, scalars[i], strlen(scalars[i]));
		if (value != NULL)
		{
			append_value(to, value);
			return;
		}
	}
	value = foreign_find(any, "kvlistValue.values", strlen("kvlistValue.values"));
	if (value && value->type == jbvBinary)
	{
		append_attributes(to, value->val.binary.data);
		return;
	}
	value = foreign_find(any, "arrayValue.values", strlen("arrayValue.values"));
	if (value && value->type == jbvBinary &&
		JsonContainerIsArray(value->val.binary.data))
	{
		JsonbContainer *list = value->val.binary.data;

		appendStringInfoChar(to, '[');
		for (uint32 i = 0; i < JsonContainerSize(list); i++)
		{
			JsonbValue *item = getIthJsonbValueFromContainer(list, i);

			if (i > 0)
				appendStringInfoChar(to, ',');
			if (item->type == jbvBinary)
				append_any(to, item->val.binary.data);
			else
				append_value(to, item);
		}
		appendStringInfoChar(to, ']');
		return;
	}
	appendStringInfoString(to, "null");
}

/*
 * append_attributes: append OpenTelemetry's list of keys and values as an
 * object.
 */
static void
append_attributes(StringInfo to, JsonbContainer *list)
{
	check_stack_depth();
	appendStringInfoChar(to, '{');
	for (uint32 i = 0; JsonContainerIsArray(list) && i < JsonContainerSize(list); i++)
	{
		JsonbValue *item = getIthJsonbValueFromContainer(list, i);
		JsonbValue *key = item->type == jbvBinary ?
			foreign_find(item->val.binary.data, "key", 3) : NULL;
		JsonbValue *value = key ?
			foreign_find(item->val.binary.data, "value", 5) : NULL;

		if (key == NULL || key->type != jbvString)
			continue;
		append_key(to, key);
		if (value && value->type == jbvBinary)
			append_any(to, value->val.binary.data);
		else
			appendStringInfoString(to, "null");
	}
	appendStringInfoChar(to, '}');
}

/*
 * eventlog._foreign_attributes(list jsonb) returns jsonb: OpenTelemetry's
 * attributes, [{"key", "value"}, ...], as an object; and any value of its own,
 * {"stringValue"}, as what it is.
 */
Datum
eventlog_foreign_attributes(PG_FUNCTION_ARGS)
{
	Jsonb	   *list = PG_GETARG_JSONB_P(0);
	StringInfoData json;

	initStringInfo(&json);
	if (JB_ROOT_IS_OBJECT(list))
		append_any(&json, &list->root);
	else
		append_attributes(&json, &list->root);
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}
