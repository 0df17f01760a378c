/*
 * landing_style.h
 *		The style of the page at /.
 */
#ifndef NOTIFIER_LANDING_STYLE_H
#define NOTIFIER_LANDING_STYLE_H

extern const char landing_style[];

/*
 * landing_policy: the Content-Security-Policy that allows this style alone;
 * NULL: out of memory.
 */
extern const char *landing_policy(void);

#endif							/* NOTIFIER_LANDING_STYLE_H */
