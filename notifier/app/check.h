/*
 * check.h
 *		--check: does the database fit the configuration?
 */
#ifndef NOTIFIER_CHECK_H
#define NOTIFIER_CHECK_H

#include "config/config.h"

/*
 * check_database: connect and check; complain of each problem.
 */
extern bool check_database(const Config *config, ReaderComplain complain);

#endif							/* NOTIFIER_CHECK_H */
