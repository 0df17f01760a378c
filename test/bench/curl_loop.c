/*
 * curl_loop.c
 *		A bare libcurl multi loop: what the notifier's delivery is measured by.
 *
 *		curl_loop URL FILE CONCURRENCY
 *
 * POSTs each line of FILE to URL, CONCURRENCY at a time over connections that
 * are kept, and prints how many requests a second that were.  Anything but an
 * answer 200 ends it.  It does nothing else that a notifier must do: no
 * database, no signatures, no timeouts, no retries.
 */
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * Bodies: the lines of the file, and which is sent next.
 */
typedef struct Bodies
{
	char **lines;
	size_t count;
	size_t next;
} Bodies;

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "curl_loop: %s: %s\n", what, why);
	exit(1);
}

/*
 * read_bodies: all lines of a file; kept until the end of the program.
 */
static Bodies
read_bodies(const char *path)
{
	Bodies bodies = {0};
	size_t room = 0;
	FILE  *file = fopen(path, "r");

	if (!file)
		die(path, "cannot be opened");
	for (;;)
	{
		char   *line = NULL;
		size_t	size = 0;
		ssize_t len = getline(&line, &size, file);

		if (len <= 0)
		{
			free(line);
			break;
		}
		line[len - 1] = '\0';
		if (bodies.count == room)
		{
			room = room ? room * 2 : 1024;
			bodies.lines = realloc(bodies.lines, room * sizeof(char *));
			if (!bodies.lines)
				die(path, "out of memory");
		}
		bodies.lines[bodies.count++] = line;
	}
	fclose(file);
	return bodies;
}

static size_t
discard(char *data, size_t size, size_t n, void *arg)
{
	(void) data;
	(void) arg;
	return size * n;
}

static CURL *
make_sender(const char *url, struct curl_slist *headers)
{
	CURL *easy = curl_easy_init();

	if (!easy)
		die("curl_easy_init", "failed");
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	return easy;
}

/*
 * send_next: give a sender the next body; false when there is none left.
 */
static bool
send_next(CURLM *multi, CURL *easy, Bodies *bodies)
{
	const char *body;

	if (bodies->next == bodies->count)
		return false;
	body = bodies->lines[bodies->next++];
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long) strlen(body));
	curl_multi_add_handle(multi, easy);
	return true;
}

/*
 * reap: of the transfers that are done, check the answers and send on; returns
 * how many senders have nothing left to send.
 */
static long
reap(CURLM *multi, Bodies *bodies)
{
	CURLMsg *msg;
	int		 left;
	long	 idle = 0;

	while ((msg = curl_multi_info_read(multi, &left)))
	{
		CURL	*easy = msg->easy_handle;
		CURLcode result = msg->data.result;
		long	 status = 0;

		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		if (result != CURLE_OK)
			die("request", curl_easy_strerror(result));
		if (status != 200)
			die("request", "the answer was not 200");
		curl_multi_remove_handle(multi, easy);
		if (!send_next(multi, easy, bodies))
		{
			curl_easy_cleanup(easy);
			idle++;
		}
	}
	return idle;
}

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	Bodies			   bodies;
	CURLM			  *multi;
	struct curl_slist *headers;
	double			   start;
	long			   senders = 0;

	if (argc != 4)
		die("usage", "curl_loop URL FILE CONCURRENCY");
	bodies = read_bodies(argv[2]);
	curl_global_init(CURL_GLOBAL_ALL);
	multi = curl_multi_init();
	headers = curl_slist_append(NULL, "Content-Type: application/json");
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, atol(argv[3]));

	start = now();
	while (senders < atol(argv[3]) &&
		   send_next(multi, make_sender(argv[1], headers), &bodies))
		senders++;
	while (senders > 0)
	{
		int running;

		if (curl_multi_perform(multi, &running) != CURLM_OK)
			die("curl_multi_perform", "failed");
		senders -= reap(multi, &bodies);
		if (running > 0)
			curl_multi_poll(multi, NULL, 0, 1000, NULL);
	}
	printf("%.0f\n", bodies.count / (now() - start));
	curl_multi_cleanup(multi);
	curl_slist_free_all(headers);
	curl_global_cleanup();
	return 0;
}
