/* The log as events: loads what a page of rows speaks of, at once, and renders row by row under the viewer's present rights. */
#include "chat/channel_data.h"
#include "chat/replay_parts.h"

bool replay_is_message(enum event_type t)
{
	return t == EVENT_MESSAGE_NEW || t == EVENT_MESSAGE_UPDATED || t == EVENT_MESSAGE_DELETED ||
	       t == EVENT_MESSAGE_UNDELETED || t == EVENT_NOTIFICATION_THREAD_MESSAGE_NEW;
}

struct replay_channel *replay_channel(const struct replay *r, int64_t pk)
{
	for (size_t i = r->channel_count; i > 0; i--) /* neighbours in the log are of few channels */
		if (r->channels[i - 1].pk == pk) return &r->channels[i - 1];
	return NULL;
}

static bool in_list(const int64_t *list, size_t n, int64_t v)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == v) return true;
	return false;
}

static enum err load_channel(struct replay *r, int64_t pk)
{
	if (pk == 0 || replay_channel(r, pk)) return ERR_OK;
	struct chat_ctx *c = r->c;
	struct replay_channel *rc = &r->channels[r->channel_count];
	*rc = (struct replay_channel){ .pk = pk, .watched = r->o->is_sync || in_list(r->o->watched, r->o->watched_n, pk) };
	enum err e = store_channel_get_pk(c->tx, pk, c->arena, &rc->x.ch);
	if (e != ERR_OK && e != ERR_NOT_FOUND) return chat_store_fail(c, e);
	if (e == ERR_OK) {
		e = chat_channel_fill(c, &rc->x);
		if (e != ERR_OK && e != ERR_NOT_FOUND) return e;
		c->error = (struct error){ 0 };
		rc->is_there = e == ERR_OK;
	}
	rc->readable = rc->is_there && chat_channel_readable(c, &rc->x);
	r->channel_count++;
	return ERR_OK;
}

static int64_t channel_of(const struct store_event *row) { return row->channel_pk ? row->channel_pk : row->context_pk; }

/* Distinct channels first, since rows point into the array that must not move. */
static enum err load_channels(struct replay *r, const struct store_event *rows, size_t n)
{
	enum err e = ERR_OK;
	for (size_t i = 0; e == ERR_OK && i < n; i++) e = load_channel(r, channel_of(&rows[i]));
	return e;
}

static enum err load_message(struct replay *r, int64_t pk, struct message *out)
{
	if (pk == 0) return ERR_OK;
	enum err e = store_messages_get_pk(r->c->tx, &pk, 1, r->c->arena, out);
	if (e != ERR_OK) return chat_store_fail(r->c, e);
	const struct replay_channel *rc = out->pk ? replay_channel(r, out->channel_pk) : NULL;
	if (!rc || !rc->readable || !message_visible(r->c, &rc->x, out)) *out = (struct message){ 0 };
	return ERR_OK;
}

/* Fills those that are there, as one list. */
static enum err fill_messages(struct replay *r, struct message *m, size_t n)
{
	struct chat_ctx *c = r->c;
	size_t count = 0;
	for (size_t i = 0; i < n; i++) count += m[i].pk != 0;
	struct message *list = arena_array(c->arena, struct message, count);
	const struct channel **ch = arena_array(c->arena, const struct channel *, count);
	if (count && (!list || !ch)) return chat_store_fail(c, ERR_UNAVAILABLE);
	for (size_t i = 0, k = 0; i < n; i++) {
		if (m[i].pk == 0) continue;
		list[k] = m[i];
		ch[k++] = &replay_channel(r, m[i].channel_pk)->x.ch;
	}
	enum err e = message_fill_each(c, ch, list, count);
	if (e == ERR_OK) message_hide_quotes(c, list, count);
	for (size_t i = 0, k = 0; e == ERR_OK && i < n; i++)
		if (m[i].pk != 0) m[i] = list[k++];
	return e;
}

static enum err load_messages(struct replay *r, const struct store_event *rows, size_t n)
{
	r->messages = arena_array(r->c->arena, struct message, n);
	r->parents = arena_array(r->c->arena, struct message, n);
	if (n && (!r->messages || !r->parents)) return chat_store_fail(r->c, ERR_UNAVAILABLE);
	enum err e = ERR_OK;
	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		enum event_type t = event_type_find(rows[i].type);
		e = load_message(r, rows[i].message_pk, &r->messages[i]);
		bool wants_parent = t == EVENT_MESSAGE_NEW || t == EVENT_NOTIFICATION_THREAD_MESSAGE_NEW;
		if (e == ERR_OK && wants_parent && r->messages[i].parent_pk)
			e = load_message(r, r->messages[i].parent_pk, &r->parents[i]);
	}
	if (e == ERR_OK) e = fill_messages(r, r->messages, n);
	return e == ERR_OK ? fill_messages(r, r->parents, n) : e;
}

static int64_t named_user(struct chat_ctx *c, const struct store_event *row)
{
	yyjson_val *data = stored_json(c, row->data), *v = json_get(data, "user_pk");
	return yyjson_is_int(v) ? yyjson_get_sint(v) : 0;
}

static enum err load_people(struct replay *r, const struct store_event *rows, size_t n)
{
	people_init(&r->people, r->c);
	for (size_t i = 0; i < n; i++) {
		people_want(&r->people, rows[i].actor_pk);
		people_want(&r->people, rows[i].user_pk);
		people_want(&r->people, named_user(r->c, &rows[i]));
	}
	return people_load(&r->people);
}

/* Unread totals ride with what changes them; they are the present ones. */
static bool has_counts(enum event_type t)
{
	return t == EVENT_MESSAGE_NEW || t == EVENT_NOTIFICATION_MESSAGE_NEW || t == EVENT_MESSAGE_DELETED ||
	       t == EVENT_NOTIFICATION_MARK_READ || t == EVENT_NOTIFICATION_MARK_UNREAD ||
	       t == EVENT_NOTIFICATION_THREAD_MESSAGE_NEW || t == EVENT_NOTIFICATION_ADDED_TO_CHANNEL ||
	       t == EVENT_NOTIFICATION_REMOVED_FROM_CHANNEL;
}

static enum err make_event(
	struct replay *r, const struct store_event *row, enum event_type type, struct span text, struct event **out)
{
	struct event *e = event_new(type);
	if (e) e->body = blob_make(text);
	if (!e || !e->body) {
		event_unref(e);
		return chat_store_fail(r->c, ERR_UNAVAILABLE);
	}
	e->pos = row->pos;
	e->app = row->app;
	e->channel = channel_of(row);
	e->user = row->user_pk;
	e->actor = row->actor_pk;
	if (has_counts(type)) e->flags |= EVENT_HAS_COUNTS;
	*out = e;
	return ERR_OK;
}

static enum err render_one(struct replay *r, const struct store_event *row, size_t index, struct event **out)
{
	struct event_text t = { 0 };
	struct span text;
	enum event_type type;
	bool given = false;
	enum err e = replay_row(r, row, index, &t, &type, &given);
	if (e == ERR_OK && given) e = event_text_end(r->c, &t, &text);
	if (e == ERR_OK && given) e = make_event(r, row, type, text, out);
	event_text_free(&t);
	return e;
}

/* What the rows speak of is loaded for so many at once: few enough for one arena, whatever their messages, quotes, parents and
 * mentioned users weigh. */
enum { ROWS_AT_ONCE = 16 };

/* More may be rendered: bodies and channels are within bounds, or nothing is done yet. */
static bool has_room(const struct replay *r, const struct replayed *out)
{
	return out->rows == 0 || (out->bytes < r->o->most_bytes && r->keep->used_bytes < r->keep->max_bytes / 2);
}

static enum err render_rows(struct replay *r, const struct store_event *rows, size_t n, struct replayed *out)
{
	enum err e = load_messages(r, rows, n);
	if (e == ERR_OK) e = load_people(r, rows, n);
	for (size_t i = 0; e == ERR_OK && i < n && has_room(r, out); i++) {
		struct event *made = NULL;
		e = render_one(r, &rows[i], i, &made);
		if (e != ERR_OK) break;
		out->rows++;
		if (!made) continue;
		out->events[out->n++] = made;
		out->bytes += made->body->n;
	}
	return e;
}

/* The error's texts outlive the rows. */
static void keep_error(struct chat_ctx *c)
{
	struct error *e = &c->error;
	e->message = arena_dup(c->arena, e->message);
	e->field = arena_dup(c->arena, e->field);
	e->field_why = arena_dup(c->arena, e->field_why);
}

enum err replay_render(
	struct chat_ctx *c, const struct store_event *rows, size_t n, const struct replay_options *o, struct replayed *out)
{
	struct arena in_hand;
	struct replay r = { .c = c, .keep = c->arena, .o = o };
	enum err e = ERR_OK;
	out->n = out->rows = out->bytes = 0;
	r.channels = arena_array(c->arena, struct replay_channel, n + 1);
	if (!r.channels) return chat_store_fail(c, ERR_UNAVAILABLE);
	arena_init(&in_hand, c->arena->max_bytes);
	while (e == ERR_OK && out->rows < n && has_room(&r, out)) {
		const struct store_event *next = rows + out->rows;
		size_t left = n - out->rows, count = left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE;
		e = load_channels(&r, next, count);
		c->arena = &in_hand;
		if (e == ERR_OK) e = render_rows(&r, next, count, out);
		c->arena = r.keep;
		if (e != ERR_OK) keep_error(c);
		arena_reset(&in_hand);
	}
	arena_deinit(&in_hand);
	while (e != ERR_OK && out->n > 0) event_unref(out->events[--out->n]);
	return e;
}
