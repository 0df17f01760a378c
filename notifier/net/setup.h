/*
 * setup.h
 *		What a session is made to be before it is used, and which extension it is to
 *		find.
 */
#ifndef NOTIFIER_SETUP_H
#define NOTIFIER_SETUP_H

#include "net/session.h"

/*
 * setup_session: what the role or the database sets for people's sessions is
 * not for ours.  name: its application_name.  statement_timeout: in ms, 0:
 * none.  The callback gets what came of it; search_path is empty then.
 */
extern bool setup_session(Session *session, const char *name,
						  int statement_timeout, SessionResult callback,
						  void *arg);

/*
 * setup_fits: versions X.Y.Z of the same X.Y do.
 */
extern bool setup_fits(const char *extension);

#endif							/* NOTIFIER_SETUP_H */
