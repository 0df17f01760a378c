/*
 * sample.h
 *		A sample event, for --check and --test.
 */
#ifndef NOTIFIER_SAMPLE_H
#define NOTIFIER_SAMPLE_H

#include <stdbool.h>

#include "config/config.h"

/*
 * sample_check: print the body that each webhook with a template would send.
 * Complain and return false if one cannot be made.
 */
extern bool sample_check(const Config *config, ReaderComplain complain);

/*
 * sample_send: send a sample event to a webhook and print the answer.  Returns
 * whether it succeeded.  Needs no database.
 */
extern bool sample_send(const WebhookConfig *webhook);

#endif							/* NOTIFIER_SAMPLE_H */
