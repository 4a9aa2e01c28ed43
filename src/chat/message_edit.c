/* Editing: the whole message, or named parts of it. Author, times of birth, parent, silence, visibility and type stay. */
#include "base/limits.h"
#include "base/utf8.h"
#include "chat/channel_data.h"
#include "chat/message_parts.h"
#include "chat/message_rules.h"

static enum err load_editable(struct chat_ctx *c, struct span id, struct channel_ctx *x, struct message *m)
{
	enum err e = message_load_to_change(c, id, x, m);
	if (e != ERR_OK) return e;
	if (m->deleted_at) return chat_fail(c, ERR_INPUT, NULL, "message %.*s is deleted", SPAN_FMT(id));
	/* What the table shows as pinned may have run out. */
	if (m->pinned && m->pin_expires && m->pin_expires <= c->now_us) m->pinned = false;
	return ERR_OK;
}

static bool is_author(const struct chat_ctx *c, const struct message *m) { return c->me.pk != 0 && m->user_pk == c->me.pk; }

static enum err pin(struct chat_ctx *c, const struct channel_ctx *x, struct message *m, bool pinned, int64_t expires)
{
	if (pinned == m->pinned && (!pinned || expires == m->pin_expires)) return ERR_OK;
	enum err e = chat_require(c, x, "pin-message", false);
	if (e != ERR_OK) return e;
	if (pinned && expires && expires <= c->now_us)
		return chat_fail(c, ERR_INPUT, "pin_expires", "pin_expires lies in the past");
	if (pinned && !m->pinned) {
		m->pinned_at = c->now_us;
		m->pinned_by.pk = c->me.pk;
	}
	if (!pinned) m->pinned_at = m->pinned_by.pk = 0;
	m->pinned = pinned;
	m->pin_expires = pinned ? expires : 0;
	return ERR_OK;
}

/* The rights and bounds that new content must meet; what is as before is not asked about again. */
static enum err check_content(struct chat_ctx *c, const struct channel_ctx *x, const struct message *old, const struct message *m)
{
	int64_t most = x->effective.max_message_length;
	if (most <= 0 || most > LIMIT_TEXT_MAX_CHARS) most = LIMIT_TEXT_MAX_CHARS;
	bool new_text = !span_eq(old->text, m->text), new_files = !span_eq(old->attachments, m->attachments);
	enum err e = ERR_OK;
	if (new_text && utf8_length(m->text) > (size_t)most)
		e = chat_fail(c, ERR_TEXT_TOO_LONG, "text", "the text is longer than %lld characters", (long long)most);
	if (e == ERR_OK && m->text.n == 0 && !span_given(m->attachments))
		e = chat_fail(c, ERR_INPUT, "text", "a message needs a text or an attachment");
	if (e == ERR_OK && new_files && span_given(m->attachments)) e = chat_require(c, x, "create-attachment", false);
	if (e == ERR_OK && new_text && text_has_link(m->text)) e = chat_require(c, x, "add-links", false);
	if (e == ERR_OK && span_given(m->mentioned_ids) && !span_eq(old->mentioned_ids, m->mentioned_ids))
		e = chat_require(c, x, "create-mention", false);
	return e == ERR_OK ? custom_check_size(c, m->custom, "message") : e;
}

static enum err finish(
	struct chat_ctx *c, const struct channel_ctx *x, const struct message *old, struct message *m, struct jsonw *w)
{
	bool new_text = !span_eq(old->text, m->text);
	m->updated_at = c->now_us > m->created_at ? c->now_us : m->created_at;
	if (new_text) m->text_updated_at = m->updated_at;
	/* Pins and mentions alone make no version: it would show nothing new. */
	bool is_version = new_text || !span_eq(old->attachments, m->attachments) || !span_eq(old->custom, m->custom);
	enum err e = is_version ? store_history_add(c->tx, c->app->pk, old, c->me.pk, m->updated_at) : ERR_OK;
	if (e == ERR_OK) e = store_message_put(c->tx, m);
	if (e != ERR_OK) return chat_store_fail(c, e);
	e = message_fill(c, &x->ch, m, 1);
	if (e == ERR_OK) e = record_message_change(c, EVENT_MESSAGE_UPDATED, x, m, NULL);
	if (e != ERR_OK) return e;
	jsonw_key(w, "message");
	message_write(w, c->dialect, m);
	return ERR_OK;
}

enum err chat_update_message(struct chat_ctx *c, struct span id, yyjson_val *body, struct jsonw *w)
{
	struct channel_ctx x;
	struct message m, old;
	struct draft d;
	enum err e = load_editable(c, id, &x, &m);
	if (e == ERR_OK) e = chat_require(c, &x, "update-message", is_author(c, &m));
	if (e == ERR_OK) e = draft_parse(c, json_get(body, "message"), &d);
	if (e != ERR_OK) return e;
	old = m;
	m.text = span_given(d.text) ? d.text : SPAN("");
	m.html = d.html;
	m.mml = d.mml;
	m.attachments = d.attachments;
	m.mentioned_ids = d.mentioned;
	m.custom = d.custom;
	e = check_content(c, &x, &old, &m);
	if (e == ERR_OK && d.pinned_given) e = pin(c, &x, &m, d.pinned, d.pin_expires);
	return e == ERR_OK ? finish(c, &x, &old, &m, w) : e;
}

/* ---- named parts ---- */
struct parts {
	bool content, pin_given, pinned, expires_given; /* content: something but the pin was named */
	int64_t expires;
};

static struct span bare_path(struct span path)
{
	return span_starts(path, SPAN("custom.")) ? span_skip(path, strlen("custom.")) : path;
}

static struct span path_head(struct span path) { return span_make(path.p, span_find(path, '.')); }

static enum err set_built_in(struct chat_ctx *c, struct message *m, struct parts *p, struct span key, yyjson_val *v)
{
	struct draft d = { 0 };
	enum err e = ERR_OK;
	if (span_is(key, "text")) {
		if (!yyjson_is_str(v) && !yyjson_is_null(v)) return chat_fail(c, ERR_INPUT, "text", "text must be a string");
		m->text = yyjson_is_str(v) ? json_span(v) : SPAN("");
		m->html = m->mml = SPAN_NONE;
	} else if (span_is(key, "attachments")) {
		e = draft_attachments(c, v, &m->attachments);
	} else if (span_is(key, "mentioned_users")) {
		e = draft_mentions(c, v, &d);
		m->mentioned_ids = d.mentioned;
	} else if (span_is(key, "pinned")) {
		if (!yyjson_is_bool(v)) return chat_fail(c, ERR_INPUT, "pinned", "pinned must be a boolean");
		p->pin_given = true;
		p->pinned = yyjson_get_bool(v);
		return ERR_OK;
	} else if (span_is(key, "pin_expires")) {
		p->expires_given = true;
		return draft_time(c, v, "pin_expires", &p->expires);
	} else if (chat_is_server(c) && (span_is(key, "html") || span_is(key, "mml"))) {
		if (!yyjson_is_str(v)) return chat_fail(c, ERR_INPUT, NULL, "%.*s must be a string", SPAN_FMT(key));
		*(span_is(key, "html") ? &m->html : &m->mml) = json_span(v);
	} else {
		return ERR_OK; /* read-only keys are ignored */
	}
	p->content = true;
	return e;
}

static enum err apply_set(struct chat_ctx *c, struct message *m, struct parts *p, yyjson_val *set)
{
	size_t i, n;
	yyjson_val *key, *v;
	yyjson_obj_foreach(set, i, n, key, v)
	{
		struct span path = bare_path(json_span(key));
		enum err e = ERR_OK;
		if (span_is(path, "custom") && yyjson_is_obj(v) && c->dialect == DIALECT_2) {
			e = apply_set(c, m, p, v); /* one level: the keys inside are custom data */
		} else if (message_key_reserved(path_head(path))) {
			e = set_built_in(c, m, p, path, v);
		} else {
			p->content = true;
			if (!custom_set_path(c->arena, &m->custom, path, v))
				e = chat_fail(c, ERR_INPUT, "set", "%.*s cannot be set", SPAN_FMT(path));
		}
		if (e != ERR_OK) return e;
	}
	return ERR_OK;
}

static enum err unset_one(struct chat_ctx *c, struct message *m, struct parts *p, struct span path)
{
	if (span_is(path, "pinned")) {
		p->pin_given = true;
		p->pinned = false;
		return ERR_OK;
	}
	if (span_is(path, "pin_expires")) {
		p->expires_given = true;
		p->expires = 0;
		return ERR_OK;
	}
	p->content = true;
	if (span_is(path, "text")) {
		m->text = SPAN("");
		m->html = m->mml = SPAN_NONE;
	} else if (span_is(path, "attachments")) {
		m->attachments = SPAN_NONE;
	} else if (span_is(path, "mentioned_users")) {
		m->mentioned_ids = SPAN_NONE;
	} else if (!message_key_reserved(path_head(path)) && !custom_unset_path(c->arena, &m->custom, path)) {
		return chat_fail(c, ERR_INPUT, "unset", "%.*s cannot be unset", SPAN_FMT(path));
	}
	return ERR_OK;
}

static bool is_prefix(struct span a, struct span b) { return span_starts(b, a) && (b.n == a.n || b.p[a.n] == '.'); }

/* A path in both, or one inside the other, leaves open what is meant. */
static bool clashes(yyjson_val *set, struct span path)
{
	size_t i, n;
	yyjson_val *key, *v;
	yyjson_obj_foreach(set, i, n, key, v)
	{
		struct span other = bare_path(json_span(key));
		if (is_prefix(path, other) || is_prefix(other, path)) return true;
	}
	return false;
}

static enum err apply_unset(struct chat_ctx *c, struct message *m, struct parts *p, yyjson_val *unset, yyjson_val *set)
{
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach(unset, i, n, v)
	{
		if (!yyjson_is_str(v) || yyjson_get_len(v) == 0)
			return chat_fail(c, ERR_INPUT, "unset", "unset must be an array of paths");
		struct span path = bare_path(json_span(v));
		if (clashes(set, path)) return chat_fail(c, ERR_INPUT, "unset", "%.*s is in both set and unset", SPAN_FMT(path));
		enum err e = unset_one(c, m, p, path);
		if (e != ERR_OK) return e;
	}
	return ERR_OK;
}

static enum err apply_pin(struct chat_ctx *c, const struct channel_ctx *x, struct message *m, const struct parts *p)
{
	if (!p->pin_given && !p->expires_given) return ERR_OK;
	bool pinned = p->pin_given ? p->pinned : m->pinned;
	return pin(c, x, m, pinned, p->expires_given ? p->expires : p->pin_given && !m->pinned ? 0 : m->pin_expires);
}

enum err chat_update_message_partial(struct chat_ctx *c, struct span id, yyjson_val *body, struct jsonw *w)
{
	struct channel_ctx x;
	struct message m, old;
	struct parts p = { 0 };
	yyjson_val *set = json_get(body, "set"), *unset = json_get(body, "unset");
	enum err e = load_editable(c, id, &x, &m);
	if (e != ERR_OK) return e;
	if ((value_given(set) && !yyjson_is_obj(set)) || (value_given(unset) && !yyjson_is_arr(unset)))
		return chat_fail(c, ERR_INPUT, "set", "set must be an object and unset an array");
	if (yyjson_obj_size(set) + yyjson_arr_size(unset) == 0)
		return chat_fail(c, ERR_INPUT, "set", "set or unset must name something");
	old = m;
	e = apply_set(c, &m, &p, set);
	if (e == ERR_OK) e = apply_unset(c, &m, &p, unset, set);
	if (e == ERR_OK && p.content) e = chat_require(c, &x, "update-message", is_author(c, &m));
	if (e == ERR_OK && p.content) e = check_content(c, &x, &old, &m);
	if (e == ERR_OK) e = apply_pin(c, &x, &m, &p);
	if (e == ERR_OK && arena_failed(c->arena)) e = chat_store_fail(c, ERR_UNAVAILABLE);
	return e == ERR_OK ? finish(c, &x, &old, &m, w) : e;
}
