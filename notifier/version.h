/*
 * version.h
 *		Do an extension and this notifier fit?
 */
#ifndef NOTIFIER_VERSION_H
#define NOTIFIER_VERSION_H

#include <stdbool.h>

/*
 * version_fits: versions X.Y.Z of the same X.Y do.
 */
extern bool version_fits(const char *extension);

#endif							/* NOTIFIER_VERSION_H */
