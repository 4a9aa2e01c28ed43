#include "client/client.h"

#include <limits.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/file.h"
#include "client/reply.h"
#include "client/token.h"
#include "wire/url.h"

#include <beck/server.h>

/* ---- strings ---- */

char *client_strndup(struct span s)
{
	char *copy = mem_alloc(s.n + 1);
	if (!copy) return NULL;
	if (s.n) memcpy(copy, s.p, s.n);
	copy[s.n] = '\0';
	return copy;
}

char *client_strdup(const char *s) { return client_strndup(span_str(s)); }

/* ---- options ---- */

static const beck_options no_options;

static int32_t or_default(int32_t given, int32_t standard) { return given > 0 ? given : standard; }

static void settings_free(struct settings *s)
{
	mem_free(s->base_url);
	mem_free(s->proxy);
	mem_free(s->ca_file);
	mem_free(s->state_file);
	mem_free(s->client_name);
	mem_free(s->device_json);
}

static bool copy_text(char **to, const char *from)
{
	if (!from) return true;
	*to = client_strdup(from);
	return *to != NULL;
}

static bool settings_copy(struct settings *s, const beck_options *o)
{
	*s = (struct settings){ .log = o->log,
		.log_ctx = o->log_ctx,
		.enable_ws_fallback = o->enable_ws_fallback,
		.disable_resume = o->disable_resume,
		.skip_tls_verify = o->skip_tls_verify,
		.threading = o->threading,
		.log_level = o->log_level,
		.timeout_ms = or_default(o->timeout_ms, 6000),
		.reconnect_max_attempts = o->reconnect_max_attempts > 0 ? o->reconnect_max_attempts : 0,
		.reconnect_max_wait_ms = or_default(o->reconnect_max_wait_ms, 30000),
		.ws_head_start_ms = or_default(o->ws_head_start_ms, 500),
		.ws_retry_ms = or_default(o->ws_retry_ms, 300000),
		.queue_max = or_default(o->queue_max, 256),
		.outbox_max = or_default(o->outbox_max, 100) };
	return copy_text(&s->base_url, o->base_url) && copy_text(&s->proxy, o->proxy) && copy_text(&s->ca_file, o->ca_file) &&
	       copy_text(&s->state_file, o->state_file) && copy_text(&s->device_json, o->device_json) &&
	       copy_text(&s->client_name, o->client_name ? o->client_name : "beck-c-" BECK_VERSION);
}

static bool same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

static bool same_numbers(const struct settings *a, const struct settings *b)
{
	return a->timeout_ms == b->timeout_ms && a->reconnect_max_attempts == b->reconnect_max_attempts &&
	       a->reconnect_max_wait_ms == b->reconnect_max_wait_ms && a->ws_head_start_ms == b->ws_head_start_ms &&
	       a->ws_retry_ms == b->ws_retry_ms && a->queue_max == b->queue_max && a->outbox_max == b->outbox_max;
}

static bool same_switches(const struct settings *a, const struct settings *b)
{
	return a->log == b->log && a->log_ctx == b->log_ctx && a->enable_ws_fallback == b->enable_ws_fallback &&
	       a->disable_resume == b->disable_resume && a->skip_tls_verify == b->skip_tls_verify &&
	       a->threading == b->threading && a->log_level == b->log_level;
}

static bool settings_same(const struct settings *a, const struct settings *b)
{
	return same_numbers(a, b) && same_switches(a, b) && same_text(a->base_url, b->base_url) &&
	       same_text(a->proxy, b->proxy) && same_text(a->ca_file, b->ca_file) && same_text(a->state_file, b->state_file) &&
	       same_text(a->client_name, b->client_name) && same_text(a->device_json, b->device_json);
}

static beck_result check_options(const char *key, const beck_options *o, beck_error *err)
{
	beck_result why;
	if (!key || !*key) return error_field(err, BECK_EARG, "api_key", "an API key is needed");
	if (!o->base_url || !*o->base_url)
		return error_field(err, BECK_EARG, "base_url", "options.base_url is needed: the address of the server");
	if (o->timeout_ms < 0 || o->reconnect_max_attempts < 0 || o->reconnect_max_wait_ms < 0 || o->ws_head_start_ms < 0 ||
		o->ws_retry_ms < 0 || o->queue_max < 0 || o->outbox_max < 0)
		return error_field(err, BECK_EARG, "options", "a number in the options is negative");
	if (o->state_file && !file_can_replace(o->state_file))
		return error_field(err, BECK_EFILE, "state_file", "options.state_file cannot be written: %s: %s", o->state_file,
			strerror(errno));
	if (o->threading > BECK_NO_THREAD) return error_field(err, BECK_EARG, "threading", "options.threading is unknown");
	if (!o->device_json) return BECK_OK;
	yyjson_doc *doc = document_parse(span_str(o->device_json), &why);
	bool ok = yyjson_is_obj(yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
	return ok ? BECK_OK : error_field(err, BECK_EARG, "device_json", "options.device_json must be a JSON object");
}

/* ---- addresses ---- */

static bool is_default_port(const struct url_base *u) { return u->port == (u->tls ? 443 : 80); }

/* ws and wss are other names of http and https. */
static char *http_url(const char *url)
{
	struct span s = span_str(url);
	bool is_ws = span_starts(s, SPAN("ws://")) || span_starts(s, SPAN("wss://"));
	struct buf b;
	buf_init(&b, s.n + 8);
	if (is_ws) buf_add_span(&b, SPAN("http"));
	buf_add_span(&b, is_ws ? span_skip(s, 2) : s);
	char *out = b.failed ? NULL : client_strndup(buf_span(&b));
	buf_deinit(&b);
	return out;
}

static char *print(const char *fmt, ...) BECK_PRINTF(1, 2);
static char *print(const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return n > 0 && (size_t)n < sizeof text ? client_strdup(text) : NULL;
}

static beck_result split_url(beck_client *c, beck_error *err)
{
	struct url_base u;
	char *url = http_url(c->set.base_url), port[8] = "";
	if (!url) return error_set(err, BECK_ENOMEM, "out of memory");
	if (!url_base_parse(span_str(url), &u) || u.host.n > 255 || u.prefix.n > 512) {
		mem_free(url);
		return error_field(err, BECK_EARG, "base_url", "options.base_url is no address like https://chat.example.org: %s",
			c->set.base_url);
	}
	bool is_v6 = span_find(u.host, ':') < u.host.n;
	if (!is_default_port(&u)) (void)snprintf(port, sizeof port, ":%u", u.port);
	c->host = print("%s%.*s%s%s", is_v6 ? "[" : "", SPAN_FMT(u.host), is_v6 ? "]" : "", port);
	c->prefix = client_strndup(u.prefix);
	c->origin = c->host ? print("%s://%s", u.tls ? "https" : "http", c->host) : NULL;
	mem_free(url);
	return c->host && c->prefix && c->origin ? BECK_OK : error_set(err, BECK_ENOMEM, "out of memory");
}

/* ---- making and freeing ---- */

static bool cond_make(pthread_cond_t *cond)
{
	pthread_condattr_t a;
	if (pthread_condattr_init(&a) != 0) return false;
	bool ok = pthread_condattr_setclock(&a, CLOCK_MONOTONIC) == 0 && pthread_cond_init(cond, &a) == 0;
	(void)pthread_condattr_destroy(&a);
	return ok;
}

static void free_parts(beck_client *c)
{
	deliveries_free(c);
	client_timers_free(c);
	handlers_free(c);
	link_free(c);
	mem_free(c->user.id);
	mem_free(c->user.json);
	mem_free(c->user.me);
	if (c->io) c->io->driver->destroy(c->io);
	c->io = NULL;
}

static void free_memory(beck_client *c)
{
	settings_free(&c->set);
	mem_free(c->api_key);
	mem_free(c->origin);
	mem_free(c->prefix);
	mem_free(c->host);
	mem_free(c->server_token);
	(void)pthread_cond_destroy(&c->changed);
	(void)pthread_mutex_destroy(&c->lock);
	mem_free(c);
}

void client_free(beck_client *c)
{
	client_lock(c);
	if (!c->is_dead) free_parts(c);
	c->is_dead = true;
	bool is_held = c->holders > 0;
	client_unlock(c);
	if (!is_held) free_memory(c);
}

static beck_client *blank(void)
{
	beck_client *c = mem_calloc(1, sizeof *c);
	if (!c) return NULL;
	if (pthread_mutex_init(&c->lock, NULL) != 0) {
		mem_free(c);
		return NULL;
	}
	if (!cond_make(&c->changed)) {
		(void)pthread_mutex_destroy(&c->lock);
		mem_free(c);
		return NULL;
	}
	atomic_init(&c->owners, 1);
	timers_init(&c->timers);
	list_init(&c->owned_timers);
	list_init(&c->deliveries.waiting);
	user_init(c);
	calls_init(&c->calls);
	outbox_init(&c->outbox);
	link_init(c);
	return c;
}

static beck_result fill(beck_client *c, const char *key, const char *server_token, const beck_options *o, beck_error *err)
{
	if (!settings_copy(&c->set, o) || !copy_text(&c->api_key, key) || !copy_text(&c->server_token, server_token))
		return error_set(err, BECK_ENOMEM, "out of memory");
	beck_result r = split_url(c, err);
	if (r != BECK_OK) return r;
	struct io_setup setup = { c->set.proxy, c->set.ca_file, c->set.skip_tls_verify };
	c->io = io_curl_create(&setup, &link_io_events, c);
	if (!c->io) return error_set(err, BECK_ENOMEM, "out of memory");
	r = client_thread_start(c);
	return r == BECK_OK ? r : error_set(err, r, "no thread could be started");
}

static beck_client *create(const char *key, const char *server_token, const beck_options *options, beck_error *err)
{
	const beck_options *o = options ? options : &no_options;
	if (check_options(key, o, err) != BECK_OK) return NULL;
	beck_client *c = blank();
	if (!c) {
		(void)error_set(err, BECK_ENOMEM, "out of memory");
		return NULL;
	}
	if (fill(c, key, server_token, o, err) == BECK_OK) return c;
	client_free(c);
	return NULL;
}

beck_client *beck_client_create(const char *key, const beck_options *options)
{
	return create(key, NULL, options, options ? options->error : NULL);
}

beck_client *beck_server_client_create(const char *key, const char *secret, const beck_options *options)
{
	beck_error *err = options ? options->error : NULL;
	char *token = beck_create_server_token(secret, err);
	beck_client *c = token ? create(key, token, options, err) : NULL;
	beck_free(token);
	return c;
}

/* ---- one per key in the process ---- */

/* The only state of the library that is not in a client: beck_get_instance means the whole process by definition. */
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list registry = { &registry, &registry };

static beck_client *registry_find(const char *key)
{
	for (struct list *l = registry.next; l != &registry; l = l->next) {
		beck_client *c = BECK_CONTAINER(l, struct beck_client, in_registry);
		if (strcmp(c->api_key, key) == 0) return c;
	}
	return NULL;
}

static beck_client *existing(beck_client *c, const beck_options *options, beck_error *err)
{
	struct settings wanted;
	if (!options) return beck_client_ref(c);
	bool ok = settings_copy(&wanted, options), same = ok && settings_same(&wanted, &c->set);
	settings_free(&wanted);
	if (same) return beck_client_ref(c);
	if (ok)
		(void)error_set(err, BECK_ESTATE,
			"the client of this API key exists already, with other options; beck_client_create makes a separate one");
	else
		(void)error_set(err, BECK_ENOMEM, "out of memory");
	return NULL;
}

beck_client *beck_get_instance(const char *key, const beck_options *options)
{
	beck_error *err = options ? options->error : NULL;
	(void)pthread_mutex_lock(&registry_lock);
	beck_client *c = key ? registry_find(key) : NULL;
	if (c) {
		c = existing(c, options, err);
	} else {
		c = beck_client_create(key, options);
		if (c) {
			c->is_shared = true;
			list_push(&registry, &c->in_registry);
		}
	}
	(void)pthread_mutex_unlock(&registry_lock);
	return c;
}

beck_client *beck_client_ref(beck_client *c)
{
	if (c) atomic_fetch_add(&c->owners, 1);
	return c;
}

/* True once, for the last owner. A callback that is told of the end may take and release the client once more: that ends nothing.
 */
static bool is_last_owner(beck_client *c)
{
	int n = atomic_load(&c->owners);
	while (!atomic_compare_exchange_weak(&c->owners, &n, n == 1 ? INT_MIN / 2 : n - 1)) {
	}
	return n == 1;
}

/* A shared client is not to be found any more when its last owner has gone. */
static bool let_go(beck_client *c)
{
	if (!c->is_shared) return is_last_owner(c);
	(void)pthread_mutex_lock(&registry_lock);
	bool is_last = is_last_owner(c);
	if (is_last) list_remove(&c->in_registry);
	(void)pthread_mutex_unlock(&registry_lock);
	return is_last;
}

/* The connection has had its time to say goodbye, or has said it. */
static bool wait_off(beck_client *c)
{
	int64_t until = client_now_ms(c) + LIMIT_CLIENT_GOODBYE_MS;
	bool never = false;
	while (!link_is_off(c) && client_now_ms(c) < until) (void)client_wait(c, &never, client_now_ms(c) + 20);
	return link_is_off(c);
}

void beck_release(beck_client *c)
{
	if (!c || !let_go(c)) return;
	bool is_inside = client_in_callback(c);
	beck_error why = { 0 };
	(void)error_set(&why, BECK_ECANCELLED, "the client was released");
	client_lock(c);
	connect_end(c);
	calls_fail_all(c, &why);
	outbox_forget(c, &why);
	c->is_ending = true;
	c->is_orphan = is_inside;
	client_changed(c);
	if (c->has_thread && is_inside) (void)pthread_detach(c->thread);
	bool frees_here = !is_inside;
	if (frees_here && !c->has_thread) (void)wait_off(c);
	client_unlock(c);
	if (!frees_here) return;
	if (c->has_thread) (void)pthread_join(c->thread, NULL);
	client_tell_rest(c);
	client_free(c);
}

const char *beck_api_key(beck_client *c) { return c ? c->api_key : ""; }
const char *beck_base_url(beck_client *c) { return c ? c->set.base_url : ""; }
