/*
 * filter_config.h
 *		Which events a webhook gets.
 */
#ifndef NOTIFIER_FILTER_CONFIG_H
#define NOTIFIER_FILTER_CONFIG_H

#include "config/jsonreader.h"
#include "config/webhook_config.h"

/*
 * filter_level_names: the names of the levels, lowest first, ended by NULL.
 */
extern const char *const filter_level_names[CONFIG_NLEVELS + 1];

/*
 * filter_config_read: read level or min_level, event_type, resource_type and
 * source_service.
 */
extern void filter_config_read(Reader *reader, json_t *object,
							   WebhookConfig *webhook);

/*
 * filter_config_inherit: copy from common whichever of these keys object
 * lacks. common may be NULL.
 */
extern void filter_config_inherit(json_t *object, json_t *common);

#endif							/* NOTIFIER_FILTER_CONFIG_H */
