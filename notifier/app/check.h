/*
 * check.h
 *		--check: is the database as the configuration needs it?
 */
#ifndef NOTIFIER_CHECK_H
#define NOTIFIER_CHECK_H

#include "config/config.h"

/*
 * check_database: try it; each thing that is missing is complained of.
 */
extern bool check_database(const Config *config, ReaderComplain complain);

#endif							/* NOTIFIER_CHECK_H */
