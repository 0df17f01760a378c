/*
 * process.c
 *		The process: core dumps, and the resources that it uses.
 */
#include "base/process.h"

#include "base/logging.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double started = 0;

static double
seconds(clockid_t clock)
{
	struct timespec t;

	return clock_gettime(clock, &t) == 0 ?
		(double) t.tv_sec + (double) t.tv_nsec / 1e9 : -1;
}

/*
 * A core limit of zero keeps the kernel from writing core files, but not from
 * piping them to a program.  A process that is not dumpable prevents both.
 */
void
process_begin(void)
{
	const struct rlimit none = {0, 0};

	started = seconds(CLOCK_REALTIME);
	if (setrlimit(RLIMIT_CORE, &none) != 0 ||
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		log_event(LOG_LEVEL_WARNING, "could not turn core dumps off",
				  "error", strerror(errno), NULL);
}

/*
 * read_memory: read /proc/self/statm, which counts pages.
 */
static void
read_memory(ProcessUse *use)
{
	FILE	   *file = fopen("/proc/self/statm", "re");
	double		page = (double) sysconf(_SC_PAGESIZE);
	unsigned long total;
	unsigned long resident;

	if (file && fscanf(file, "%lu %lu", &total, &resident) == 2)
	{
		use->virtual_bytes = (double) total * page;
		use->resident_bytes = (double) resident * page;
	}
	if (file)
		fclose(file);
}

static double
count_fds(void)
{
	DIR		   *dir = opendir("/proc/self/fd");
	int			n = -3;			/* ".", ".." and the directory itself */

	if (dir == NULL)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

void
process_use(ProcessUse *use)
{
	struct rlimit fds;

	*use = (ProcessUse)
	{
		.cpu_seconds = seconds(CLOCK_PROCESS_CPUTIME_ID),
			.resident_bytes = -1,
			.virtual_bytes = -1,
			.open_fds = count_fds(),
			.max_fds = -1,
			.start_time = started
	};
	read_memory(use);
	if (getrlimit(RLIMIT_NOFILE, &fds) == 0)
		use->max_fds = (double) fds.rlim_cur;
}
