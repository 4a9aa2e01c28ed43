#include "server/admin.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "chat/chat.h"
#include "server/secret.h"
#include "store/store.h"
#include "wire/jwt.h"

struct args {
	struct span data, name, key, positional, erasures_from;
	bool json, first_key, keep_old;
};

/* One line that says what is wrong, then the forms there are. */
static int usage(const char *format, ...) BECK_PRINTF(1, 2);
static int usage(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	(void)fputs("beckd: ", stderr);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputs("\n\nusage: beckd [options]  (see beckd --help)\n"
		    "       beckd backup DIR | check  [--data DIR]\n"
		    "       beckd restore DIR [--data DIR] [--erasures-from DIR]\n"
		    "       beckd app create --name NAME [--key KEY] [--json] [--data DIR]\n"
		    "       beckd app list [--json | --first-key] [--data DIR]\n"
		    "       beckd app rotate --key KEY [--keep-old] [--json] [--data DIR]\n",
		stderr);
	return 2;
}

static bool parse(int argc, char **argv, struct args *out)
{
	*out = (struct args){ .data = SPAN("./data") };
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];
		struct span *value = strcmp(a, "--data") == 0            ? &out->data
				     : strcmp(a, "--name") == 0          ? &out->name
				     : strcmp(a, "--key") == 0           ? &out->key
				     : strcmp(a, "--erasures-from") == 0 ? &out->erasures_from
									 : NULL;
		if (value) {
			if (i + 1 >= argc) {
				(void)usage("%s needs a value", a);
				return false;
			}
			*value = span_str(argv[++i]);
		} else if (strcmp(a, "--json") == 0) {
			out->json = true;
		} else if (strcmp(a, "--first-key") == 0) {
			out->first_key = true;
		} else if (strcmp(a, "--keep-old") == 0) {
			out->keep_old = true;
		} else if (a[0] != '-' && !span_given(out->positional)) {
			out->positional = span_str(a);
		} else {
			(void)usage(a[0] == '-' ? "unknown option %s" : "unexpected argument \"%s\"", a);
			return false;
		}
	}
	return true;
}

static int failed(const char *what, struct span why)
{
	(void)fprintf(stderr, "beckd %s: %.*s\n", what, SPAN_FMT(why));
	return 1;
}

static struct store *open_shared(struct span data, struct arena *a, struct span *why)
{
	struct store_options o = { .folder = data, .readers = 1, .is_shared = true, .clock = &clock_system, .rng = &rng_system };
	return store_open(&o, a, why);
}

static int do_backup(const struct args *o, struct arena *a)
{
	struct span why = SPAN("failed");
	struct store *s = open_shared(o->data, a, &why);
	if (!s) return failed("backup", why);
	enum err e = store_backup(s, o->positional, a, &why);
	store_close(s);
	if (e != ERR_OK) return failed("backup", why);
	printf("backup of %.*s is in %.*s\n", SPAN_FMT(o->data), SPAN_FMT(o->positional));
	return 0;
}

static int do_restore(const struct args *o, struct arena *a)
{
	struct span why = SPAN("failed");
	struct store_restore_options r = { .from = o->positional,
		.folder = o->data,
		.erasures_from = o->erasures_from,
		.rng = &rng_system,
		.clock = &clock_system };
	if (store_restore_with(&r, a, &why) != ERR_OK) return failed("restore", why);
	printf("%.*s restored from %.*s\n", SPAN_FMT(o->data), SPAN_FMT(o->positional));
	if (span_given(o->erasures_from)) {
		printf("what %.*s lists as erased was erased again\n", SPAN_FMT(o->erasures_from));
	} else {
		puts("what was erased since the backup is back; --erasures-from DIR (the newest data folder or backup) erases it "
		     "again");
	}
	return 0;
}

static int do_check(const struct args *o, struct arena *a)
{
	struct span report = SPAN("cannot check");
	enum err e = store_check(o->data, a, &report);
	(void)fprintf(e == ERR_OK ? stdout : stderr, "%.*s\n", SPAN_FMT(report));
	return e == ERR_OK ? 0 : 1;
}

/* ---- applications ---- */
static void print_app(const struct store_app *app, struct span secret, bool json)
{
	if (!json) {
		printf("%.*s  key %.*s", SPAN_FMT(app->name), SPAN_FMT(app->key));
		if (span_given(secret)) printf("  secret %.*s", SPAN_FMT(secret));
		printf("  active secrets %zu\n", app->secret_count);
		return;
	}
	struct buf b;
	struct jsonw w;
	buf_init(&b, 65536);
	jsonw_init(&w, &b);
	jsonw_obj_begin(&w);
	jsonw_kstr(&w, "name", app->name);
	jsonw_kstr(&w, "key", app->key);
	if (span_given(secret)) jsonw_kstr(&w, "secret", secret);
	jsonw_kint(&w, "active_secrets", (int64_t)app->secret_count);
	jsonw_obj_end(&w);
	printf("%.*s\n", SPAN_FMT(buf_span(&b)));
	buf_deinit(&b);
}

static enum err find_app(struct store_tx *tx, struct arena *a, struct span key, struct store_app *out)
{
	struct store_app *apps;
	size_t n;
	enum err e = store_app_list(tx, a, &apps, &n);
	if (e != ERR_OK) return e;
	for (size_t i = 0; i < n; i++) {
		if (!span_eq(apps[i].key, key)) continue;
		*out = apps[i];
		return ERR_OK;
	}
	return ERR_NOT_FOUND;
}

static enum err app_create(struct store_tx *tx, const struct args *o, struct arena *a, struct store_app *app, struct span *secret)
{
	*secret = secret_make(&rng_system, SECRET_BYTES, a);
	return chat_app_create(tx, &clock_system, &rng_system, a, o->name, o->key, *secret, app);
}

static enum err app_rotate(struct store_tx *tx, const struct args *o, struct arena *a, struct store_app *app, struct span *secret)
{
	enum err e = find_app(tx, a, o->key, app);
	if (e != ERR_OK) return e;
	int64_t now = clock_wall_us(&clock_system);
	*secret = secret_make(&rng_system, SECRET_BYTES, a);
	e = store_app_add_secret(tx, app->pk, *secret, now);
	if (e == ERR_OK) e = store_app_retire_secrets(tx, app->pk, o->keep_old ? 2 : 1, now);
	return e == ERR_OK ? find_app(tx, a, o->key, app) : e;
}

/* The file that a server left beside the database tells the first application's secret: it goes with the rotation. */
static bool update_kept(const struct args *o, struct arena *a, struct store *s, const struct store_app *app, struct span secret)
{
	struct span path = secret_path(o->data, a), why = SPAN("out of memory");
	struct store_app *apps = NULL;
	struct store_tx *tx;
	size_t n = 0;
	if (path.p && access(path.p, F_OK) != 0) return true;
	enum err e = store_read_begin(s, 0, 0, &tx);
	if (e == ERR_OK) {
		e = store_app_list(tx, a, &apps, &n);
		store_read_end(tx);
	}
	if (e == ERR_OK && n > 0 && apps[0].pk != app->pk) return true;
	if (e == ERR_OK && secret_keep(o->data, secret, a, &why)) return true;
	(void)failed("app", why);
	return false;
}

typedef enum err app_change(struct store_tx *, const struct args *, struct arena *, struct store_app *, struct span *);

static int change_app(const struct args *o, struct arena *a, struct store *s, app_change *change)
{
	struct store_tx *tx;
	struct store_app app;
	struct span secret;
	if (store_batch_begin(s, &tx) != ERR_OK) return failed("app", SPAN("the store cannot be written now"));
	enum err e = store_rule_begin(tx);
	if (e == ERR_OK) e = change(tx, o, a, &app, &secret);
	if (e == ERR_OK) e = store_rule_end(tx, true);
	if (e != ERR_OK) {
		store_batch_abort(tx);
		return failed("app", e == ERR_NOT_FOUND ? SPAN("no application has that key")
				     : e == ERR_AGAIN   ? SPAN("that key is taken")
							: err_text(e));
	}
	if (store_batch_commit(tx) != STORE_COMMITTED) return failed("app", SPAN("could not be committed; look with `app list`"));
	print_app(&app, secret, o->json);
	return change != app_rotate || update_kept(o, a, s, &app, secret) ? 0 : 1;
}

static int list_apps(const struct args *o, struct arena *a, struct store *s)
{
	struct store_tx *tx;
	struct store_app *apps = NULL;
	size_t n = 0;
	enum err e = store_read_begin(s, 0, 0, &tx);
	if (e == ERR_OK) {
		e = store_app_list(tx, a, &apps, &n);
		store_read_end(tx);
	}
	if (e != ERR_OK) return failed("app", err_text(e));
	if (o->first_key && n > 0) {
		printf("%.*s\n", SPAN_FMT(apps[0].key));
		return 0;
	}
	for (size_t i = 0; i < n; i++) print_app(&apps[i], SPAN_NONE, o->json);
	return 0;
}

static int do_app(const struct args *o, struct arena *a, const char *verb)
{
	app_change *change = strcmp(verb, "create") == 0 ? app_create : strcmp(verb, "rotate") == 0 ? app_rotate : NULL;
	if (!change && strcmp(verb, "list") != 0) return usage("app has no command \"%s\"", verb);
	if (change == app_create && !span_given(o->name)) return usage("app create needs --name NAME");
	if (change == app_rotate && !span_given(o->key)) return usage("app rotate needs --key KEY");
	struct span why = SPAN("failed");
	struct store *s = open_shared(o->data, a, &why);
	if (!s) return failed("app", why);
	int status = change ? change_app(o, a, s, change) : list_apps(o, a, s);
	store_close(s);
	return status;
}

static bool is_command(const char *name)
{
	static const char *const names[] = { "backup", "restore", "check", "app" };
	for (size_t i = 0; i < BECK_COUNT(names); i++)
		if (strcmp(name, names[i]) == 0) return true;
	return false;
}

int admin_main(int argc, char **argv)
{
	struct arena a;
	struct args o;
	const char *name = argv[0];
	bool is_app = strcmp(name, "app") == 0;
	if (!is_command(name)) return usage("unknown command \"%s\"", name);
	if (is_app && argc < 2) return usage("app needs a command: create, list or rotate");
	if (is_app ? !parse(argc - 1, argv + 1, &o) : !parse(argc, argv, &o)) return 2;
	bool wants_folder = strcmp(name, "backup") == 0 || strcmp(name, "restore") == 0;
	if (wants_folder && !span_given(o.positional)) return usage("%s needs a folder", name);
	if (!wants_folder && span_given(o.positional)) return usage("unexpected argument \"%s\"", o.positional.p);
	log_setup(STDERR_FILENO, LOG_WARN);
	arena_init(&a, (size_t)LIMIT_ARENA_BYTES);
	int status = strcmp(name, "backup") == 0    ? do_backup(&o, &a)
		     : strcmp(name, "restore") == 0 ? do_restore(&o, &a)
		     : is_app                       ? do_app(&o, &a, argv[1])
						    : do_check(&o, &a);
	arena_deinit(&a);
	return status;
}
