/* Messages that wait: sent, but seen by their author and the server side alone until a commit sends them on. Contract:
 * messages.md 8. */
#include "base/limits.h"
#include "chat/channel_data.h"
#include "chat/message_rules.h"
#include "chat/message_sending.h"

/* ---- the request ---- */
static bool all_strings(yyjson_val *obj)
{
	size_t i, n;
	yyjson_val *key, *value;
	yyjson_obj_foreach(obj, i, n, key, value)
	{
		if (!yyjson_is_str(value)) return false;
	}
	return yyjson_is_obj(obj);
}

static enum err take_metadata(struct chat_ctx *c, yyjson_val *body, struct span *out)
{
	yyjson_val *v = json_get(body, "pending_message_metadata");
	if (!chat_is_server(c) || !value_given(v)) return ERR_OK;
	if (!all_strings(v))
		return chat_fail(
			c, ERR_INPUT, "pending_message_metadata", "pending_message_metadata must be an object of strings");
	struct span text = json_text(c->arena, v);
	if (!span_given(text)) return chat_store_fail(c, ERR_UNAVAILABLE);
	*out = text;
	return custom_check_size(c, text, "pending message");
}

/* A server call's word goes before the type's; a client cannot ask its way round the type. */
enum err pending_take(struct chat_ctx *c, yyjson_val *body, struct sending *s)
{
	bool asked = false, given = false;
	enum err e = take_bool(c, body, "pending", &asked, &given);
	if (e != ERR_OK) return e;
	s->is_pending = chat_is_server(c) && given ? asked : s->x->effective.mark_messages_pending;
	return s->is_pending ? take_metadata(c, body, &s->metadata) : ERR_OK;
}

/* ---- what is kept: the draft as it was understood, so that nothing is asked of the sender's rights or dialect again ---- */
static void write_text(struct jsonw *w, const char *key, struct span v)
{
	if (span_given(v)) jsonw_kstr(w, key, v);
}

static void write_json(struct jsonw *w, const char *key, struct span v)
{
	if (span_given(v)) jsonw_kraw(w, key, v);
}

static void write_draft(struct jsonw *w, const struct sending *s)
{
	const struct draft *d = &s->d;
	jsonw_obj_begin(w);
	write_text(w, "text", d->text);
	write_text(w, "html", d->html);
	write_text(w, "mml", d->mml);
	write_json(w, "attachments", d->attachments);
	write_json(w, "custom", d->custom);
	write_json(w, "restricted", d->restricted);
	write_json(w, "mentioned", d->mentioned);
	write_text(w, "parent_id", d->parent_id);
	write_text(w, "quoted_id", d->quoted_id);
	jsonw_kbool(w, "show_in_channel", d->show_in_channel);
	jsonw_kbool(w, "silent", d->silent);
	jsonw_kbool(w, "system", d->is_system);
	jsonw_kbool(w, "pinned", d->pinned);
	jsonw_kint(w, "pin_expires", d->pin_expires);
	jsonw_kbool(w, "shadowed", s->shadowed);
	jsonw_kbool(w, "keep_hidden", s->keep_hidden);
	jsonw_obj_end(w);
}

static struct span draft_text(struct chat_ctx *c, const struct sending *s)
{
	struct buf text;
	struct jsonw w;
	buf_init(&text, (size_t)LIMIT_BODY_BYTES * 2);
	jsonw_init(&w, &text);
	write_draft(&w, s);
	struct span out = text.failed ? SPAN_NONE : arena_dup(c->arena, buf_span(&text));
	buf_deinit(&text);
	return out;
}

static struct span read_json(struct chat_ctx *c, yyjson_val *obj, const char *key)
{
	yyjson_val *v = json_get(obj, key);
	return v != NULL ? json_text(c->arena, v) : SPAN_NONE;
}

static enum err read_draft(struct chat_ctx *c, struct span text, struct sending *s)
{
	yyjson_val *obj = stored_json(c, text);
	s->d = (struct draft){ .text = json_span(json_get(obj, "text")),
		.html = json_span(json_get(obj, "html")),
		.mml = json_span(json_get(obj, "mml")),
		.attachments = read_json(c, obj, "attachments"),
		.custom = read_json(c, obj, "custom"),
		.restricted = read_json(c, obj, "restricted"),
		.parent_id = json_span(json_get(obj, "parent_id")),
		.quoted_id = json_span(json_get(obj, "quoted_id")),
		.show_in_channel = yyjson_is_true(json_get(obj, "show_in_channel")),
		.silent = yyjson_is_true(json_get(obj, "silent")),
		.is_system = yyjson_is_true(json_get(obj, "system")),
		.pinned = yyjson_is_true(json_get(obj, "pinned")),
		.pin_expires = yyjson_get_sint(json_get(obj, "pin_expires")) };
	s->shadowed = yyjson_is_true(json_get(obj, "shadowed"));
	s->keep_hidden = yyjson_is_true(json_get(obj, "keep_hidden"));
	return draft_mentions(c, json_get(obj, "mentioned"), &s->d);
}

/* ---- keeping ---- */
static enum err fill(struct chat_ctx *c, struct sending *s, int64_t created_at)
{
	sending_build(c, s);
	s->m.created_at = s->m.updated_at = created_at;
	return message_fill(c, &s->x->ch, &s->m, 1);
}

/* The same once more answers like the first time. */
static enum err find_kept(struct chat_ctx *c, struct sending *s, bool *found)
{
	struct store_pending row;
	*found = false;
	if (!span_given(s->d.id)) return ERR_OK;
	enum err e = store_pending_get(c->tx, c->app->pk, s->d.id, c->arena, &row);
	if (e == ERR_NOT_FOUND) return ERR_OK;
	if (e != ERR_OK) return chat_store_fail(c, e);
	bool same = row.user_pk == s->author && row.channel_pk == s->x->ch.pk && span_eq(row.content_hash, s->hash);
	if (!same) return chat_fail(c, ERR_INPUT, "id", "a message with id %.*s exists already", SPAN_FMT(s->d.id));
	*found = true;
	s->metadata = row.metadata;
	return fill(c, s, row.created_at);
}

enum err pending_keep(struct chat_ctx *c, struct sending *s)
{
	bool found;
	enum err e = find_kept(c, s, &found);
	if (e != ERR_OK || found) return e;
	e = fill(c, s, s->d.created_at ? s->d.created_at : c->now_us);
	if (e != ERR_OK) return e;
	struct store_pending row = { .channel_pk = s->x->ch.pk,
		.user_pk = s->author,
		.created_at = s->m.created_at,
		.id = s->m.id,
		.body = draft_text(c, s),
		.metadata = s->metadata,
		.content_hash = s->hash };
	e = span_given(row.body) ? store_pending_add(c->tx, c->app->pk, &row) : ERR_UNAVAILABLE;
	if (e == ERR_OK && s->x->ch.cooldown_s > 0) e = store_slow_mode_set(c->tx, row.channel_pk, row.user_pk, c->now_us);
	return e == ERR_OK ? ERR_OK : chat_store_fail(c, e);
}

/* ---- looking ---- */
static enum err not_there(struct chat_ctx *c, struct span id)
{
	return chat_fail(c, ERR_NOT_FOUND, NULL, "message %.*s does not exist", SPAN_FMT(id));
}

/* What it referred to may have gone meanwhile; to look at it that does not matter. */
static enum err refer_leniently(struct chat_ctx *c, struct sending *s)
{
	enum err e = sending_refer(c, s);
	if (e == ERR_UNAVAILABLE || e == ERR_INTERNAL || e == ERR_TIMEOUT) return e;
	c->error = (struct error){ 0 };
	return ERR_OK;
}

static enum err restore(struct chat_ctx *c, const struct store_pending *row, struct channel_ctx *x, struct sending *s)
{
	*s = (struct sending){
		.x = x, .author = row->user_pk, .hash = row->content_hash, .metadata = row->metadata, .is_pending = true
	};
	enum err e = read_draft(c, row->body, s);
	s->d.id = row->id;
	s->d.created_at = row->created_at;
	if (e == ERR_OK) e = refer_leniently(c, s);
	if (e == ERR_OK) e = fill(c, s, row->created_at);
	if (e == ERR_OK && !span_given(s->m.parent_id)) s->m.parent_id = s->d.parent_id;
	return e;
}

enum err pending_load(struct chat_ctx *c, struct span id, struct channel_ctx *x, struct sending *s)
{
	struct store_pending row;
	enum err e = store_pending_get(c->tx, c->app->pk, id, c->arena, &row);
	if (e == ERR_NOT_FOUND) return not_there(c, id);
	if (e != ERR_OK) return chat_store_fail(c, e);
	if (!chat_is_server(c) && row.user_pk != c->me.pk) return not_there(c, id);
	e = chat_channel_load_pk(c, row.channel_pk, x);
	if (e == ERR_OK && row.created_at <= x->ch.truncated_at) return not_there(c, id);
	return e == ERR_OK ? restore(c, &row, x, s) : e;
}

void pending_metadata_write(struct jsonw *w, struct span metadata)
{
	if (span_given(metadata)) jsonw_kraw(w, "pending_message_metadata", metadata);
}

/* ---- the author's own, beside a channel's state ---- */
static enum err write_one(struct chat_ctx *c, struct jsonw *w, const struct channel_ctx *x, const struct store_pending *row)
{
	struct channel_ctx own = *x;
	struct sending *s = arena_new(c->arena, struct sending);
	enum err e = s != NULL ? restore(c, row, &own, s) : chat_store_fail(c, ERR_UNAVAILABLE);
	if (e != ERR_OK) return e;
	jsonw_obj_begin(w);
	jsonw_key(w, "message");
	message_write(w, c->dialect, &s->m);
	jsonw_key(w, "channel");
	chat_channel_write(c, w, x, false);
	jsonw_key(w, "user");
	user_write(w, c->dialect, chat_user_view(c, &s->m.user), &s->m.user);
	jsonw_kraw(w, "metadata", span_given(row->metadata) ? row->metadata : SPAN("{}"));
	jsonw_obj_end(w);
	return ERR_OK;
}

enum err chat_pending_write(struct chat_ctx *c, struct jsonw *w, const struct channel_ctx *x)
{
	struct store_pending *rows;
	size_t n;
	enum err e = store_pending_list(c->tx, x->ch.pk, c->me.pk, history_cut(x), LIMIT_PENDING_SHOWN, c->arena, &rows, &n);
	if (e != ERR_OK) return chat_store_fail(c, e);
	if (n == 0) return ERR_OK;
	jsonw_key(w, "pending_messages");
	jsonw_arr_begin(w);
	for (size_t i = 0; e == ERR_OK && i < n; i++) e = write_one(c, w, x, &rows[i]);
	jsonw_arr_end(w);
	return e;
}

/* ---- committing and dropping ---- */
static enum err become_author(struct chat_ctx *c, int64_t pk)
{
	struct user u = { .pk = 0 };
	enum err e = store_user_get_pk(c->tx, pk, c->arena, &u);
	if (e != ERR_OK && e != ERR_NOT_FOUND) return chat_store_fail(c, e);
	if (e == ERR_NOT_FOUND || u.deleted_at != 0)
		return chat_fail(c, ERR_NOT_FOUND, NULL, "the author of the message is not there any more");
	c->me = u;
	c->acting_given = true;
	return ERR_OK;
}

/* Told and counted from now on; created_at stays, so one that others have overtaken is nobody's unread. */
static enum err send_on(struct chat_ctx *c, struct channel_ctx *x, struct sending *s)
{
	enum err e = become_author(c, s->author);
	if (e == ERR_OK) e = chat_channel_fill(c, x);
	if (e != ERR_OK) return e;
	s->m = (struct message){ 0 };
	s->parent = (struct message){ 0 };
	s->has_parent = s->is_pending = false;
	e = sending_refer(c, s);
	return e == ERR_OK ? sending_persist(c, s) : e;
}

static enum err forget(struct chat_ctx *c, struct span id)
{
	enum err e = store_pending_remove(c->tx, c->app->pk, id);
	return e == ERR_OK ? ERR_OK : chat_store_fail(c, e);
}

enum err chat_commit_message(struct chat_ctx *c, struct span id, struct jsonw *w)
{
	struct channel_ctx x;
	struct sending *s = arena_new(c->arena, struct sending);
	enum err e = s != NULL ? pending_load(c, id, &x, s) : chat_store_fail(c, ERR_UNAVAILABLE);
	if (e == ERR_OK) e = send_on(c, &x, s);
	if (e == ERR_OK) e = forget(c, id);
	if (e != ERR_OK) return e;
	jsonw_key(w, "message");
	message_write(w, c->dialect, &s->m);
	return ERR_OK;
}

enum err pending_drop(struct chat_ctx *c, const struct sending *s)
{
	enum err e = chat_require(c, s->x, "delete-message", s->author == c->me.pk);
	if (e == ERR_OK) e = forget(c, s->m.id);
	if (e != ERR_OK) return e;
	store_erased(c->tx);
	e = store_erasure_add(c->tx, c->app->pk, SPAN("message"), s->m.id, c->now_us);
	return e == ERR_OK ? ERR_OK : chat_store_fail(c, e);
}
