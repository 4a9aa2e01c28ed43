#include "client/token.h"

#include <string.h>

#include "base/json.h"
#include "client/client.h"
#include "client/reply.h"
#include "wire/base64.h"

/* ---- reading ---- */

static bool read_claims(yyjson_val *claims, struct token_claims *out)
{
	if (!yyjson_is_obj(claims)) return false;
	struct span id = json_span(yyjson_obj_get(claims, "user_id"));
	*out = (struct token_claims){ .is_server = yyjson_is_true(yyjson_obj_get(claims, "server")) };
	if (id.n < sizeof out->user_id && id.n) memcpy(out->user_id, id.p, id.n);
	yyjson_val *exp = yyjson_obj_get(claims, "exp");
	double exp_s = yyjson_get_num(exp);
	if (yyjson_is_num(exp)) out->exp_s = exp_s < 1 ? 1 : exp_s < 9e18 ? (int64_t)exp_s : INT64_MAX;
	return true;
}

bool token_read(struct span token, struct token_claims *out)
{
	enum { CLAIMS_MAX = 8192 };
	struct arena arena;
	struct span text;
	beck_result why;
	size_t first = span_find(token, '.');
	struct span rest = span_skip(token, first + 1), payload = { rest.p, span_find(rest, '.') };
	if (first >= token.n || payload.n >= rest.n || payload.n > CLAIMS_MAX) return false;
	arena_init(&arena, 2 * CLAIMS_MAX);
	yyjson_doc *doc = base64url_decode(&arena, payload, &text) ? document_parse(text, &why) : NULL;
	bool ok = doc && read_claims(yyjson_doc_get_root(doc), out);
	yyjson_doc_free(doc);
	arena_deinit(&arena);
	return ok;
}

beck_result token_check(const char *token, const char *user_id, beck_error *err)
{
	struct token_claims claims;
	if (!token_read(span_str(token), &claims))
		return error_set(err, BECK_ETOKEN,
			"this is not a token: three parts joined by dots, the second of them JSON, are expected");
	if (claims.is_server)
		return error_set(err, BECK_ETOKEN,
			"this is a server-side token, which may do everything: it must not be in a client. Make a token for user "
			"%s",
			user_id);
	if (strcmp(claims.user_id, user_id) != 0)
		return error_set(err, BECK_ETOKEN, "the token is for user \"%s\", not for \"%s\"", claims.user_id, user_id);
	return BECK_OK;
}

/* ---- having ---- */

static bool keep(struct token *t, const char *value)
{
	struct token_claims claims = { 0 };
	char *copy = client_strdup(value);
	if (!copy) return false;
	mem_free(t->value);
	t->value = copy;
	t->exp_s = token_read(span_str(copy), &claims) ? claims.exp_s : 0;
	return true;
}

beck_result token_set(beck_client *c, const char *value, beck_token_fn provider, void *ctx)
{
	token_forget(c);
	c->token.provider = provider;
	c->token.ctx = ctx;
	return !value || keep(&c->token, value) ? BECK_OK : BECK_ENOMEM;
}

/* ---- asking ---- */

/* Between the question and beck_token_answer. Outlives a client that is released or disconnected meanwhile. */
struct beck_token_request {
	struct delivery deliver;
	beck_client *client;
	char user_id[256];
	beck_token_fn provider;
	void *ctx;
	bool is_called, was_told; /* until was_told the delivery holds it too */
	bool is_answered;
};

/* With the lock. */
static void finish(beck_client *c, beck_token_request *r)
{
	if (c->token.asking == r) {
		c->token.asking = NULL;
		timer_stop(&c->token.patience);
	}
	mem_free(r);
	c->holders--;
}

static void ask_program(beck_client *c, struct delivery *d)
{
	beck_token_request *r = BECK_CONTAINER(d, struct beck_token_request, deliver);
	r->is_called = true;
	r->provider(r->ctx, c, r->user_id, r);
}

static void told(beck_client *c, struct delivery *d)
{
	beck_token_request *r = BECK_CONTAINER(d, struct beck_token_request, deliver);
	r->was_told = true;
	if (r->is_answered || !r->is_called) finish(c, r);
}

static void lost_patience(beck_client *c, struct timer *t)
{
	(void)t;
	beck_error err = { 0 };
	c->token.asking = NULL; /* a late answer finds that nobody waits */
	error_set(&err, BECK_ETOKEN, "the token provider did not answer within %d ms", (int)LIMIT_CLIENT_TOKEN_MS);
	err.is_retryable = 1;
	link_token_failed(c, &err);
}

static void ask(beck_client *c)
{
	struct token *t = &c->token;
	if (t->asking || !t->provider) return;
	beck_token_request *r = mem_calloc(1, sizeof *r);
	if (!r) {
		beck_error err = { 0 };
		error_set(&err, BECK_ENOMEM, "out of memory");
		link_token_failed(c, &err);
		return;
	}
	r->client = c;
	r->provider = t->provider;
	r->ctx = t->ctx;
	(void)snprintf(r->user_id, sizeof r->user_id, "%s", c->user.id);
	c->holders++;
	t->asking = r;
	timer_set(c, &t->patience, LIMIT_CLIENT_TOKEN_MS, lost_patience);
	client_log(c, BECK_LOG_INFO, "token: asking the provider");
	deliver(c, &r->deliver, ask_program, told);
}

static bool is_over(beck_client *c) { return c->token.exp_s && c->token.exp_s <= c->io->driver->wall_us(c->io) / 1000000; }

/* Two in a row that are over when they come: it is the clock here that is wrong. The server decides then, and no question follows
 * the other for ever. */
static void mistrust_clock(beck_client *c)
{
	struct token *t = &c->token;
	bool is_second = is_over(c) && t->was_over;
	if (is_second) t->exp_s = 0;
	t->was_over = is_over(c);
}

static void take(beck_client *c, const char *token, const char *why)
{
	beck_error err = { 0 };
	if (!token)
		error_set(&err, BECK_ETOKEN, "the token provider failed%s%s", why ? ": " : "", why ? why : "");
	else if (token_check(token, c->user.id, &err) == BECK_OK && !keep(&c->token, token))
		error_set(&err, BECK_ENOMEM, "out of memory");
	if (err.result == BECK_OK) mistrust_clock(c);
	if (err.result != BECK_OK) {
		err.is_retryable = !token;
		link_token_failed(c, &err);
	} else {
		link_token_arrived(c);
	}
}

void beck_token_answer(beck_token_request *r, const char *token, const char *why)
{
	if (!r) return;
	beck_client *c = r->client;
	client_lock(c);
	bool is_awaited = c->token.asking == r;
	if (is_awaited) {
		c->token.asking = NULL;
		timer_stop(&c->token.patience);
		take(c, token, why);
	}
	r->is_answered = true;
	if (r->was_told) finish(c, r);
	bool is_last = c->is_dead && c->holders == 0;
	client_unlock(c);
	if (is_last) client_free(c);
}

void token_forget(beck_client *c)
{
	struct token *t = &c->token;
	timer_stop(&t->patience);
	t->asking = NULL; /* its answer will find that nobody waits */
	if (t->value) mem_wipe(t->value, strlen(t->value));
	mem_free(t->value);
	t->value = NULL;
	t->exp_s = 0;
	t->was_over = false;
	t->provider = NULL;
}

struct span token_now(beck_client *c)
{
	struct token *t = &c->token;
	if (c->server_token) return span_str(c->server_token);
	/* Without another one the server is to say so: the clock here may be wrong. */
	if (t->value && !(t->provider && is_over(c))) return span_str(t->value);
	ask(c);
	return SPAN_NONE;
}

bool token_reject(beck_client *c, struct span used)
{
	struct token *t = &c->token;
	if (!t->provider) return false;
	if (t->value && span_is(used, t->value)) {
		mem_free(t->value);
		t->value = NULL;
	}
	return true;
}
