/*
 * landing.h
 *		The page at /, for people with a browser.
 */
#ifndef NOTIFIER_LANDING_H
#define NOTIFIER_LANDING_H

#include "app/page.h"

extern const PageWriter landing_page;

#endif							/* NOTIFIER_LANDING_H */
