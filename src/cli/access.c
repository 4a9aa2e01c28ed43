#include "cli/access.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/now.h"
#include "cli/text.h"

#define TOKEN_LIFE_S 3600 /* of tokens that the tool makes for itself; a new one follows */

static const char *environment(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

static bool exists(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0;
}

const char *data_folder(const struct args *args)
{
	const char *env = environment("BECK_DATA");
	return args->data ? args->data : env ? env : "./data";
}

bool user_id_is_valid(const char *id)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@-";
	size_t n = strlen(id);
	return n >= 1 && n <= 255 && strspn(id, allowed) == n;
}

/* ---- the secret ---- */

/* First line of the file, which nobody but its owner may read, as beckd wants it. */
static int read_secret_file(const char *file, char out[SECRET_SIZE])
{
	struct stat st;
	FILE *f = fopen(file, "re");
	if (!f || fstat(fileno(f), &st) != 0) {
		int status = say_failed("cannot read %s: %s", file, strerror(errno));
		if (f) (void)fclose(f);
		return status;
	}
	bool ok = fgets(out, SECRET_SIZE, f) != NULL;
	(void)fclose(f);
	if (!ok) out[0] = 0;
	out[strcspn(out, "\r\n")] = 0;
	if ((st.st_mode & 077) != 0) return say_failed("%s must be readable by its owner only (mode 0600)", file);
	return *out ? EXIT_FINE : say_failed("%s holds no secret in its first line", file);
}

int read_secret(const struct args *args, char out[SECRET_SIZE])
{
	const char *env = environment("BECK_API_SECRET");
	char path[4096];
	out[0] = 0;
	if (args->secret_file) return read_secret_file(args->secret_file, out);
	if (env && strlen(env) < SECRET_SIZE) {
		memcpy(out, env, strlen(env) + 1);
		return EXIT_FINE;
	}
	(void)snprintf(path, sizeof path, "%s/api_secret", data_folder(args));
	return exists(path) ? read_secret_file(path, out) : EXIT_FINE;
}

/* ---- the key ---- */

void exec_beckd(char **argv)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 8);
	argv[0] = (char[]){ "beckd" };
	if (n > 0) {
		path[n] = 0;
		char *slash = strrchr(path, '/');
		memcpy(slash + 1, "beckd", 6);
		execv(path, argv);
	}
	execvp("beckd", argv);
}

/* What `beckd app list --first-key` says of the data folder; false when it says nothing. */
static bool ask_beckd(const char *data, char *out, size_t size)
{
	int ends[2], status = 0;
	if (pipe(ends) != 0) return false;
	pid_t pid = fork();
	if (pid == 0) {
		char *argv[] = { (char[]){ "beckd" }, (char[]){ "app" }, (char[]){ "list" }, (char[]){ "--first-key" },
			(char[]){ "--data" }, dup_text(data), NULL };
		(void)dup2(ends[1], STDOUT_FILENO);
		(void)close(ends[0]);
		(void)close(ends[1]);
		exec_beckd(argv);
		_exit(127);
	}
	(void)close(ends[1]);
	FILE *f = pid > 0 ? fdopen(ends[0], "r") : NULL;
	bool ok = f && fgets(out, (int)size, f) != NULL;
	if (f) (void)fclose(f);
	if (!f) (void)close(ends[0]);
	if (pid > 0 && waitpid(pid, &status, 0) != pid) status = 1;
	if (!ok || status != 0) return false;
	out[strcspn(out, "\r\n")] = 0;
	return *out != 0;
}

int access_find_key(struct args *args, struct access *a)
{
	const char *url = args->url ? args->url : environment("BECK_URL"),
		   *key = args->key ? args->key : environment("BECK_API_KEY");
	*a = (struct access){ .args = args, .url = url ? url : "http://127.0.0.1:8800" };
	if (key && strlen(key) >= sizeof a->key) return args_wrong(args->command, "--key: too long");
	if (key) (void)snprintf(a->key, sizeof a->key, "%s", key);
	if (key || (exists(data_folder(args)) && ask_beckd(data_folder(args), a->key, sizeof a->key))) return EXIT_FINE;
	a->key[0] = 0;
	return args_wrong(args->command, "no API key: give --key or BECK_API_KEY, or a server's data folder by --data");
}

/* ---- the token ---- */

/* The claims' bytes from base64url; the length, or -1. */
static int decode(const char *p, size_t n, char *out, size_t size)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned bits = 0, have = 0;
	size_t k = 0;
	for (size_t i = 0; i < n; i++) {
		const char *at = memchr(alphabet, p[i], 64);
		if (!at) return -1;
		bits = (bits << 6 | (unsigned)(at - alphabet)) & 0xffff;
		have += 6;
		if (have < 8) continue;
		have -= 8;
		if (k + 1 >= size) return -1;
		out[k++] = (char)(bits >> have);
	}
	return (int)k;
}

beck_document *token_claims(const char *token)
{
	char json[8192];
	beck_document *document = NULL;
	const char *start = strchr(token, '.'), *end = start ? strchr(start + 1, '.') : NULL;
	int n = end ? decode(start + 1, (size_t)(end - start) - 1, json, sizeof json) : -1;
	if (n < 0 || beck_document_parse(json, (size_t)n, &document, NULL) != BECK_OK) return NULL;
	return document;
}

static char *read_token_file(const char *file)
{
	char line[16384];
	FILE *f = fopen(file, "re");
	if (!f) return NULL;
	bool ok = fgets(line, sizeof line, f) != NULL;
	(void)fclose(f);
	if (ok) line[strcspn(line, " \r\n")] = 0;
	return ok && *line ? dup_text(line) : NULL;
}

static int find_token(struct access *a)
{
	struct args *args = a->args;
	const char *env = environment("BECK_TOKEN");
	if (args->token) a->token = dup_text(args->token);
	if (!args->token && args->token_file) {
		a->token = read_token_file(args->token_file);
		if (!a->token) return say_failed("%s: no token can be read there", args->token_file);
	}
	if (!a->token && !args->secret_file && env) a->token = dup_text(env);
	if (a->token) return EXIT_FINE;
	return read_secret(args, a->secret);
}

static void find_user(struct access *a)
{
	beck_document *claims = !a->args->user && a->token ? token_claims(a->token) : NULL;
	const char *id = a->args->user ? a->args->user : beck_value_text(beck_value_get(beck_document_root(claims), "user_id"));
	(void)snprintf(a->user, sizeof a->user, "%s", id);
	beck_document_free(claims);
}

int access_find(struct args *args, struct access *a)
{
	if (args->user && !user_id_is_valid(args->user)) {
		*a = (struct access){ 0 };
		return args_wrong(args->command, "--user: \"%s\" is no user id; the server takes 1 to 255 of a-z A-Z 0-9 _ @ -",
			args->user);
	}
	int status = access_find_key(args, a);
	if (status == EXIT_FINE) status = find_token(a);
	if (status != EXIT_FINE) return status;
	find_user(a);
	if (!a->token && !*a->secret)
		return args_wrong(args->command, "no token and no secret: give --token-file, BECK_TOKEN, --secret-file or "
						 "BECK_API_SECRET, or start where `make run` runs");
	return EXIT_FINE;
}

int access_find_user(struct args *args, struct access *a)
{
	int status = access_find(args, a);
	if (status != EXIT_FINE || *a->user) return status;
	access_free(a);
	return args_wrong(args->command, "whose connection: give --user ID, or a token that is for one");
}

void access_free(struct access *a)
{
	free(a->token);
	a->token = NULL;
}

/* ---- clients ---- */

static void on_log(void *ctx, beck_log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	char *clean = clean_text(line, false);
	(void)fprintf(stderr, "%s\n", clean);
	free(clean);
}

static beck_options options_of(struct access *a, beck_threading threading)
{
	const struct args *g = a->args;
	beck_options o = { .base_url = a->url, .enable_ws_fallback = !g->no_fallback, .threading = (uint8_t)threading };
	o.timeout_ms = (int32_t)(g->timeout_ms > 0 && g->timeout_ms < 3600000 ? g->timeout_ms : 0);
	o.skip_tls_verify = g->insecure;
	o.ca_file = g->ca_file;
	o.proxy = g->proxy;
	o.client_name = "beck-tool-" BECK_VERSION;
	o.error = &a->error;
	o.log = g->verbose ? on_log : NULL;
	o.log_level = BECK_LOG_DEBUG;
	return o;
}

beck_client *access_client(struct access *a, beck_threading threading)
{
	beck_options o = options_of(a, threading);
	beck_client *client = beck_client_create(a->key, &o);
	if (!client) (void)args_wrong(a->args->command, "%s", a->error.message);
	return client;
}

beck_client *access_server_client(struct access *a)
{
	if (!*a->secret && read_secret(a->args, a->secret) != EXIT_FINE) return NULL;
	if (!*a->secret) return NULL;
	beck_options o = options_of(a, BECK_OWN_THREAD);
	beck_client *client = beck_server_client_create(a->key, a->secret, &o);
	if (!client) (void)say_failed("%s", a->error.message);
	return client;
}

char *access_user_json(const struct access *a)
{
	struct text t = { 0 };
	text_put(&t, "{\"id\":");
	text_json(&t, a->user);
	if (a->args->name) {
		text_put(&t, ",\"name\":");
		text_json(&t, a->args->name);
	}
	text_put(&t, "}");
	return t.p;
}

/* A token when one is needed: from the file, as it is now; from the secret; or the one there is. */
static void give_token(void *ctx, beck_client *client, const char *user_id, beck_token_request *request)
{
	const struct access *a = ctx;
	(void)client;
	char *token = NULL;
	if (!a->token) {
		beck_error e = { 0 };
		token = beck_create_token(a->secret, user_id, now_us() / 1000000 + TOKEN_LIFE_S, &e);
		beck_token_answer(request, token, e.message);
		beck_free(token);
		return;
	}
	token = read_token_file(a->args->token_file);
	beck_token_answer(request, token, "the token file cannot be read");
	free(token);
}

beck_result access_connect_async(struct access *a, beck_client *client, beck_connect_fn done, void *ctx, beck_error *err)
{
	bool is_fixed = a->token && (a->args->token || !a->args->token_file);
	char *json = access_user_json(a);
	beck_result r = beck_connect_user_async(
		client, json, is_fixed ? a->token : NULL, is_fixed ? NULL : give_token, a, done, ctx, err);
	free(json);
	return r;
}

beck_result access_connect_wait(struct access *a, beck_client *client, beck_error *e)
{
	bool is_fixed = a->token && (a->args->token || !a->args->token_file);
	char *json = access_user_json(a);
	beck_result r =
		is_fixed ? beck_connect_user(client, json, a->token, e) : beck_connect_user_with(client, json, give_token, a, e);
	free(json);
	return r;
}

int access_connect(struct access *a, beck_client *client)
{
	beck_error e = { 0 };
	return access_connect_wait(a, client, &e) == BECK_OK ? EXIT_FINE : say_error("cannot connect", &e);
}

/* ---- channels ---- */

#define NAME_MAX_BYTES 64

#define TYPE_MAY       "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
#define ID_MAY         TYPE_MAY "!"

static bool is_name(const char *s, size_t n, const char *may) { return n > 0 && n <= NAME_MAX_BYTES && strspn(s, may) >= n; }

int channel_check(const struct args *args, const char *cid)
{
	const char *colon = strchr(cid, ':');
	if (!colon || !is_name(cid, (size_t)(colon - cid), TYPE_MAY) || !is_name(colon + 1, strlen(colon + 1), ID_MAY))
		return args_wrong(args->command, "\"%s\" names no channel; one is like messaging:general", cid);
	return EXIT_FINE;
}

beck_channel *channel_of(beck_client *client, const char *cid)
{
	char type[NAME_MAX_BYTES + 1];
	const char *colon = strchr(cid, ':');
	(void)snprintf(type, sizeof type, "%.*s", (int)(colon - cid), cid);
	return beck_channel_open(client, type, colon + 1);
}

/* ---- errors ---- */

int error_status(const beck_error *e)
{
	switch (e->result) {
	case BECK_OK: return EXIT_FINE;
	case BECK_ENETWORK:
	case BECK_ETLS:
	case BECK_ETIMEOUT:
	case BECK_EPROTOCOL: return EXIT_NO_CONNECTION;
	default: return EXIT_REFUSED;
	}
}

int say_error(const char *what, const beck_error *e)
{
	int status = error_status(e);
	char *clean = clean_text(e->message, false);
	if (e->code)
		(void)say_failed("%s: %s (code %d)", what, clean, e->code);
	else
		(void)say_failed("%s: %s", what, *clean ? clean : beck_result_text(e->result));
	free(clean);
	if (status == EXIT_NO_CONNECTION) (void)fputs("`beck doctor` says more.\n", stderr);
	return status;
}
