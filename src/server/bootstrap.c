/* The first start: an application with its key and secret, so that two commands give a server that works. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "server/beckd.h"
#include "wire/jwt.h"

static struct span random_text(struct beckd *d, size_t bytes)
{
	unsigned char raw[64];
	struct buf b;
	buf_init(&b, 256);
	rng_fill(d->rng, raw, bytes);
	base64url_encode(&b, span_make((const char *)raw, bytes));
	struct span s = arena_dup(&d->arena, buf_span(&b));
	buf_deinit(&b);
	return s;
}

/* The secret that was made for the first application is kept where only its owner can read it. */
static bool keep_secret(struct beckd *d, struct span secret, struct span *why)
{
	struct span path = arena_printf(&d->arena, "%.*s/api_secret", SPAN_FMT(d->config.data));
	int fd = open(path.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write(fd, secret.p, secret.n) == (ssize_t)secret.n && write(fd, "\n", 1) == 1 && fsync(fd) == 0;
	if (!ok) *why = arena_printf(&d->arena, "cannot write %s: %s", path.p, strerror(errno));
	if (fd >= 0 && close(fd) != 0) ok = false;
	return ok;
}

static struct store_app *find(struct store_app *apps, size_t n, struct span key)
{
	for (size_t i = 0; i < n; i++)
		if (span_eq(apps[i].key, key)) return &apps[i];
	return NULL;
}

static bool has_secret(const struct store_app *app, struct span secret)
{
	for (size_t i = 0; i < app->secret_count; i++)
		if (app->secrets[i].n == secret.n && equal_constant_time(app->secrets[i].p, secret.p, secret.n)) return true;
	return false;
}

static enum err make_first(struct beckd *d, struct store_tx *tx, struct span *why)
{
	struct span secret = d->config.api_secret;
	if (!span_given(secret)) {
		secret = random_text(d, 32);
		if (!keep_secret(d, secret, why)) return ERR_INTERNAL;
	}
	struct span key = span_given(d->config.api_key) ? d->config.api_key : random_text(d, 9);
	struct store_app made;
	return chat_app_create(tx, d->clock, d->rng, &d->arena, SPAN("first"), key, secret, &made);
}

static enum err settle(struct beckd *d, struct store_tx *tx, struct span *why)
{
	struct store_app *apps, *app;
	size_t n;
	enum err e = store_app_list(tx, &d->arena, &apps, &n);
	if (e != ERR_OK) return e;
	if (n == 0) return make_first(d, tx, why);
	app = span_given(d->config.api_key) ? find(apps, n, d->config.api_key) : &apps[0];
	if (!app) {
		*why = arena_printf(&d->arena, "no application here has the key \"%.*s\"; `beck app list` shows those there are",
			SPAN_FMT(d->config.api_key));
		return ERR_INTERNAL;
	}
	/* A secret given at start that the application does not have yet is one more active one: rotation without a pause. */
	if (span_given(d->config.api_secret) && !has_secret(app, d->config.api_secret)) {
		return store_app_add_secret(tx, app->pk, d->config.api_secret, clock_wall_us(d->clock));
	}
	return ERR_OK;
}

bool beckd_bootstrap(struct beckd *d, struct span *why)
{
	struct store_tx *tx;
	*why = SPAN("the store cannot be written");
	if (store_batch_begin(d->store, &tx) != ERR_OK) return false;
	enum err e = store_rule_begin(tx);
	if (e == ERR_OK) e = settle(d, tx, why);
	if (e != ERR_OK || store_rule_end(tx, true) != ERR_OK) {
		store_batch_abort(tx);
		return false;
	}
	if (store_batch_commit(tx) != STORE_COMMITTED) return false;
	if (store_read_begin(d->store, 0, 0, &tx) != ERR_OK) return false;
	e = chat_apps_load(d->chat.apps, tx);
	store_read_end(tx);
	return e == ERR_OK;
}
