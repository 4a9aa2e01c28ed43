/* Who types: the user himself, told to the server with the contract's clocks, and the others, as the server tells. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "client/channel.h"
#include "client/client.h"
#include "client/events.h"

/* ---- the user himself ---- */

static struct typing *place_of(beck_channel *ch, const char *parent_id)
{
	struct typing *idle = NULL;
	for (size_t i = 0; i < TYPING_PLACES; i++) {
		struct typing *t = &ch->places[i];
		if (t->is_on && strcmp(t->parent_id, parent_id) == 0) return t;
		if (!t->is_on && !idle) idle = t;
	}
	if (!idle) return NULL;
	*idle = (struct typing){ .sent_ms = INT64_MIN / 2 };
	(void)snprintf(idle->parent_id, sizeof idle->parent_id, "%s", parent_id);
	return idle;
}

/* A refusal for good: the channel has no typing events, or the user may not. */
static void answered(void *ctx, const beck_error *error, const beck_reply *reply)
{
	enum { NO_FEATURE = 19, NOT_ALLOWED = 17 };
	struct channel_tie *tie = ctx;
	(void)reply;
	client_lock(tie->client);
	if (tie->channel && error && (error->code == NO_FEATURE || error->code == NOT_ALLOWED)) tie->channel->no_typing = true;
	client_unlock(tie->client);
	channel_untie(tie);
}

static void send(beck_channel *ch, const char *type, const char *parent_id)
{
	struct buf path, body;
	struct jsonw w;
	buf_init(&path, 512);
	buf_init(&body, 1024);
	buf_printf(&path, "/channels/%s/%s/event", ch->type, ch->id);
	jsonw_init(&w, &body);
	jsonw_obj_begin(&w);
	jsonw_key(&w, "event");
	jsonw_obj_begin(&w);
	jsonw_kstr(&w, "type", span_str(type));
	if (*parent_id) jsonw_kstr(&w, "parent_id", span_str(parent_id));
	jsonw_obj_end(&w);
	jsonw_obj_end(&w);
	struct call call = { .method = "POST", .path = buf_span(&path), .body = buf_span(&body) };
	struct channel_tie *tie = channel_tie(ch);
	bool ok = !path.failed && !body.failed && call_start_locked(ch->client, &call, answered, tie, NULL) == BECK_OK;
	if (!ok) channel_untie(tie); /* an event of this kind may get lost */
	buf_deinit(&path);
	buf_deinit(&body);
}

static void fell_silent(beck_client *c, void *owner)
{
	struct typing *t = owner;
	(void)c;
	beck_channel *ch = t->channel;
	if (!t->is_on) return;
	t->is_on = false;
	send(ch, "typing.stop", t->parent_id);
}

static beck_result keystroke(beck_channel *ch, const char *parent_id)
{
	int64_t now = client_now_ms(ch->client);
	struct typing *t = place_of(ch, parent_id);
	if (!t) return BECK_EFULL;
	t->channel = ch;
	if (now - t->sent_ms >= LIMIT_CLIENT_TYPING_MS) {
		t->sent_ms = now;
		send(ch, "typing.start", parent_id);
	}
	t->is_on = true;
	return client_timer(ch->client, t, 0, LIMIT_CLIENT_TYPING_STOP_MS, fell_silent) ? BECK_OK : BECK_ENOMEM;
}

static beck_result check(beck_channel *ch, const char *parent_id)
{
	if (!ch || (parent_id && strlen(parent_id) > 255)) return BECK_EARG;
	return channel_id(ch) ? BECK_OK : BECK_ESTATE;
}

beck_result beck_keystroke(beck_channel *ch, const char *parent_id)
{
	beck_result r = check(ch, parent_id);
	if (r != BECK_OK) return r;
	client_lock(ch->client);
	if (!ch->no_typing) r = keystroke(ch, parent_id ? parent_id : "");
	client_unlock(ch->client);
	return r;
}

static void stop(beck_channel *ch, const char *parent_id, bool says_so)
{
	for (size_t i = 0; i < TYPING_PLACES; i++) {
		struct typing *t = &ch->places[i];
		if (!t->is_on || strcmp(t->parent_id, parent_id) != 0) continue;
		t->is_on = false;
		(void)client_timer(ch->client, t, 0, -1, NULL);
		if (says_so) send(ch, "typing.stop", parent_id);
	}
}

beck_result beck_stop_typing(beck_channel *ch, const char *parent_id)
{
	beck_result r = check(ch, parent_id);
	if (r != BECK_OK) return r;
	typing_sent(ch, parent_id);
	return BECK_OK;
}

void typing_sent(beck_channel *ch, const char *parent_id)
{
	client_lock(ch->client);
	stop(ch, parent_id ? parent_id : "", !ch->no_typing);
	client_unlock(ch->client);
}

/* ---- the others ---- */

static void forget(beck_channel *ch, const char *user_id, const char *parent_id, int64_t now)
{
	size_t kept = 0;
	for (size_t i = 0; i < ch->n_typists; i++) {
		struct typist *t = &ch->typists[i];
		bool is_he = user_id && strcmp(t->user_id, user_id) == 0 && (!parent_id || strcmp(t->parent_id, parent_id) == 0);
		if (!is_he && t->until_ms > now) ch->typists[kept++] = *t;
	}
	ch->n_typists = kept;
}

static void on_typing(void *ctx, beck_client *c, const beck_event *e)
{
	beck_channel *ch = ctx;
	const beck_value *v = beck_event_value(e);
	const char *user = beck_value_text(beck_value_path(v, "user.id")),
		   *parent = beck_value_text(beck_value_get(v, "parent_id"));
	const char *type = beck_event_type(e);
	bool is_start = strcmp(type, "typing.start") == 0, is_message = strcmp(type, "message.new") == 0;
	if (!*user) return;
	client_lock(c);
	int64_t now = client_now_ms(c);
	bool is_self = c->user.id && strcmp(user, c->user.id) == 0;
	if (is_self) is_start = false;
	forget(ch, user, is_message ? NULL : parent, now);
	if (is_start && !ch->typists) ch->typists = mem_calloc(TYPISTS_MAX, sizeof *ch->typists);
	if (is_start && ch->typists && ch->n_typists < TYPISTS_MAX) {
		struct typist *t = &ch->typists[ch->n_typists++];
		(void)snprintf(t->user_id, sizeof t->user_id, "%s", user);
		(void)snprintf(t->parent_id, sizeof t->parent_id, "%s", parent);
		t->until_ms = now + LIMIT_CLIENT_TYPIST_MS;
	}
	client_unlock(c);
}

/* Without memory for a handler nobody is seen typing. */
void typing_begin(beck_channel *ch)
{
	static const char *const types[] = { "typing.start", "typing.stop", "message.new" };
	for (size_t i = 0; i < BECK_COUNT(types); i++)
		ch->typing_handlers[i] = events_on(ch->client, types[i], ch->cid, on_typing, ch);
}

void typing_deaf(beck_channel *ch)
{
	for (size_t i = 0; i < BECK_COUNT(ch->typing_handlers); i++) events_off_wait(ch->client, ch->typing_handlers[i]);
}

void typing_end(beck_channel *ch)
{
	for (size_t i = 0; i < TYPING_PLACES; i++) (void)client_timer(ch->client, &ch->places[i], 0, -1, NULL);
}

size_t beck_each_typing(beck_channel *ch, void (*fn)(void *ctx, const char *user_id, const char *parent_id), void *ctx)
{
	if (!ch || !fn) return 0;
	client_lock(ch->client);
	forget(ch, NULL, NULL, client_now_ms(ch->client));
	size_t n = ch->n_typists;
	struct typist *copy = n ? mem_alloc(n * sizeof *copy) : NULL;
	if (copy) memcpy(copy, ch->typists, n * sizeof *copy);
	client_unlock(ch->client);
	for (size_t i = 0; copy && i < n; i++) fn(ctx, copy[i].user_id, copy[i].parent_id);
	mem_free(copy);
	return copy ? n : 0;
}
