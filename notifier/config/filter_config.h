/*
 * filter_config.h
 *		Which events a webhook is to get.
 */
#ifndef NOTIFIER_FILTER_CONFIG_H
#define NOTIFIER_FILTER_CONFIG_H

#include "config/jsonreader.h"
#include "config/webhook_config.h"

/*
 * filter_level_names: of the levels, ascending; NULL ends them.
 */
extern const char *const filter_level_names[CONFIG_NLEVELS + 1];

/*
 * filter_config_read: level or min_level, event_type, resource_type and
 * source_service.
 */
extern void filter_config_read(Reader *reader, json_t *object,
							   WebhookConfig *webhook);

/*
 * filter_config_inherit: what an object does not say of these, common may.
 */
extern void filter_config_inherit(json_t *object, json_t *common);

#endif							/* NOTIFIER_FILTER_CONFIG_H */
