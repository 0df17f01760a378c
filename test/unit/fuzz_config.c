/*
 * fuzz_config.c
 *		A fuzz target: whatever bytes a configuration consists of, it is read
 *		or refused.
 */
#include "config/config.h"

#include <stdint.h>

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
ignore(LogLevel level, const char *message)
{
	(void) level;
	(void) message;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	config_destroy(config_parse((const char *) data, size, "/nonexistent",
								ignore));
	return 0;
}
