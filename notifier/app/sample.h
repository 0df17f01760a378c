/*
 * sample.h
 *		A sample event: what a webhook would send of it, and sending it.
 */
#ifndef NOTIFIER_SAMPLE_H
#define NOTIFIER_SAMPLE_H

#include <stdbool.h>

#include "config/config.h"

/*
 * sample_check: make the bodies that have placeholders; each that cannot be made
 * is complained of, the others are printed.
 */
extern bool sample_check(const Config *config, ReaderComplain complain);

/*
 * sample_send: send one to the webhook of that name, and print the answer; false
 * unless it is a success.  Needs no database.
 */
extern bool sample_send(const WebhookConfig *webhook);

#endif							/* NOTIFIER_SAMPLE_H */
