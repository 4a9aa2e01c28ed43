#include "chat/cursor.h"

#include "base/limits.h"
#include "chat/channel_data.h"
#include "wire/base64.h"
#include "wire/jwt.h"

enum err cursor_refuse(struct chat_ctx *c, const struct cursor *cur)
{
	return chat_fail(c, ERR_INPUT, cur->key, "%s is no cursor of this server", cur->key);
}

enum err cursor_take(struct chat_ctx *c, yyjson_val *body, struct cursor *out)
{
	struct span next = SPAN_NONE, prev = SPAN_NONE, text = SPAN_NONE;
	*out = (struct cursor){ .key = "next" };
	enum err e = take_string(c, body, "next", (size_t)LIMIT_BODY_BYTES, &next);
	if (e == ERR_OK) e = take_string(c, body, "prev", (size_t)LIMIT_BODY_BYTES, &prev);
	if (e == ERR_OK && span_given(next) && span_given(prev))
		e = chat_fail(c, ERR_INPUT, "next", "next and prev exclude each other");
	if (e != ERR_OK || (!span_given(next) && !span_given(prev))) return e;
	out->is_prev = span_given(prev);
	if (out->is_prev) out->key = "prev";
	if (!base64url_decode(c->arena, out->is_prev ? prev : next, &text)) return cursor_refuse(c, out);
	out->place = stored_json(c, text);
	return yyjson_is_obj(out->place) ? ERR_OK : cursor_refuse(c, out);
}

void cursor_begin(struct cursor_text *t)
{
	buf_init(&t->buf, (size_t)LIMIT_BODY_BYTES);
	jsonw_init(&t->w, &t->buf);
	jsonw_obj_begin(&t->w);
}

void cursor_value(struct cursor_text *t, const char *key, yyjson_val *v)
{
	if (v == NULL) return;
	jsonw_key(&t->w, key);
	jsonw_val(&t->w, v);
}

enum err cursor_end(struct chat_ctx *c, struct cursor_text *t, struct jsonw *w, const char *key)
{
	struct buf token;
	buf_init(&token, (size_t)LIMIT_BODY_BYTES * 2);
	jsonw_obj_end(&t->w);
	base64url_encode(&token, buf_span(&t->buf));
	bool failed = t->buf.failed || token.failed;
	if (!failed) jsonw_kstr(w, key, buf_span(&token));
	buf_deinit(&t->buf);
	buf_deinit(&token);
	return failed ? chat_store_fail(c, ERR_UNAVAILABLE) : ERR_OK;
}
