/* beck: the command line tool. Tokens are made here; what needs the data folder is beckd's (`beck app` runs `beckd app`). */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "wire/ids.h"
#include "wire/jwt.h"

static int usage(FILE *out)
{
	(void)fputs(
		"beck " BECK_VERSION "\n\n"
		"usage: beck token --user ID [--expires SECONDS] [--secret-file FILE]   a token for a user\n"
		"       beck token --server [--secret-file FILE]                         a token for your backend\n"
		"       beck app create --name NAME [--key KEY] [--json] [--data DIR]    a new application (API key and secret)\n"
		"       beck app list [--json | --first-key] [--data DIR]\n"
		"       beck app rotate --key KEY [--keep-old] [--json] [--data DIR]     a new secret\n\n"
		"The secret is read from FILE (mode 0600), or from BECK_API_SECRET; --data is ./data unless given.\n",
		out);
	return out == stdout ? 0 : 2;
}

/* One line that says what is wrong, then the forms there are. */
static int wrong(const char *format, ...) BECK_PRINTF(1, 2);
static int wrong(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	(void)fputs("beck: ", stderr);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputs("\n\n", stderr);
	return usage(stderr);
}

struct token_args {
	const char *user, *secret_file;
	long long expires_s;
	bool is_server;
};

/* 0, or the exit status with everything said. */
static int parse_token(int argc, char **argv, struct token_args *t)
{
	*t = (struct token_args){ 0 };
	for (int i = 0; i < argc; i++) {
		const char *expires = NULL, *name = argv[i];
		const char **value = strcmp(name, "--user") == 0          ? &t->user
				     : strcmp(name, "--secret-file") == 0 ? &t->secret_file
				     : strcmp(name, "--expires") == 0     ? &expires
									  : NULL;
		if (strcmp(name, "--server") == 0) {
			t->is_server = true;
			continue;
		}
		if (!value) return wrong(name[0] == '-' ? "unknown option %s" : "unexpected argument \"%s\"", name);
		if (i + 1 >= argc) return wrong("%s needs a value", name);
		*value = argv[++i];
		if (expires && (!span_to_i64(span_str(expires), &t->expires_s) || t->expires_s < 1))
			return wrong("--expires: \"%s\" is not a number of seconds above 0", expires);
	}
	if (t->user && t->is_server) return wrong("a token is for one: --user ID or --server, not both");
	if (!t->user && !t->is_server) return wrong("token needs --user ID or --server");
	if (t->user && !user_id_valid(span_str(t->user)))
		return wrong("--user: \"%s\" is no user id; the server takes 1 to %d of a-z A-Z 0-9 _ @ -", t->user,
			(int)LIMIT_USER_ID_BYTES);
	return 0;
}

/* First line of the file, which nobody but its owner may read, as beckd wants it. False with a message printed. */
static bool read_secret_file(const char *file, char out[512])
{
	struct stat st;
	FILE *f = fopen(file, "re");
	if (!f || fstat(fileno(f), &st) != 0) {
		(void)fprintf(stderr, "beck: cannot read %s: %s\n", file, strerror(errno));
		if (f) (void)fclose(f);
		return false;
	}
	bool ok = fgets(out, 512, f) != NULL;
	(void)fclose(f);
	if (ok) out[strcspn(out, "\r\n")] = 0;
	if ((st.st_mode & 077) != 0) {
		(void)fprintf(stderr, "beck: %s must be readable by its owner only (mode 0600)\n", file);
		return false;
	}
	if (!ok || !*out) (void)fprintf(stderr, "beck: %s holds no secret in its first line\n", file);
	return ok && *out;
}

static bool read_secret(const char *file, char out[512])
{
	if (file) return read_secret_file(file, out);
	const char *env = getenv("BECK_API_SECRET");
	if (env && *env && strlen(env) < 512) {
		memcpy(out, env, strlen(env) + 1);
		return true;
	}
	(void)fputs("beck: no secret: give --secret-file or BECK_API_SECRET\n", stderr);
	return false;
}

static int do_token(int argc, char **argv)
{
	struct token_args t;
	char secret[512];
	int status = parse_token(argc, argv, &t);
	if (status != 0) return status;
	if (!read_secret(t.secret_file, secret)) return 1;
	struct buf claims, token;
	struct jsonw w;
	buf_init(&claims, 4096);
	buf_init(&token, 8192);
	jsonw_init(&w, &claims);
	int64_t now_s = clock_wall_us(&clock_system) / 1000000;
	jsonw_obj_begin(&w);
	if (t.is_server) {
		jsonw_kbool(&w, "server", true);
	} else {
		jsonw_kstr(&w, "user_id", span_str(t.user));
	}
	jsonw_kint(&w, "iat", now_s);
	if (t.expires_s) jsonw_kint(&w, "exp", now_s + t.expires_s);
	jsonw_obj_end(&w);
	jwt_sign(&token, buf_span(&claims), span_str(secret));
	bool ok = !claims.failed && !token.failed;
	if (ok) {
		printf("%.*s\n", SPAN_FMT(buf_span(&token)));
	} else {
		(void)fputs("beck: out of memory\n", stderr);
	}
	buf_deinit(&claims);
	buf_deinit(&token);
	return ok ? 0 : 1;
}

/* beckd stands beside us; without one there, the PATH decides. */
static int run_beckd(char **argv)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 8);
	argv[0] = "beckd";
	if (n > 0) {
		path[n] = 0;
		char *slash = strrchr(path, '/');
		memcpy(slash + 1, "beckd", 6);
		execv(path, argv);
	}
	execvp("beckd", argv);
	perror("beck: cannot run beckd");
	return 1;
}

int main(int argc, char **argv)
{
	if (argc < 2) return wrong("a command is needed: token or app");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) return usage(stdout);
	if (strcmp(argv[1], "--version") == 0) return puts("beck " BECK_VERSION) < 0;
	if (strcmp(argv[1], "token") == 0) return do_token(argc - 2, argv + 2);
	if (strcmp(argv[1], "app") == 0) {
		if (argc < 3) return wrong("app needs a command: create, list or rotate");
		if (strcmp(argv[2], "--help") == 0) return usage(stdout);
		return run_beckd(argv);
	}
	return wrong("unknown command \"%s\"", argv[1]);
}
