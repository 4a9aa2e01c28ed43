/* The first start: an application with its key and secret, so that two commands give a server that works. */
#include <string.h>

#include "base/log.h"
#include "server/beckd.h"
#include "server/secret.h"
#include "wire/jwt.h"

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
		secret = secret_make(d->rng, SECRET_BYTES, &d->arena);
		if (!secret_keep(d->config.data, secret, &d->arena, why)) return ERR_INTERNAL;
	}
	struct span key = span_given(d->config.api_key) ? d->config.api_key : secret_make(d->rng, API_KEY_BYTES, &d->arena);
	struct store_app made;
	return chat_app_create(tx, d->clock, d->rng, &d->arena, SPAN("first"), key, secret, &made);
}

/* A secret given at start that the application does not have yet is one more active one: rotation without a pause. One that was
 * rotated out stays out. */
static enum err settle_given(struct beckd *d, struct store_tx *tx, const struct store_app *app, struct span *why)
{
	bool retired = false;
	if (has_secret(app, d->config.api_secret)) return ERR_OK;
	enum err e = store_app_is_retired(tx, app->pk, d->config.api_secret, &retired);
	if (e == ERR_OK && retired) {
		*why = arena_printf(&d->arena,
			"the secret given was rotated out of the application with the key \"%.*s\"; give a newer one, or none",
			SPAN_FMT(app->key));
		return ERR_INTERNAL;
	}
	return e == ERR_OK ? store_app_add_secret(tx, app->pk, d->config.api_secret, clock_wall_us(d->clock)) : e;
}

/* The file beside the database tells a secret that is in use: after a rotation too, and in development also after a restore. */
static enum err settle_kept(struct beckd *d, const struct store_app *app, struct span *why)
{
	struct span kept = SPAN_NONE;
	bool is_there = secret_kept(d->config.data, &d->arena, &kept);
	if (app->secret_count == 0 || (is_there ? has_secret(app, kept) : !d->config.is_dev)) return ERR_OK;
	return secret_keep(d->config.data, app->secrets[0], &d->arena, why) ? ERR_OK : ERR_INTERNAL;
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
	if (span_given(d->config.api_secret)) return settle_given(d, tx, app, why);
	return d->env.vfs || app != apps ? ERR_OK : settle_kept(d, app, why);
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
