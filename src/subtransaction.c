/*
 * subtransaction.c
 *		What may fail without failing its transaction.
 */
#include "eventlog.h"

#include "access/xact.h"
#include "utils/resowner.h"

/*
 * try_in_subtransaction: call a function in a subtransaction; NULL if it
 * succeeded, or its error, in the current memory context.
 *
 * What the function allocates in the context that it finds goes with the
 * subtransaction.
 */
ErrorData *
try_in_subtransaction(void (*function) (void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner resowner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		function(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = resowner;
	return error;
}
