/*
 * setup.h
 *		What a session is made to be before it is used.
 */
#ifndef NOTIFIER_SETUP_H
#define NOTIFIER_SETUP_H

#include "session.h"

/*
 * setup_session: what the role or the database sets for people's sessions is
 * not for ours.  name: its application_name.  statement_timeout: in ms, 0:
 * none.  The callback gets what came of it; search_path is empty then.
 */
extern bool setup_session(Session *session, const char *name,
						  int statement_timeout, SessionResult callback,
						  void *arg);

#endif							/* NOTIFIER_SETUP_H */
