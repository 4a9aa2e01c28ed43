/* The context of one rule: how it fails, and how it asks for the lane. */
#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"
#include "chat/chat.h"

enum { MESSAGE_BYTES = 2048 }; /* of an error's text; peers' input in it is cut with the rest */

enum err(chat_fail)(struct chat_ctx *c, enum err e, const char *field, const char *fmt, ...)
{
	char text[MESSAGE_BYTES];
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
	while ((size_t)n >= sizeof text && len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--; /* not inside a character */
	struct span message = arena_dup(c->arena, span_make(text, len));
	c->error = (struct error){ .err = e, .message = span_given(message) ? message : err_text(e) };
	if (field == NULL) return e;
	c->error.field = arena_dup(c->arena, span_str(field));
	c->error.field_why = c->error.message;
	return e;
}

enum err(chat_store_fail)(struct chat_ctx *c, enum err e)
{
	/* ERR_AGAIN of the store is a taken name; whoever expects it looks before. */
	if (e == ERR_AGAIN) e = ERR_INTERNAL;
	switch (e) {
	case ERR_NOT_FOUND: return chat_fail(c, e, NULL, "it does not exist");
	case ERR_TIMEOUT: return chat_fail(c, e, NULL, "the query took too long");
	case ERR_UNAVAILABLE:
		e = chat_fail(c, e, NULL, "the server has no memory or disk for this now; try again");
		c->error.retry_after_s = 1;
		return e;
	default: return chat_fail(c, e, NULL, "%.*s", SPAN_FMT(err_text(e)));
	}
}

enum err chat_need_write(struct chat_ctx *c) { return c->can_write ? ERR_OK : ERR_AGAIN; }

/* Retrying as it is cannot help: the request, the caller or the object has to change first. */
static bool is_unrecoverable(enum err e)
{
	return err_http(e) < 500 && e != ERR_RATE_LIMIT && e != ERR_TIMEOUT && e != ERR_TOKEN_EXPIRED;
}

static void write_message(struct jsonw *w, struct span operation, const struct error *e)
{
	struct buf text;
	buf_init(&text, MESSAGE_BYTES * 2);
	buf_printf(&text, "%.*s failed with error: \"", SPAN_FMT(operation));
	buf_add_span(&text, span_given(e->message) ? e->message : err_text(e->err));
	buf_add_char(&text, '"');
	jsonw_kstr(w, "message", buf_span(&text));
	buf_deinit(&text);
}

static void write_more_info(const struct chat *chat, struct jsonw *w, const struct error *e)
{
	char text[512];
	int n = chat && chat->error_page.n ? snprintf(text, sizeof text, "%.*s#%d", SPAN_FMT(chat->error_page), err_code(e->err))
					   : 0;
	jsonw_kstr(w, "more_info", n > 0 && (size_t)n < sizeof text ? span_make(text, (size_t)n) : SPAN(""));
}

void chat_duration_write(struct jsonw *w, int64_t us)
{
	char text[32];
	struct buf b = { .p = text, .cap = sizeof text, .max = sizeof text };
	int64_t hundredths = us > 0 ? us / 10 : 0;
	buf_add_i64(&b, hundredths / 100);
	buf_add_char(&b, '.');
	buf_add_char(&b, (char)('0' + hundredths / 10 % 10));
	buf_add_char(&b, (char)('0' + hundredths % 10));
	buf_add_span(&b, SPAN("ms"));
	jsonw_kstr(w, "duration", buf_span(&b));
}

void chat_error_write(const struct chat *chat, struct jsonw *w, struct span operation, const struct error *e, int64_t duration_us)
{
	jsonw_obj_begin(w);
	jsonw_kint(w, "code", err_code(e->err));
	write_message(w, operation, e);
	jsonw_kint(w, "StatusCode", err_http(e->err));
	chat_duration_write(w, duration_us);
	write_more_info(chat, w, e);
	jsonw_kraw(w, "details", SPAN("[]"));
	jsonw_key(w, "exception_fields");
	jsonw_obj_begin(w);
	if (span_given(e->field)) {
		jsonw_key_span(w, e->field);
		jsonw_str(w, e->field_why);
	}
	jsonw_obj_end(w);
	if (is_unrecoverable(e->err)) jsonw_kbool(w, "unrecoverable", true);
	jsonw_obj_end(w);
}
