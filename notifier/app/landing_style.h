/*
 * landing_style.h
 *		How the page at / looks.
 */
#ifndef NOTIFIER_LANDING_STYLE_H
#define NOTIFIER_LANDING_STYLE_H

extern const char landing_style[];

/*
 * landing_policy: the Content-Security-Policy that allows this style alone;
 * NULL where memory lacks.
 */
extern const char *landing_policy(void);

#endif							/* NOTIFIER_LANDING_STYLE_H */
