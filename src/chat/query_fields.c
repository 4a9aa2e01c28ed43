#include "chat/query_fields.h"

/* "custom.x" is the other dialect's way of naming x. */
static bool is_unknown(struct span field, bool (*reserved)(struct span key))
{
	struct span head = span_make(field.p, span_find(field, '.'));
	return reserved(head) && !(span_is(head, "custom") && head.n < field.n);
}

static enum err refuse(struct chat_ctx *c, struct span field)
{
	struct span name = arena_dup(c->arena, field); /* ends with a zero */
	if (!name.p) return chat_store_fail(c, ERR_UNAVAILABLE);
	return chat_fail(c, ERR_INPUT, name.p, "%s is no field of this query", name.p);
}

/* A field that knows few words: any other would match nothing for ever. */
static enum err check_word(struct chat_ctx *c, const struct filter *f)
{
	struct span word = json_span(f->value);
	if (f->field_id == FILTER_CUSTOM || !span_is(f->field, "invite")) return ERR_OK;
	if (span_is(word, "pending") || span_is(word, "accepted") || span_is(word, "rejected")) return ERR_OK;
	return chat_fail(c, ERR_INPUT, "invite", "invite must be \"pending\", \"accepted\" or \"rejected\"");
}

static enum err check_filter(struct chat_ctx *c, const struct filter *f, bool (*reserved)(struct span key))
{
	bool is_leaf = f->op != FILTER_AND && f->op != FILTER_OR && f->op != FILTER_NOR;
	enum err e = ERR_OK;
	if (is_leaf && f->field_id == FILTER_CUSTOM && is_unknown(f->field, reserved)) return refuse(c, f->field);
	if (is_leaf) return check_word(c, f);
	for (size_t i = 0; e == ERR_OK && i < f->kid_count; i++) e = check_filter(c, &f->kids[i], reserved);
	return e;
}

enum err query_fields_check(struct chat_ctx *c, const struct filter *f, const struct sort *s, bool (*reserved)(struct span key))
{
	enum err e = check_filter(c, f, reserved);
	for (size_t i = 0; e == ERR_OK && i < s->n; i++)
		if (s->keys[i].field_id == FILTER_CUSTOM && is_unknown(s->keys[i].field, reserved))
			e = refuse(c, s->keys[i].field);
	return e;
}
