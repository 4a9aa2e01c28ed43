/* Sending: the pipeline of messages.md 2, in its order. */
#include "base/limits.h"
#include "base/utf8.h"
#include "chat/channel_data.h"
#include "chat/message_rules.h"
#include "chat/message_sending.h"

/* ---- who may (steps 1 and 2) ---- */
static bool in_force(const struct chat_ctx *c, bool set, int64_t expires) { return set && (expires == 0 || expires > c->now_us); }

static enum err check_sender(struct chat_ctx *c, struct sending *s)
{
	const struct channel_ctx *x = s->x;
	bool is_reply = span_given(s->d.parent_id);
	enum err e = chat_require(c, x, is_reply ? "create-reply" : "create-message", false);
	if (e != ERR_OK) return e;
	bool in_app = in_force(c, c->me.banned, c->me.ban_expires),
	     here = x->is_member && in_force(c, x->own.banned, x->own.ban_expires);
	if (!chat_is_server(c) && (in_app || here))
		return chat_fail(c, ERR_NOT_ALLOWED, NULL, "user %.*s is banned %s", SPAN_FMT(c->me.id),
			in_app ? "" : "from this channel");
	s->shadowed = in_force(c, c->me.shadow_banned, c->me.ban_expires) ||
		      (x->is_member && in_force(c, x->own.shadow_banned, x->own.ban_expires));
	return ERR_OK;
}

/* ---- an id that is there already (step 7) ---- */
/* *is_retry: the stored message, in s->m, answers; else the id is free. */
static enum err find_retry(struct chat_ctx *c, struct sending *s, bool *is_retry)
{
	*is_retry = false;
	s->hash = SPAN("");
	if (!span_given(s->d.id)) return ERR_OK; /* an id of our making cannot come again */
	s->hash = draft_hash(c, &s->d);
	if (!span_given(s->hash)) return chat_store_fail(c, ERR_UNAVAILABLE);
	struct span hash = SPAN_NONE;
	enum err e = store_message_get(c->tx, c->app->pk, s->d.id, c->arena, &s->m);
	if (e == ERR_NOT_FOUND) return ERR_OK;
	if (e == ERR_OK) e = store_message_hash(c->tx, s->m.pk, c->arena, &hash);
	if (e != ERR_OK) return chat_store_fail(c, e);
	*is_retry = s->m.user_pk == s->author && s->m.channel_pk == s->x->ch.pk && span_eq(hash, s->hash);
	if (*is_retry) return ERR_OK;
	return chat_fail(c, ERR_INPUT, "id", "a message with id %.*s exists already", SPAN_FMT(s->d.id));
}

/* ---- frozen and slow (steps 3 and 4) ---- */
static bool is_frozen_for(const struct chat_ctx *c, const struct channel_ctx *x)
{
	return x->ch.frozen &&
	       !chat_may_in(c, &x->effective, &x->ch, x->is_member ? &x->own : NULL, "use-frozen-channel", x->is_owner);
}

static enum err check_cooldown(struct chat_ctx *c, const struct channel_ctx *x)
{
	if (x->ch.cooldown_s <= 0 || chat_is_server(c)) return ERR_OK;
	if (chat_may_in(c, &x->effective, &x->ch, x->is_member ? &x->own : NULL, "skip-channel-cooldown", x->is_owner))
		return ERR_OK;
	int64_t sent_at = 0;
	enum err e = store_slow_mode_get(c->tx, x->ch.pk, c->me.pk, &sent_at);
	if (e != ERR_OK) return chat_store_fail(c, e);
	/* A clock that went back must not lock anybody out for longer than the cooldown. */
	int64_t passed = c->now_us - sent_at;
	if (sent_at == 0 || passed < 0 || passed >= x->ch.cooldown_s * 1000000) return ERR_OK;
	return chat_fail(c, ERR_COOLDOWN, NULL, "slow mode: one message in %lld seconds", (long long)x->ch.cooldown_s);
}

/* ---- what it refers to (step 6) ---- */
static enum err load_parent(struct chat_ctx *c, struct sending *s)
{
	if (!span_given(s->d.parent_id)) return ERR_OK;
	enum err e = store_message_get(c->tx, c->app->pk, s->d.parent_id, c->arena, &s->parent);
	if (e != ERR_OK && e != ERR_NOT_FOUND) return chat_store_fail(c, e);
	if (e == ERR_NOT_FOUND || !message_visible(c, s->x, &s->parent))
		return chat_fail(c, ERR_NOT_FOUND, "parent_id", "the parent message does not exist");
	if (s->parent.channel_pk != s->x->ch.pk)
		return chat_fail(c, ERR_INPUT, "parent_id", "the parent message is in another channel");
	if (s->parent.parent_pk != 0) return chat_fail(c, ERR_NESTING, "parent_id", "a reply cannot have replies");
	if (s->parent.deleted_at != 0) return chat_fail(c, ERR_INPUT, "parent_id", "the parent message is deleted");
	s->has_parent = true;
	return ERR_OK;
}

static enum err load_quoted(struct chat_ctx *c, struct sending *s)
{
	if (!span_given(s->d.quoted_id)) return ERR_OK;
	struct message q;
	enum err e = store_message_get(c->tx, c->app->pk, s->d.quoted_id, c->arena, &q);
	if (e != ERR_OK && e != ERR_NOT_FOUND) return chat_store_fail(c, e);
	if (e == ERR_NOT_FOUND || q.channel_pk != s->x->ch.pk || !message_visible(c, s->x, &q))
		return chat_fail(c, ERR_NOT_FOUND, "quoted_message_id", "the quoted message does not exist in this channel");
	s->m.quoted_pk = q.pk;
	s->m.quoted_id = q.id;
	return ERR_OK;
}

enum err sending_refer(struct chat_ctx *c, struct sending *s)
{
	enum err e = load_parent(c, s);
	return e == ERR_OK ? load_quoted(c, s) : e;
}

/* ---- storing (step 11) ---- */
void sending_build(struct chat_ctx *c, struct sending *s)
{
	struct message *m = &s->m;
	const struct draft *d = &s->d;
	m->channel_pk = s->x->ch.pk;
	m->cid = s->x->ch.cid;
	m->user_pk = m->user.pk = s->author;
	m->id = d->id;
	m->type = s->has_parent ? SPAN("reply") : d->is_system ? SPAN("system") : SPAN("regular");
	m->text = span_given(d->text) ? d->text : SPAN("");
	m->html = d->html;
	m->mml = d->mml;
	m->attachments = d->attachments;
	m->mentioned_ids = d->mentioned;
	m->custom = d->custom;
	m->restricted_visibility = d->restricted;
	m->parent_pk = s->parent.pk;
	m->parent_id = s->parent.id;
	m->show_in_channel = s->has_parent && d->show_in_channel;
	m->silent = d->silent;
	m->shadowed = s->shadowed;
	if (!span_given(m->id)) {
		char uuid[37];
		rng_uuid4(c->chat->rng, uuid);
		m->id = arena_dup(c->arena, span_make(uuid, 36));
	}
	if (!d->pinned) return;
	m->pinned = true;
	m->pinned_at = c->now_us;
	m->pinned_by.pk = s->author;
	m->pin_expires = d->pin_expires;
}

static enum err store(struct chat_ctx *c, struct sending *s, int64_t *counted_seq)
{
	struct message *m = &s->m;
	bool in_list = message_in_list(m) && !m->shadowed;
	bool is_quiet_system = s->d.is_system && s->x->effective.skip_last_msg_update_for_system_msgs;
	struct store_advance v = { .channel_pk = m->channel_pk,
		.now_us = c->now_us,
		.given_created_at = s->d.created_at,
		.counts = in_list && !m->silent && !is_quiet_system && s->x->effective.read_events,
		.moves_last = in_list && !is_quiet_system && !span_given(m->restricted_visibility),
		.in_message_count = in_list,
		.has_exception = span_given(m->restricted_visibility) };
	enum err e = store_channel_advance(c->tx, &v);
	if (e != ERR_OK) return chat_store_fail(c, e);
	m->created_at = m->updated_at = v.created_at;
	m->seq = v.seq;
	s->x->ch.counted_seq = *counted_seq = v.counted_seq;
	s->x->ch.message_count = v.message_count;
	s->x->ch.last_message_at = v.last_message_at;
	e = store_message_insert(c->tx, c->app->pk, m, s->hash);
	if (e == ERR_AGAIN) return chat_fail(c, ERR_INPUT, "id", "a message with id %.*s exists already", SPAN_FMT(m->id));
	if (e != ERR_OK) return chat_store_fail(c, e);
	return ERR_OK;
}

/* Writing is reading: the sender's own pointer goes to his message. */
static enum err move_sender(struct chat_ctx *c, const struct sending *s, int64_t counted_seq)
{
	const struct message *m = &s->m;
	enum err e = ERR_OK;
	if (s->x->is_member && message_in_list(m)) {
		struct store_pointer p = { .channel_pk = m->channel_pk,
			.user_pk = m->user_pk,
			.read_seq = counted_seq,
			.last_read = m->created_at,
			.last_read_message_id = m->id,
			.own_seq = m->seq };
		e = store_pointer_set(c->tx, &p);
	}
	if (e == ERR_OK && s->x->ch.cooldown_s > 0) e = store_slow_mode_set(c->tx, m->channel_pk, m->user_pk, c->now_us);
	return e == ERR_OK ? ERR_OK : chat_store_fail(c, e);
}

static enum err join_thread(struct chat_ctx *c, struct sending *s)
{
	if (!s->has_parent || s->m.shadowed) return ERR_OK;
	enum err e = store_thread_reply(c->tx, c->app->pk, &s->parent, &s->m);
	for (size_t i = 0; e == ERR_OK && i < s->d.mention_count; i++) {
		struct member m;
		e = store_sender_members(c->tx, s->m.channel_pk, &s->d.mention_pks[i], 1, c->arena, &m);
		if (e == ERR_OK && m.user_pk != 0 && m.user_pk != s->m.user_pk)
			e = store_thread_mention(c->tx, c->app->pk, &s->m, m.user_pk);
	}
	if (e == ERR_OK) e = store_messages_get_pk(c->tx, &s->m.parent_pk, 1, c->arena, &s->parent);
	if (e != ERR_OK) return chat_store_fail(c, e);
	return message_fill(c, &s->x->ch, &s->parent, 1);
}

enum err sending_persist(struct chat_ctx *c, struct sending *s)
{
	int64_t counted_seq = 0;
	sending_build(c, s);
	enum err e = store(c, s, &counted_seq);
	if (e == ERR_OK) e = move_sender(c, s, counted_seq);
	if (e == ERR_OK) e = join_thread(c, s);
	if (e == ERR_OK) e = message_fill(c, &s->x->ch, &s->m, 1);
	if (e != ERR_OK) return e;
	struct message_news news = { .x = s->x,
		.m = &s->m,
		.parent = s->has_parent ? &s->parent : NULL,
		.d = &s->d,
		.keep_hidden = s->keep_hidden,
		.counted_seq = counted_seq };
	return record_message_new(c, &news);
}

/* A refusal that old clients know as a message: sent back, stored nowhere. */
static enum err refuse_as_message(struct chat_ctx *c, struct sending *s, const char *why)
{
	sending_build(c, s);
	s->m.type = SPAN("error");
	s->m.text = span_str(why);
	s->m.attachments = s->m.mentioned_ids = s->m.html = s->m.mml = SPAN_NONE;
	s->m.pinned = false;
	s->m.quoted_pk = 0;
	s->m.created_at = s->m.updated_at = c->now_us;
	return message_fill(c, &s->x->ch, &s->m, 1);
}

static enum err run(struct chat_ctx *c, struct sending *s)
{
	bool is_retry = false;
	enum err e = check_sender(c, s);
	if (e == ERR_OK) e = find_retry(c, s, &is_retry);
	if (e == ERR_OK && is_retry) {
		s->metadata = SPAN_NONE; /* sent or committed: it waits no longer */
		return message_fill(c, &s->x->ch, &s->m, 1);
	}
	if (e == ERR_OK && is_frozen_for(c, s->x))
		return refuse_as_message(c, s, "Sorry, this channel has been frozen by the admin");
	if (e == ERR_OK) e = check_cooldown(c, s->x);
	if (e == ERR_OK) e = draft_check(c, s->x, &s->d);
	if (e == ERR_OK) e = sending_refer(c, s);
	if (e != ERR_OK) return e;
	return s->is_pending ? pending_keep(c, s) : sending_persist(c, s);
}

/* Switches of services that are not built; they must be well-formed all the same. */
static enum err check_switches(struct chat_ctx *c, yyjson_val *body)
{
	static const char *const names[] = { "skip_push", "skip_enrich_url", "force_moderation", "include_channel_context",
		"include_mentioned_members" };
	bool ignored;
	for (size_t i = 0; i < BECK_COUNT(names); i++) {
		enum err e = take_bool(c, body, names[i], &ignored, NULL);
		if (e != ERR_OK) return e;
	}
	return ERR_OK;
}

enum err chat_send_message(struct chat_ctx *c, struct span type, struct span id, yyjson_val *body, struct jsonw *w)
{
	struct channel_ctx x;
	struct sending *s = arena_new(c->arena, struct sending);
	if (!s) return chat_store_fail(c, ERR_UNAVAILABLE);
	if (c->me.pk == 0 && chat_is_server(c))
		return chat_fail(c, ERR_INPUT, "user_id", "a server call names the sender in user_id or user");
	enum err e = chat_channel_load(c, type, id, &x);
	if (e == ERR_OK) e = draft_parse(c, json_get(body, "message"), &s->d);
	if (e == ERR_OK) e = check_switches(c, body);
	if (e == ERR_OK) e = take_bool(c, body, "keep_channel_hidden", &s->keep_hidden, NULL);
	s->x = &x;
	s->author = c->me.pk;
	if (e == ERR_OK) e = pending_take(c, body, s);
	if (e == ERR_OK) e = run(c, s);
	if (e != ERR_OK) return e;
	jsonw_key(w, "message");
	message_write(w, c->dialect, &s->m);
	if (s->is_pending) pending_metadata_write(w, s->metadata);
	return ERR_OK;
}

enum err chat_message_system(struct chat_ctx *c, struct channel_ctx *x, yyjson_val *message, struct message *out)
{
	struct sending *s = arena_new(c->arena, struct sending);
	if (!s) return chat_store_fail(c, ERR_UNAVAILABLE);
	if (c->me.pk == 0)
		return chat_fail(c, ERR_INPUT, "message", "a server call names the author of the message in user_id or user");
	bool is_retry = false;
	s->x = x;
	s->author = c->me.pk;
	enum err e = draft_parse(c, message, &s->d);
	if (e != ERR_OK) return e;
	s->d.is_system = true;
	s->d.parent_id = s->d.quoted_id = SPAN_NONE;
	s->d.created_at = 0; /* it follows the change it tells of, whatever times a copied message carries */
	if (s->d.text.n == 0 && !span_given(s->d.attachments))
		return chat_fail(c, ERR_INPUT, "message", "the message needs a text");
	if (utf8_length(s->d.text) > (size_t)LIMIT_TEXT_MAX_CHARS)
		return chat_fail(c, ERR_TEXT_TOO_LONG, "message", "the text is too long");
	e = find_retry(c, s, &is_retry);
	if (e == ERR_OK) e = is_retry ? message_fill(c, &x->ch, &s->m, 1) : sending_persist(c, s);
	if (e == ERR_OK) *out = s->m;
	return e;
}
