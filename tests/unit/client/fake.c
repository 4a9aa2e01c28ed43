#include "fake.h"

#include "client/client.h"
#include "client/reply.h"

struct fake fake;

/* ---- what is wrapped ---- */

beck_result __wrap_call_wait(beck_client *c, const struct call *call, const beck_reply **reply, beck_error *err);
beck_result __wrap_call_start(beck_client *c, const struct call *call, beck_reply_fn fn, void *ctx, beck_error *err);
beck_result __wrap_call_start_locked(beck_client *c, const struct call *call, beck_reply_fn fn, void *ctx, beck_error *err);
beck_result __wrap_outbox_send_wait(
	beck_client *c, struct span cid, struct span id, struct span json, const beck_reply **reply, beck_error *err);
beck_result __wrap_outbox_send(
	beck_client *c, struct span cid, struct span id, struct span json, beck_reply_fn fn, void *ctx, beck_error *err);
int64_t __wrap_client_now_ms(beck_client *c);

static void keep(char *to, size_t size, struct span s)
{
	assert_true(s.n < size);
	(void)snprintf(to, size, "%.*s", SPAN_FMT(s));
}
#define KEEP(field, span) keep(fake.field, sizeof fake.field, span)

static void remember(const struct call *call, beck_reply_fn fn, void *ctx)
{
	fake.calls++;
	KEEP(method, span_str(call->method));
	KEEP(path, call->path);
	KEEP(query, call->query);
	KEEP(body, call->body);
	KEEP(cid, call->cid);
	KEEP(file_path, span_str(call->file_path));
	KEEP(content_type, call->content_type);
	fake.effect = call->effect;
	fake.needs_connection = call->needs_connection;
	fake.progress = call->progress;
	fake.fn = fn;
	fake.ctx = ctx;
}

static const beck_reply *make_reply(const char *json)
{
	beck_result why;
	yyjson_doc *doc = document_parse(span_str(json ? json : "{}"), &why);
	return doc ? reply_create(200, doc) : NULL;
}

static beck_result outcome(const beck_reply **reply, beck_error *err)
{
	if (fake.result != BECK_OK) return error_set(err, fake.result, "as the test wants it");
	if (!reply) return BECK_OK;
	const beck_reply *r = make_reply(fake.answer);
	if (!r) return error_set(err, BECK_ENOMEM, "out of memory");
	*reply = r;
	return BECK_OK;
}

beck_result __wrap_call_wait(beck_client *c, const struct call *call, const beck_reply **reply, beck_error *err)
{
	(void)c;
	remember(call, NULL, NULL);
	return outcome(reply, err);
}

beck_result __wrap_call_start(beck_client *c, const struct call *call, beck_reply_fn fn, void *ctx, beck_error *err)
{
	(void)c;
	remember(call, fn, ctx);
	return outcome(NULL, err);
}

beck_result __wrap_call_start_locked(beck_client *c, const struct call *call, beck_reply_fn fn, void *ctx, beck_error *err)
{
	return __wrap_call_start(c, call, fn, ctx, err);
}

beck_result __wrap_outbox_send_wait(
	beck_client *c, struct span cid, struct span id, struct span json, const beck_reply **reply, beck_error *err)
{
	(void)c;
	fake.messages++;
	KEEP(cid, cid);
	KEEP(message_id, id);
	KEEP(message, json);
	return outcome(reply, err);
}

beck_result __wrap_outbox_send(
	beck_client *c, struct span cid, struct span id, struct span json, beck_reply_fn fn, void *ctx, beck_error *err)
{
	fake.fn = fn;
	fake.ctx = ctx;
	return __wrap_outbox_send_wait(c, cid, id, json, NULL, err);
}

int64_t __wrap_client_now_ms(beck_client *c)
{
	(void)c;
	return fake.now_ms;
}

/* ---- for tests ---- */

beck_client *fake_client(void)
{
	fake = (struct fake){ .now_ms = 1000000 };
	beck_error err = { 0 };
	beck_client *c = beck_client_create(
		"key", &(beck_options){ .base_url = "http://127.0.0.1:1", .threading = BECK_NO_THREAD, .error = &err });
	return c;
}

void fake_answer(const char *json)
{
	beck_reply_fn fn = fake.fn;
	const beck_reply *r = make_reply(json);
	fake.fn = NULL;
	assert_non_null(fn);
	fn(fake.ctx, NULL, r);
	beck_reply_unref(r);
}

void fake_refuse(int status, int code)
{
	beck_reply_fn fn = fake.fn;
	beck_error err = { .result = BECK_EAPI, .status = status, .code = code };
	fake.fn = NULL;
	assert_non_null(fn);
	fn(fake.ctx, &err, NULL);
}

void fake_event(beck_client *c, const char *json)
{
	beck_result why;
	struct beck_event *e = event_create(span_str(json), false, &why);
	assert_non_null(e);
	client_lock(c);
	assert_true(events_give(c, e));
	(void)deliver_all(c);
	client_unlock(c);
}

void fake_sleep(beck_client *c, int64_t ms)
{
	fake.now_ms += ms;
	client_lock(c);
	timers_run(c, fake.now_ms);
	client_unlock(c);
}

void assert_request(const char *method, const char *path, const char *query, const char *body)
{
	assert_string_equal(fake.method, method);
	assert_string_equal(fake.path, path);
	assert_string_equal(fake.query, query);
	assert_string_equal(fake.body, body);
}
