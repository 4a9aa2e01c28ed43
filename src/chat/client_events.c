/* Events that clients send: typing, indicators, custom ones. They live for a moment: no log row, no replay. */
#include "base/limits.h"
#include "chat/channel_data.h"
#include "chat/message_parts.h"
#include "chat/message_rules.h"
#include "wire/ids.h"

struct sent {
	enum event_type type;
	struct span name;
	yyjson_val *obj;
	struct span custom, parent_id;
};

static bool key_reserved(struct span key)
{
	static const char *const names[] = { "type", "user", "user_id", "cid", "channel_type", "channel_id", "channel",
		"created_at", "received_at", "channel_last_message_at", "team", "channel_custom", "channel_member_count",
		"channel_message_count", "connection_id", "me", "watcher_count", "parent_id", "custom", "total_unread_count",
		"unread_channels", "unread_count", "unread_threads", "seq" };
	for (size_t i = 0; i < BECK_COUNT(names); i++)
		if (span_is(key, names[i])) return true;
	return false;
}

static enum err take_custom(struct chat_ctx *c, struct sent *s)
{
	yyjson_val *from = c->dialect == DIALECT_2 ? json_get(s->obj, "custom") : s->obj;
	if (value_given(from) && !yyjson_is_obj(from)) return chat_fail(c, ERR_INPUT, "custom", "custom must be an object");
	s->custom = yyjson_is_obj(from) ? custom_collect(c->arena, from, key_reserved) : SPAN_NONE;
	return ERR_OK;
}

static enum err take_event(struct chat_ctx *c, yyjson_val *body, struct sent *s)
{
	s->obj = json_get(body, "event");
	if (!yyjson_is_obj(s->obj)) return chat_fail(c, ERR_INPUT, "event", "event must be an object");
	s->name = json_span(json_get(s->obj, "type"));
	if (s->name.n == 0 || s->name.n > 255)
		return chat_fail(c, ERR_INPUT, "type", "event.type must be a string of 1 to 255 bytes");
	struct span text = json_text(c->arena, s->obj);
	if (!span_given(text)) return chat_store_fail(c, ERR_UNAVAILABLE);
	if (text.n > (size_t)LIMIT_EVENT_BYTES)
		return chat_fail(c, ERR_TOO_BIG, "event", "the event is larger than %lld bytes", (long long)LIMIT_EVENT_BYTES);
	enum err e = take_string(c, s->obj, "parent_id", (size_t)LIMIT_MESSAGE_ID_BYTES, &s->parent_id);
	return e == ERR_OK ? take_custom(c, s) : e;
}

/* Every name that the server sends or the documentation knows is taken, ours or not. */
static bool is_built_in(struct span name)
{
	static const char *const families[] = { "health.", "user.", "typing.", "message.", "notification.", "channel.", "member.",
		"reaction.", "thread.", "draft.", "poll.", "reminder.", "connection.", "ai_indicator.", "transport.",
		"user_group.", "channel_batch_update.", "flag.", "export.", "live_location_sharing." };
	if (event_type_find(name) != EVENT_COUNT) return true;
	for (size_t i = 0; i < BECK_COUNT(families); i++)
		if (span_starts(name, span_str(families[i]))) return true;
	return false;
}

static bool is_typing(enum event_type t) { return t == EVENT_TYPING_START || t == EVENT_TYPING_STOP; }

/* Which kind it is; built-in names outside the allowed list are none. */
static enum err classify(struct chat_ctx *c, struct sent *s)
{
	enum event_type t = event_type_find(s->name);
	switch (t) {
	case EVENT_TYPING_START:
	case EVENT_TYPING_STOP:
	case EVENT_AI_INDICATOR_UPDATE:
	case EVENT_AI_INDICATOR_STOP:
	case EVENT_AI_INDICATOR_CLEAR:
	case EVENT_MESSAGE_READ: s->type = t; return ERR_OK;
	default: break;
	}
	if (is_built_in(s->name))
		return chat_fail(c, ERR_EVENT_TYPE, "type", "events of type %.*s cannot be sent", SPAN_FMT(s->name));
	s->type = EVENT_CUSTOM_CHANNEL;
	return ERR_OK;
}

static enum err check_sender(struct chat_ctx *c, const struct channel_ctx *x, const struct sent *s)
{
	if (chat_is_server(c)) return ERR_OK;
	if (c->caller != CALLER_USER) return chat_fail(c, ERR_NOT_ALLOWED, NULL, "anonymous users cannot send events");
	if (s->type == EVENT_CUSTOM_CHANNEL) {
		enum err e = chat_require(c, x, "send-custom-event", false);
		if (e != ERR_OK) return e;
	}
	if (x->is_member || registry_is_watching(c->chat->registry, c->app->pk, x->ch.pk, c->me.pk)) return ERR_OK;
	return chat_fail(c, ERR_NOT_ALLOWED, NULL, "user %.*s is neither member nor watcher of the channel", SPAN_FMT(c->me.id));
}

static enum err check_feature(struct chat_ctx *c, const struct channel_ctx *x, const struct sent *s)
{
	if (is_typing(s->type) && !x->effective.typing_events)
		return chat_fail(c, ERR_FEATURE_OFF, NULL, "typing events not enabled");
	if (s->type == EVENT_CUSTOM_CHANNEL && !x->effective.custom_events)
		return chat_fail(c, ERR_FEATURE_OFF, NULL, "custom events not enabled");
	return ERR_OK;
}

/* The members of the event as everybody gets it, and as the answer repeats it in the caller's dialect. */
static void write_members(struct chat_ctx *c, struct jsonw *w, enum dialect d, const struct sent *s)
{
	struct user me = c->me;
	chat_user_for_viewer(c, &me);
	jsonw_key(w, "user");
	user_write(w, d, USER_VIEW_COMMON, &me);
	if (span_given(s->parent_id)) jsonw_kstr(w, "parent_id", s->parent_id);
	jsonw_ktime(w, "received_at", d, c->now_us);
	if (d == DIALECT_2)
		jsonw_kraw(w, "custom", span_given(s->custom) ? s->custom : SPAN("{}"));
	else if (span_given(s->custom))
		jsonw_raw_members(w, s->custom);
}

static void write_answer(struct chat_ctx *c, struct jsonw *w, const struct channel_ctx *x, const struct sent *s)
{
	jsonw_key(w, "event");
	jsonw_obj_begin(w);
	jsonw_kstr(w, "type", s->name);
	jsonw_ktime(w, "created_at", c->dialect, c->now_us);
	jsonw_kstr(w, "cid", x->ch.cid);
	jsonw_kstr(w, "channel_type", x->ch.type);
	jsonw_kstr(w, "channel_id", x->ch.id);
	write_members(c, w, c->dialect, s);
	jsonw_obj_end(w);
}

/* After the feature switch, in the contract's order: privacy, then the crowd. The sender learns of neither. */
static bool is_dropped(struct chat_ctx *c, const struct channel_ctx *x, const struct sent *s)
{
	if (!is_typing(s->type)) return false;
	if (!privacy_typing_on(&c->me)) return true;
	return registry_watcher_count(c->chat->registry, c->app->pk, x->ch.pk) > LIMIT_WATCH_EVENTS_MAX;
}

static enum err deliver(struct chat_ctx *c, const struct channel_ctx *x, const struct sent *s)
{
	struct event_text t;
	struct span text;
	event_text_begin(c, &t, s->name, c->now_us, &x->ch);
	write_members(c, &t.w, DIALECT_1, s);
	enum err e = event_text_end(c, &t, &text);
	struct event *ev = e == ERR_OK ? chat_record(c, s->type, NULL, text, SPAN_NONE) : NULL;
	event_text_free(&t);
	if (e == ERR_OK && !ev) e = chat_told(c);
	if (e != ERR_OK) return e;
	ev->channel = x->ch.pk;
	ev->actor = c->me.pk;
	if (is_typing(s->type)) ev->flags |= EVENT_DROPPABLE | EVENT_THIN_WATCHERS;
	return ERR_OK;
}

enum err chat_send_event(struct chat_ctx *c, struct span type, struct span id, yyjson_val *body, struct jsonw *w)
{
	struct channel_ctx x;
	struct sent s = { 0 };
	if (c->me.pk == 0 && chat_is_server(c))
		return chat_fail(c, ERR_INPUT, "user_id", "a server call names the sender in user_id or user");
	enum err e = take_event(c, body, &s);
	if (e == ERR_OK) e = classify(c, &s);
	if (e == ERR_OK && s.type == EVENT_MESSAGE_READ) {
		/* older clients mark read this way */
		e = chat_need_write(c);
		return e == ERR_OK ? chat_mark_read(c, type, id, s.obj, w) : e;
	}
	if (e == ERR_OK) e = chat_channel_load(c, type, id, &x);
	if (e == ERR_OK) e = check_feature(c, &x, &s);
	if (e == ERR_OK) e = check_sender(c, &x, &s);
	if (e == ERR_OK && !is_dropped(c, &x, &s)) e = deliver(c, &x, &s);
	if (e == ERR_OK) write_answer(c, w, &x, &s);
	return e;
}

/* ---- to one user ---- */
enum err chat_send_user_event(struct chat_ctx *c, struct span user_id, yyjson_val *body)
{
	struct sent s = { 0 };
	struct user target;
	enum err e = take_event(c, body, &s);
	if (e != ERR_OK) return e;
	if (span_find(s.name, '.') < s.name.n)
		return chat_fail(c, ERR_INPUT, "type", "the type of an event to a user has no dot");
	if (!user_id_valid(user_id)) return chat_fail(c, ERR_NOT_FOUND, NULL, "there is no such user");
	e = store_user_get(c->tx, c->app->pk, user_id, c->arena, &target);
	if (e == ERR_NOT_FOUND || (e == ERR_OK && target.deleted_at != 0))
		return chat_fail(c, ERR_NOT_FOUND, NULL, "user %.*s does not exist", SPAN_FMT(user_id));
	if (e != ERR_OK) return chat_store_fail(c, e);
	struct event_text t;
	struct span text;
	event_text_begin(c, &t, s.name, c->now_us, NULL);
	if (c->me.pk != 0) event_text_user(c, &t, &c->me);
	if (span_given(s.custom)) jsonw_raw_members(&t.w, s.custom);
	e = event_text_end(c, &t, &text);
	struct event *ev = e == ERR_OK ? chat_record(c, EVENT_CUSTOM_USER, NULL, text, SPAN_NONE) : NULL;
	event_text_free(&t);
	if (e == ERR_OK && !ev) e = chat_told(c);
	if (e != ERR_OK) return e;
	ev->user = target.pk;
	ev->actor = c->me.pk;
	return ERR_OK;
}
