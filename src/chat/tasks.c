/* Long work as tasks: made in the transaction that promises it, done in slices by the background, asked for by id. */
#include "chat/background.h"
#include "chat/channels.h"
#include "chat/user_rules.h"
#include "store/store_user_data.h"

enum { TASK_KEPT_DAYS = 7 }; /* finished ones */

enum err chat_task_make(struct chat_ctx *c, const char *kind, struct span input, struct span *id)
{
	char uuid[37];
	rng_uuid4(c->chat->rng, uuid);
	struct store_task t = { .id = arena_dup(c->arena, span_make(uuid, 36)),
		.kind = span_str(kind),
		.status = SPAN("waiting"),
		.input = input,
		.app = c->app->pk,
		.created_at = c->now_us,
		.updated_at = c->now_us };
	if (!span_given(t.id)) return chat_store_fail(c, ERR_UNAVAILABLE);
	enum err e = store_task_put(c->tx, &t);
	if (e != ERR_OK) return chat_store_fail(c, e);
	*id = t.id;
	return ERR_OK;
}

/* ---- asking ---- */
static void write_error(struct jsonw *w, struct span description)
{
	jsonw_key(w, "error");
	jsonw_obj_begin(w);
	jsonw_kstr(w, "type", SPAN("task_failed"));
	jsonw_kstr(w, "description", description);
	jsonw_obj_end(w);
}

enum err chat_get_task(struct chat_ctx *c, struct span id, struct jsonw *w)
{
	struct store_task t;
	enum err e = store_task_get(c->tx, c->app->pk, id, c->arena, &t);
	if (e == ERR_NOT_FOUND) return chat_fail(c, e, NULL, "task %.*s does not exist", SPAN_FMT(id));
	if (e != ERR_OK) return chat_store_fail(c, e);
	jsonw_kstr(w, "task_id", t.id);
	jsonw_kstr(w, "status", t.status);
	jsonw_ktime(w, "created_at", c->dialect, t.created_at);
	jsonw_ktime(w, "updated_at", c->dialect, t.updated_at);
	if (span_given(t.result)) jsonw_kraw(w, "result", t.result);
	if (span_given(t.error)) write_error(w, t.error);
	return ERR_OK;
}

/* ---- doing ---- */
static enum err step(struct chat_ctx *c, struct store_task *t, bool *done)
{
	*done = false;
	if (span_is(t->kind, "channels.purge")) return chat_channel_delete_step(c, t, done);
	if (span_is(t->kind, "channels.batch")) return chat_channel_batch_step(c, t, done);
	if (span_starts(t->kind, SPAN("users."))) return chat_user_task_step(c, t, done);
	return chat_fail(c, ERR_INTERNAL, NULL, "there is no task of kind %.*s", SPAN_FMT(t->kind));
}

/* Without disk, memory or time the slice is undone and tried again; anything else would be the same next time. */
static bool is_passing(enum err e) { return e == ERR_UNAVAILABLE || e == ERR_TIMEOUT; }

enum err chat_task_step(struct chat_ctx *c, struct store_task *t)
{
	bool done;
	t->status = SPAN("running");
	t->updated_at = c->now_us;
	enum err e = step(c, t, &done);
	if (e != ERR_OK && is_passing(e)) return e;
	if (e != ERR_OK) {
		t->status = SPAN("failed");
		t->error = c->error.message;
		c->error = (struct error){ 0 };
	} else if (done) {
		t->status = SPAN("completed");
	}
	e = store_task_put(c->tx, t);
	return e == ERR_OK ? ERR_OK : chat_store_fail(c, e);
}

enum err chat_background_task(struct chat_ctx *c, bool *again)
{
	struct store_task t;
	*again = false;
	enum err e = store_task_open(c->tx, c->arena, &t);
	if (e == ERR_NOT_FOUND) return ERR_OK;
	if (e != ERR_OK) return e;
	struct app *app = chat_app_by_pk(c->chat->apps, t.app);
	if (app == NULL) { /* made by another process and not known here yet, or gone */
		return ERR_OK;
	}
	c->app = app;
	e = chat_task_step(c, &t);
	if (e == ERR_OK && (span_is(t.status, "completed") || span_is(t.status, "failed")))
		e = store_tasks_prune(c->tx, c->now_us - TASK_KEPT_DAYS * INT64_C(86400000000));
	c->app = NULL;
	chat_app_unref(app);
	*again = e == ERR_OK;
	return e;
}
