/*
 * test_config.c
 *		The configuration: what is read of a good one, and what is said of a
 *		bad one.
 */
#include "config/config.h"
#include "tap.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

static char complaints[4096];

static void
complain(LogLevel level, const char *message)
{
	if (level == LOG_LEVEL_WARNING)
		strcat(complaints, "warning: ");
	strncat(complaints, message, sizeof(complaints) - strlen(complaints) - 2);
	strcat(complaints, "\n");
}

static Config *
parse(const char *text)
{
	complaints[0] = '\0';
	return config_parse(text, strlen(text), "/nonexistent", complain);
}

/*
 * bad: this configuration is refused, and this is said of it.
 */
static void
bad(const char *text, const char *expected)
{
	Config	   *config = parse(text);
	char		line[1024];

	snprintf(line, sizeof(line), "%s\n", expected);
	ok(config == NULL, "refused");
	is_text(complaints, line, expected);
	config_destroy(config);
}

/*
 * bad_webhook: the same of what stands in a webhook.
 */
static void
bad_webhook(const char *options, const char *expected)
{
	char		text[2048];
	char		message[512];

	snprintf(text, sizeof(text), "{\"database\":\"x\",\"webhooks\":{\"w\":{%s}}}",
			 options);
	snprintf(message, sizeof(message), "%swebhooks.w%s",
			 *expected == '\002' ? "warning: " : "",
			 expected + (*expected == '\002'));
	bad(text, message);
}

/*
 * long_body: a template has an end.
 */
static void
long_body(void)
{
	char		text[70000];
	int			len = snprintf(text, sizeof(text),
							   "{\"database\":\"x\",\"webhooks\":{\"w\":{\"url\":\"https://h/\",\"format\":\"template\",\"body\":\"%066000d\"}}}",
							   0);

	ok(len < (int) sizeof(text), "a long body");
	bad(text, "webhooks.w.body: is longer than 65536 bytes");
}

static void
test_good(void)
{
	static const char *const text =
		"{\"database\": \"dbname=app\", \"log\": \"s.events\", \"log_level\": \"debug\","
		" \"listen\": \"127.0.0.1:9187\", \"maintain\": \"2h\","
		" \"event_log\": {\"notification\": {\"enabled\": true, \"level\": [\"ERROR\", \"Critical\"], \"event_type\": \"system.\"}},"
		" \"webhooks\": {"
		"  \"general\": {\"url\": \"https://h/<notification_type>/<userId>\"},"
		"  \"event_update\": {\"url\": \"http://h:8080/\", \"secret\": [\"" SECRET "\", \"" SECRET "\"],"
		"   \"timeout\": \"500ms\", \"max_concurrency\": 4,"
		"   \"retry\": {\"initial_backoff\": \"2s\", \"max_backoff\": \"1m\", \"max_attempts\": 3, \"max_age\": \"0\"}},"
		"  \"pager\": {\"url\": \"https://p/\", \"level\": [\"critical\"], \"event_type\": \"a.\","
		"   \"format\": \"cloudevents\", \"batch\": {\"max_events\": 10}, \"ordered\": true,"
		"   \"authorization\": {\"credentials\": \"token\"}, \"http_headers\": {\"X-A\": \"b\", \"X-B\": {\"values\": [\"c\"], \"secrets\": [\"d\"]}, \"X-C\": \"\"},"
		"   \"tls_config\": {\"server_name\": \"n\", \"min_version\": \"TLS13\"}}}}";
	Config	   *config = parse(text);
	WebhookConfig *webhook;

	if (!ok(config != NULL, "a whole configuration is read"))
	{
		printf("# %s", complaints);
		return;
	}
	is_text(config->database, "dbname=app", "database");
	is_text(config->log, "s.events", "log");
	is_int(config->maintain, 7200000, "maintain");
	is_int((long long) config->nwebhooks, 3, "webhooks");

	webhook = config->webhooks[0];
	is_text(webhook->name, "general", "general");
	ok(!webhook->active, "is not used where there is event_update");
	webhook = config->webhooks[1];
	ok(webhook->active, "which is");
	is_text(webhook->levels, "{error,critical}", "common levels");
	is_text(webhook->event_type, "system.", "common prefix");
	is_int((long long) webhook->nkeys, 2, "two secrets");
	is_int(webhook->timeout, 500, "timeout");
	is_int(webhook->retry.initial_backoff, 2000, "initial_backoff");
	is_int(webhook->retry.max_attempts, 3, "max_attempts");
	is_int(webhook->retry.max_age, 0, "max_age");
	webhook = config->webhooks[2];
	is_text(webhook->levels, "{critical}", "levels of its own");
	is_text(webhook->event_type, "a.", "prefix of its own");
	is_int(webhook->format, FORMAT_CLOUDEVENTS, "format");
	is_int(webhook->max_events, 10, "batch");
	is_int(webhook->max_concurrency, 1, "in order, one at a time");
	is_text(webhook->authorization, "Bearer token", "authorization");
	is_text(webhook->headers[0], "X-A: b", "headers");
	is_int((long long) webhook->nheaders, 4, "of several values");
	is_text(webhook->headers[2], "X-B: d", "one line each");
	is_text(webhook->headers[3], "X-C;", "and what libcurl takes for none");
	is_int(config->address.ss_family, AF_INET, "the address to listen at");
	config_destroy(config);

	config = parse("{\"event_log\": {\"notification\": {\"enabled\": true, \"min_level\": \"WARN\", \"source_service\": \"s\"}},"
				   " \"http_config\": {\"timeout\": \"3s\", \"basic_auth\": {\"username\": \"u\"}, \"rate_limit\": \"90/m\", \"enable_http2\": false},"
				   " \"webhooks\": {\"a\": {\"url\": \"https://h/\"},"
				   " \"b\": {\"url\": \"https://h/\", \"level\": [\"fatal\", \"notice\"], \"resource_type\": \"r\", \"timeout\": \"4s\", \"enable_http2\": true,"
				   " \"authorization\": {\"credentials\": \"c\"}}}}");
	if (ok(config != NULL, "what webhooks have in common"))
	{
		is_text(config->database, "", "without a database, libpq's environment");
		webhook = config->webhooks[0];
		is_text(webhook->levels, "{warning,error,critical}", "min_level");
		is_text(webhook->source_service, "s", "source_service");
		is_text(webhook->username, "u", "credentials");
		is_int(webhook->timeout, 3000, "timeout");
		ok(webhook->rate_limit == 1.5 && !webhook->enable_http2, "rate, version");
		is_int(webhook->retry.max_attempts, 0, "attempts do not end before age does");
		webhook = config->webhooks[1];
		is_text(webhook->levels, "{info,critical}", "names that others have for levels");
		is_text(webhook->resource_type, "r", "resource_type");
		is_int(webhook->timeout, 4000, "a timeout of its own");
		ok(webhook->username == NULL && webhook->authorization && webhook->enable_http2,
		   "nor are there two ways to say who one is");
		ok(!webhook_config_equal(webhook, config->webhooks[0]) &&
		   webhook_config_equal(webhook, webhook), "one is not the other");
	}
	config_destroy(config);
	config = parse("{\"database\": \"x\", \"webhooks\": {\"general\": {\"url\": \"https://h/\"}}}");
	ok(config && !config->enabled && !config->webhooks[0]->active,
	   "disabled unless told otherwise");
	config_destroy(config);
	config = parse("{\"database\": \"x\", \"event_log\": {\"notification\": {\"enabled\": true}},"
				   " \"webhooks\": {\"general\": {\"url\": \"https://h/\"}}}");
	ok(config && config->webhooks[0]->active && config->webhooks[0]->levels == NULL,
	   "general is used where there is no event_update; all levels");
	config_destroy(config);
}

static void
test_bad(void)
{
	bad("", "(the whole file): line 1, column 0: not JSON: '[' or '{' expected");
	bad("[]", "(the whole file): must be an object");
	bad("{", "(the whole file): line 1, column 1: not JSON: string or '}' expected");
	bad("{\"database\": \"x\", \"database\": \"y\"}",
		"(the whole file): line 1, column 28: not JSON: duplicate object key");
	bad("{\"database\": \"\\u0000\"}",
		"(the whole file): line 1, column 21: not JSON: \\u0000 is not allowed without JSON_ALLOW_NUL");
	bad("{\"database\": \"host=h password=it's secret\"}",
		"database: is not a connection string that libpq can parse");
	bad("{\"database\": \"postgresql://u:sec@ret@h/d\"}",
		"database: has \"@\" in its host; user and password must be percent-encoded in a URI");
	bad("{\"database\": \"postgresql://u:sec/ret@h/d\"}",
		"database: has \"@\" in its dbname; user and password must be percent-encoded in a URI\n"
		"database: has a port that is not a number");
	bad("{\"database\": 1}", "database: must be a non-empty string");
	bad("{\"database\": \"x\", \"databse\": \"y\"}", "databse: unknown key");
	bad("{\"database\": \"x\", \"log_level\": \"loud\"}",
		"log_level: must be debug, info, warning or error");
	bad("{\"database\": \"x\", \"maintain\": 5}",
		"maintain: must be a duration such as \"500ms\", \"15s\" or \"2h\"");
	bad("{\"database\": \"x\", \"maintain\": \"1ms\"}",
		"maintain: must be 0, for never, or at least 1s");
	bad("{\"database\": \"x\", \"maintain\": \"400d\"}",
		"maintain: must be at most 365 days");
	bad("{\"database\": \"x\", \"listen\": \"localhost:9187\"}",
		"listen: must be ADDR:PORT, with a numeric address, IPv6 in brackets");
	bad("{\"database\": \"x\", \"listen\": \"127.0.0.1:0\"}",
		"listen: must be ADDR:PORT, with a numeric address, IPv6 in brackets");
	bad("{\"database\": \"x\", \"database_file\": \"y\"}",
		"database_file: cannot be combined with \"database\"");
	bad("{\"database\": \"x\", \"event_log\": []}", "event_log: must be an object");
	bad("{\"database\": \"x\", \"event_log\": {\"x\": 1}}", "event_log.x: unknown key");
	bad("{\"database\": \"x\", \"event_log\": {\"notification\": {\"enabled\": \"yes\"}}}",
		"event_log.notification.enabled: must be true or false");
	bad("{\"database\": \"x\", \"event_log\": {\"notification\": {\"level\": \"error\"}}}",
		"event_log.notification.level: must be a list of levels, such as [\"error\"]");
	bad("{\"database\": \"x\", \"event_log\": {\"notification\": {\"level\": [\"loud\"]}}}",
		"event_log.notification.level: unknown level \"loud\"; levels are debug, info, warning, error and critical");
	bad("{\"database\": \"x\", \"event_log\": {\"notification\": {\"level\": [\"loud\"]}},"
		" \"webhooks\": {\"w\": {\"url\": \"http://h/\"}}}",
		"event_log.notification.level: unknown level \"loud\"; levels are debug, info, warning, error and critical");
	bad("{\"database\": \"x\", \"event_log\": {\"notification\": {\"enabled\": true}}}",
		"webhooks: is missing although notification is enabled");
	bad("{\"database\": \"x\", \"event_log\": {\"notification\": {\"min_level\": \"loud\"}}}",
		"event_log.notification.min_level: unknown level \"loud\"; levels are debug, info, warning, error and critical");
	bad("{\"database\": \"x\", \"http_config\": {\"timeout\": \"0s\", \"url\": \"x\"}}",
		"http_config.url: unknown key\n"
		"http_config.timeout: must be a duration such as \"500ms\", \"15s\" or \"2h\", above zero");
	bad("{\"database\": \"x\", \"webhooks\": {\"0123456789012345678901234567890123456789012345678901234567890123\": {\"url\": \"http://h/\"}}}",
		"webhooks.0123456789012345678901234567890123456789012345678901234567890123: a name must have 1 to 63 bytes");
	bad("{\"database\": \"x\", \"webhooks\": {\"w\": \"https://h/\"}}",
		"webhooks.w: must be an object");

	bad_webhook("", ".url: is missing");
	bad_webhook("\"url\": \"ftp://h/\"", ".url: must begin with http:// or https://");
	bad_webhook("\"url\": \"https:///x\"", ".url: is not a URL");
	bad_webhook("\"url\": \"https://h:99999/\"", ".url: is not a URL");
	bad_webhook("\"url\": \"https://[::1/\"", ".url: is not a URL");
	bad_webhook("\"url\": \"https://u:hunter2@h/\\u0001\"", ".url: is not a URL");
	bad_webhook("\"url\": \"https://h/\", \"proxy_url\": \"ftp://u:hunter2@h/\"",
				".proxy_url: is not the URL of an http, https, socks4 or socks5 proxy");
	bad_webhook("\"url\": \"https://h/\", \"tls_config\": {\"server_name\": \"a b\"}",
				".tls_config.server_name: is not the name of a host");
	bad_webhook("\"url\": \"https://<userId>/\"",
				".url: placeholders are allowed only in its path and query");
	bad_webhook("\"url\": \"https://h/<user>\"",
				".url: unknown placeholder; there are <notification_type> and <userId>");
	bad_webhook("\"url\": \"https://h/\", \"format\": \"xml\"",
				".format: must be \"standard\", \"cloudevents\", \"anchore\", \"otlp\" or \"template\"");
	bad_webhook("\"url\":\"http://h/\",\"oauth2\":{\"client_secret\":\"s\",\"token_url\":\"http://t/\"}",
				".oauth2.client_id: is missing");
	bad_webhook("\"url\":\"http://h/\",\"oauth2\":{\"client_id\":\"c\",\"token_url\":\"http://t/\"}",
				".oauth2.client_secret: is missing");
	bad_webhook("\"url\":\"http://h/\",\"oauth2\":{\"client_id\":\"c\",\"client_secret\":\"s\"}",
				".oauth2.token_url: is missing");
	bad_webhook("\"url\":\"http://h/\",\"authorization\":{\"credentials\":\"x\"},\"oauth2\":{\"client_id\":\"c\",\"client_secret\":\"s\",\"token_url\":\"http://t/\"}",
				".oauth2: cannot be combined with basic_auth or authorization");
	bad_webhook("\"url\":\"http://h/\",\"http_headers\":{\"AUTHORIZATION\":\"x\"},\"oauth2\":{\"client_id\":\"c\",\"client_secret\":\"s\",\"token_url\":\"http://t/\",\"scopes\":[\"a b\"]}",
				".oauth2: cannot be combined with an Authorization header\nwebhooks.w.oauth2.scopes: must be a list of words");
	bad_webhook("\"url\": \"https://h/\", \"batch\": {}",
				".batch: needs \"format\": \"cloudevents\" or \"otlp\", the ones that define batches");
	bad_webhook("\"url\": \"https://h/<userId>\", \"format\": \"cloudevents\", \"batch\": {}",
				".url: <userId> cannot be combined with batches, whose events belong to several users");
	bad_webhook("\"url\": \"https://h/\", \"secret\": \"hunter2\"",
				".secret: must be whsec_ and 24 to 64 bytes in base64, or whsk_ and an Ed25519 private key in base64");
	bad_webhook("\"url\": \"https://h/\", \"secret_file\": \"none\"",
				".secret_file: cannot read \"/nonexistent/none\": No such file or directory");
	bad_webhook("\"url\": \"https://h/\", \"secret\": \"" SECRET "\", \"secret_file\": \"f\"",
				".secret_file: cannot be combined with \"secret\"");
	bad_webhook("\"url\": \"https://h/\", \"timeout\": \"0s\"",
				".timeout: must be a duration such as \"500ms\", \"15s\" or \"2h\", above zero");
	bad_webhook("\"url\": \"https://h/\", \"timeout\": \"1y\"",
				".timeout: must be a duration such as \"500ms\", \"15s\" or \"2h\", above zero");
	bad_webhook("\"url\": \"https://h/\", \"timeout\": \"2d\"",
				".timeout: must be at most 1 day");
	bad_webhook("\"url\": \"https://h/\", \"retry\": {\"max_backoff\": \"1000000000d\"}",
				".retry.max_backoff: must be at most 365 days");
	bad_webhook("\"url\": \"https://h/\", \"event_type\": \"System.\"",
				".event_type: no event can match it: it must be a plain prefix of lower-case letters, digits, \"_\", \"-\" and dots");
	bad_webhook("\"url\": \"https://h/\", \"event_type\": \"system.*\"",
				".event_type: no event can match it: it must be a plain prefix of lower-case letters, digits, \"_\", \"-\" and dots");
	bad_webhook("\"url\": \"https://h/\", \"event_type\": \"system..a\"",
				".event_type: no event can match it: there must be a word before each dot");
	bad_webhook("\"url\": \"https://h/\", \"level\": [\"error\"], \"min_level\": \"error\"",
				".min_level: cannot be combined with \"level\"");
	bad_webhook("\"url\": \"https://h/\", \"body\": {}",
				".body: needs \"format\": \"template\"");
	bad_webhook("\"url\": \"https://h/\", \"format\": \"template\"",
				".body: is missing; it is the JSON to send");
	bad_webhook("\"url\": \"https://h/\", \"format\": \"template\", \"body\": {}, \"body_file\": \"x\"",
				".body_file: cannot be combined with \"body\"");
	bad_webhook("\"url\": \"https://h/\", \"format\": \"template\", \"body\": [{\"a\": \"{{event.massage}}\"}]",
				".body.a: unknown placeholder \"event.massage\"; there are event.COLUMN, event.details.KEY, level, webhook, attempt, secret.NAME and 'text'");
	bad_webhook("\"url\": \"https://h/\", \"format\": \"template\", \"body\": {\"a\": \"{{secret.key}}\"}",
				".body.a: unknown placeholder \"secret.key\"; there are event.COLUMN, event.details.KEY, level, webhook, attempt, secret.NAME and 'text'");
	bad_webhook("\"url\": \"https://h/\", \"format\": \"template\", \"body\": \"{{event.message:0}}\"",
				".body: a placeholder must be {{PATH}}, {{PATH|PATH}} or {{PATH:CHARACTERS}}");
	bad_webhook("\"url\": \"https://h/\", \"format\": \"template\", \"body\": \"{{event.message\"",
				".body: a placeholder must be {{PATH}}, {{PATH|PATH}} or {{PATH:CHARACTERS}}");
	bad_webhook("\"url\": \"https://h/\", \"format\": \"template\", \"body\": \"{{event.message:+5}}\"",
				".body: a placeholder must be {{PATH}}, {{PATH|PATH}} or {{PATH:CHARACTERS}}");
	bad_webhook("\"url\": \"https://h/\", \"format\": \"template\", \"body\": 1, \"levels\": {\"error\": []}",
				".levels.error: must be a string or a whole number");
	bad_webhook("\"url\": \"https://h/\", \"format\": \"template\", \"body\": 1, \"levels\": {\"err\": 1}",
				".levels.err: unknown key");
	long_body();
	bad_webhook("\"url\": \"https://h/\", \"rate_limit\": \"10\"",
				".rate_limit: must be a rate such as \"10/s\", \"100/m\" or \"1000/h\", above zero and at most 1000000/s");
	bad_webhook("\"url\": \"https://h/\", \"rate_limit\": \"0/s\"",
				".rate_limit: must be a rate such as \"10/s\", \"100/m\" or \"1000/h\", above zero and at most 1000000/s");
	bad_webhook("\"url\": \"https://h/\", \"enable_http2\": 1",
				".enable_http2: must be true or false");
	bad_webhook("\"url\": \"https://h/../<userId>\"",
				".url: must not have segments made of dots along with <userId>");
	bad_webhook("\"url\": \"https://h/\", \"tls_config\": {\"ca_file\": \"/etc/hostname\"}",
				".tls_config.ca_file: holds no certificate in PEM format");
	bad_webhook("\"url\": \"https://h/\", \"tls_config\": {\"cert_file\": \"/etc/hostname\", \"key_file\": \"/etc/passwd\"}",
				"\002.tls_config.key_file: other users can read \"/etc/passwd\"; its mode should be 0600\n"
				"webhooks.w.tls_config.cert_file: holds no certificate in PEM format\n"
				"webhooks.w.tls_config.key_file: holds no private key in PEM format, or the key needs a password");
	bad_webhook("\"url\": \"https://h/\", \"http_headers\": {\"X Y\": \"b\"}",
				".http_headers.X Y: is not the name of a header");
	bad_webhook("\"url\": \"https://h/\", \"http_headers\": {\"X(Y)\": \"b\"}",
				".http_headers.X(Y): is not the name of a header");
	bad_webhook("\"url\": \"https://h/\", \"http_headers\": {\"X-Y\": \"b \"}",
				".http_headers.X-Y: the value of X-Y is not a valid header value");
	bad_webhook("\"url\": \"https://h/\", \"authorization\": {\"type\": \"A B\", \"credentials\": \"c\"}",
				".authorization.type: is not the name of a scheme, such as \"Bearer\"");
	bad_webhook("\"url\": \"https://h/\", \"secret_file\": \"whsec_c2VjcmV0\"",
				".secret_file: must name a file, but looks like a secret itself");
	bad_webhook("\"url\": \"https://h/\", \"max_concurrency\": 0",
				".max_concurrency: must be a whole number from 1 to 1000");
	bad_webhook("\"url\": \"https://h/\", \"ordered\": true, \"max_concurrency\": 2",
				".max_concurrency: must be 1 if \"ordered\" is true");
	bad_webhook("\"url\": \"https://h/\", \"basic_auth\": {\"password\": \"hunter2\"}",
				".basic_auth.username: is missing");
	bad_webhook("\"url\": \"https://h/\", \"authorization\": {\"credentials\": \"a\\nb\"}",
				".authorization.credentials: is not a valid header value");
	bad_webhook("\"url\": \"https://h/\", \"http_headers\": {\"A:\": \"b\"}",
				".http_headers.A:: is not the name of a header");
	bad_webhook("\"url\": \"https://h/\", \"http_headers\": {\"A\": \"b\\r\\nC: d\"}",
				".http_headers.A: the value of A is not a valid header value");
	bad_webhook("\"url\": \"https://h/\", \"http_headers\": {\"A\": 1}",
				".http_headers.A: must be a string, or an object with lists of values, secrets or files");
	bad_webhook("\"url\": \"https://h/\", \"http_headers\": {\"A\": {\"files\": [\"none\"]}}",
				".http_headers.A.files: cannot read \"/nonexistent/none\": No such file or directory");
	bad_webhook("\"url\": \"https://h/\", \"http_headers\": {\"A\": {\"secret\": [\"b\"]}}",
				".http_headers.A.secret: unknown key");
	bad_webhook("\"url\": \"https://h/\", \"http_headers\": {\"Webhook-Id\": \"b\"}",
				".http_headers.Webhook-Id: is a header that the notifier writes itself");
	bad_webhook("\"url\": \"https://h/\", \"authorization\": {\"credentials\": \"c\"}, \"http_headers\": {\"authorization\": \"b\"}",
				".http_headers.authorization: is a header that the notifier writes itself");
	bad_webhook("\"url\": \"https://h/\", \"tls_config\": {\"min_version\": \"SSL3\"}",
				".tls_config.min_version: must be \"TLS12\" or \"TLS13\"");
	bad_webhook("\"url\": \"https://h/\", \"retry\": {\"max_backoff\": \"1ms\"}",
				".retry.max_backoff: must not be below initial_backoff");
	bad_webhook("\"url\": \"https://h/\", \"retry\": {\"tries\": 1}",
				".retry.tries: unknown key");
}

static void
write_file(const char *dir, const char *name, const char *text)
{
	char		path[128];
	FILE	   *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	fputs(text, file);
	fclose(file);
}

static void
remove_file(const char *dir, const char *name)
{
	char		path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
}

/*
 * test_oauth2: what it excludes is a header of that very name.
 */
static void
test_oauth2(void)
{
	Config	   *config = parse("{\"database\": \"x\", \"webhooks\": {\"w\": {\"url\": \"https://h/\", \"http_headers\": {\"Authorization-Info\": \"x\"},"
							  " \"oauth2\": {\"client_id\": \"c\", \"client_secret\": \"s\", \"token_url\": \"https://t/\"}}}}");

	ok(config != NULL, "a header whose name begins like Authorization");
	is_text(complaints, "", "is none");
	config_destroy(config);
}

/*
 * test_files: secrets in files, sought from the configuration's directory.
 */
static void
test_files(void)
{
	char		dir[] = "/tmp/eventlog-test-XXXXXX";
	char		path[128];
	char		config_path[128];
	char		part[128];
	const char *parts[] = {NULL, part};
	FILE	   *file;
	Config	   *config;

	if (!ok(mkdtemp(dir) != NULL, "a directory"))
		return;
	snprintf(path, sizeof(path), "%s/whsec", dir);
	snprintf(config_path, sizeof(config_path), "%s/notifier.json", dir);
	file = fopen(path, "w");
	fputs(SECRET "\n" SECRET "\n", file);
	fclose(file);
	write_file(dir, "key", "k\n");
	write_file(dir, "proxy", "http://u:p@proxy:3128\n");
	file = fopen(config_path, "w");
	fputs("{\"database\": \"x\", \"webhooks\": {\"w\": {\"url\": \"https://h/\", \"secret_file\": \"whsec\","
		  " \"http_headers\": {\"X-Key\": {\"files\": [\"key\"]}}, \"proxy_url_file\": \"proxy\"}}}", file);
	fclose(file);
	write_file(dir, "list.json", "[]");
	write_file(dir, "open.json", "{\"webhooks\": {\"w\": {\"http_headers\": {\"X-Key\": {\"secrets\": [\"k\"]}}}}}");
	chmod(config_path, 0600);
	parts[0] = config_path;
	snprintf(part, sizeof(part), "%s/list.json", dir);
	complaints[0] = '\0';
	ok(config_load(parts, 2, complain) == NULL, "a later file that is a list");
	ok(strstr(complaints, "must be an object\n") != NULL, "is refused");
	snprintf(part, sizeof(part), "%s/open.json", dir);
	chmod(part, 0644);
	complaints[0] = '\0';
	config_destroy(config_load((const char *[]) {part, config_path}, 2, complain));
	ok(strstr(complaints, "http_headers.X-Key.secrets: other users can read") != NULL,
	   "a secret in a list in a file that others can read is a warning");
	remove_file(dir, "list.json");
	remove_file(dir, "open.json");
	complaints[0] = '\0';
	config = config_load(&(const char *) {config_path}, 1, complain);
	ok(config && config->webhooks[0]->nkeys == 2, "two secrets from a file");
	is_text(config ? config->webhooks[0]->headers[0] : NULL, "X-Key: k", "a header's");
	is_text(config ? config->webhooks[0]->proxy_url : NULL, "http://u:p@proxy:3128", "a proxy's");
	config_destroy(config);
	remove_file(dir, "key");
	remove_file(dir, "proxy");
	unlink(path);
	unlink(config_path);
	rmdir(dir);

	complaints[0] = '\0';
	ok(config_load(&(const char *) {config_path}, 1, complain) == NULL &&
	   strstr(complaints, "No such file") != NULL, "no such configuration");
}

int
main(void)
{
	test_good();
	test_bad();
	test_oauth2();
	test_files();
	return done_testing();
}
