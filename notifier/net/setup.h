/*
 * setup.h
 *		Sets a session up, and checks the version of the extension.
 */
#ifndef NOTIFIER_SETUP_H
#define NOTIFIER_SETUP_H

#include "net/session.h"

/*
 * setup_session: apply our settings, whatever the role or the database sets
 * for other sessions. name: the application_name. statement_timeout: in ms, 0:
 * none.  The callback gets the result; then search_path is empty.
 */
extern bool setup_session(Session *session, const char *name,
						  int statement_timeout, SessionResult callback,
						  void *arg);

/*
 * setup_fits: does the version of the extension fit?  It does if X.Y of X.Y.Z
 * is the same.
 */
extern bool setup_fits(const char *extension);

#endif							/* NOTIFIER_SETUP_H */
