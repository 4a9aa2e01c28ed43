/* beck: the command line tool. Tokens are made here; what needs the data folder is beckd's (`beck app` runs `beckd app`). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
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

struct token_args {
	const char *user, *secret_file;
	long long expires_s;
	bool is_server;
};

static bool parse_token(int argc, char **argv, struct token_args *t)
{
	*t = (struct token_args){ 0 };
	for (int i = 0; i < argc; i++) {
		bool more = i + 1 < argc;
		if (strcmp(argv[i], "--server") == 0) {
			t->is_server = true;
		} else if (strcmp(argv[i], "--user") == 0 && more) {
			t->user = argv[++i];
		} else if (strcmp(argv[i], "--secret-file") == 0 && more) {
			t->secret_file = argv[++i];
		} else if (strcmp(argv[i], "--expires") == 0 && more) {
			if (!span_to_i64(span_str(argv[++i]), &t->expires_s) || t->expires_s < 1) return false;
		} else {
			return false;
		}
	}
	return (t->user != NULL) != t->is_server;
}

/* First line of the file, or the environment. False with a message printed. */
static bool read_secret(const char *file, char out[512])
{
	const char *env = getenv("BECK_API_SECRET");
	if (!file) {
		if (!env || strlen(env) >= 512) {
			(void)fputs("beck: no secret: give --secret-file or BECK_API_SECRET\n", stderr);
			return false;
		}
		memcpy(out, env, strlen(env) + 1);
		return true;
	}
	FILE *f = fopen(file, "re");
	bool ok = f && fgets(out, 512, f);
	if (f) (void)fclose(f);
	if (ok) out[strcspn(out, "\r\n")] = 0;
	if (!ok) (void)fprintf(stderr, "beck: cannot read a secret from %s\n", file);
	return ok;
}

static int do_token(int argc, char **argv)
{
	struct token_args t;
	char secret[512];
	if (!parse_token(argc, argv, &t)) return usage(stderr);
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
		(void)fputs("beck: the user id is too long\n", stderr);
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
	if (argc < 2) return usage(stderr);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) return usage(stdout);
	if (strcmp(argv[1], "--version") == 0) return puts("beck " BECK_VERSION) < 0;
	if (strcmp(argv[1], "token") == 0) return do_token(argc - 2, argv + 2);
	if (strcmp(argv[1], "app") == 0) {
		if (argc < 3 || strcmp(argv[2], "--help") == 0) return usage(argc < 3 ? stderr : stdout);
		return run_beckd(argv);
	}
	return usage(stderr);
}
