/* One log row as the event it is to this viewer now. */
#include "chat/channel_data.h"
#include "chat/replay_parts.h"
#include "chat/user_rules.h"
#include "store/store_members.h"

struct row {
	struct replay *r;
	struct chat_ctx *c;
	const struct store_event *log;
	size_t index;
	enum event_type type;
	const struct replay_channel *rc; /* NULL: the row speaks of none */
	yyjson_val *data;
	struct event_text *t;
	bool given;
};

static void begin(struct row *w, struct span type)
{
	event_text_begin(w->c, w->t, type, w->log->created_at, w->rc && w->rc->is_there ? &w->rc->x.ch : NULL);
	w->given = true;
}

static const struct user *actor(const struct row *w) { return people_get(&w->r->people, w->log->actor_pk); }

static void write_user(struct row *w, const struct user *u)
{
	if (u) event_text_user(w->c, w->t, u);
}

static void write_channel(struct row *w)
{
	jsonw_key(&w->t->w, "channel");
	chat_channel_write(w->c, &w->t->w, &w->rc->x, true);
}

/* ---- messages ---- */
static void row_message_new(struct row *w)
{
	const struct message *m = &w->r->messages[w->index], *parent = &w->r->parents[w->index];
	if (m->pk == 0) return;
	if (w->rc->watched) {
		message_new_text(w->c, w->t, &w->rc->x, m, parent->pk ? parent : NULL, w->log->created_at);
	} else if (w->rc->x.is_member && message_in_list(m)) {
		message_notification_text(w->c, w->t, &w->rc->x, m, w->log->created_at);
		w->type = EVENT_NOTIFICATION_MESSAGE_NEW;
	} else {
		return;
	}
	w->given = true;
}

static void row_thread_message(struct row *w)
{
	const struct message *m = &w->r->messages[w->index], *parent = &w->r->parents[w->index];
	if (m->pk == 0 || w->rc->watched || m->parent_pk == 0) return;
	thread_notification_text(w->c, w->t, &w->rc->x, m, parent->pk ? parent : NULL, w->log->created_at);
	w->given = true;
}

static void row_message_change(struct row *w)
{
	const struct message *m = &w->r->messages[w->index];
	if (m->pk == 0 || !w->rc->watched) return;
	begin(w, event_type_name(w->type));
	event_text_message(w->t, m);
	write_user(w, actor(w));
}

/* Erased: what is left is in the log. It was told only to those who could see it. */
static bool erased_message(struct row *w, struct message *m)
{
	if (!json_get(w->data, "hard")) return false;
	int64_t author = yyjson_get_sint(json_get(w->data, "user"));
	bool own = w->c->me.pk != 0 && author == w->c->me.pk;
	struct span restricted = SPAN_NONE;
	yyjson_val *list = json_get(w->data, "restricted");
	if (list) restricted = json_text(w->c->arena, list);
	if (!own && (json_get(w->data, "shadowed") || (list && !id_listed(restricted, w->c->me.id)))) return false;
	*m = (struct message){ .pk = w->log->message_pk,
		.channel_pk = w->log->channel_pk,
		.cid = w->rc->x.ch.cid,
		.user_pk = author,
		.id = json_span(json_get(w->data, "id")),
		.parent_id = json_span(json_get(w->data, "parent_id")),
		.type = SPAN("deleted"),
		.text = SPAN(""),
		.html = SPAN(""),
		.created_at = yyjson_get_sint(json_get(w->data, "created_at")),
		.updated_at = w->log->created_at,
		.deleted_at = w->log->created_at };
	return m->created_at > history_cut(&w->rc->x);
}

/* Deleted by himself for himself: his own stream tells him, watching or not. */
static enum err row_deleted_for_me(struct row *w)
{
	struct message m = { 0 };
	if (!w->rc->readable) return ERR_OK;
	enum err e = store_messages_get_pk(w->c->tx, &w->log->message_pk, 1, w->c->arena, &m);
	if (e != ERR_OK) return chat_store_fail(w->c, e);
	if (m.pk == 0) return ERR_OK; /* erased since */
	message_bury(&m, w->log->created_at);
	m.deleted_for_me = true;
	e = message_fill(w->c, &w->rc->x.ch, &m, 1);
	if (e != ERR_OK) return e;
	message_deleted_text(w->c, w->t, &w->rc->x, &m, false, &w->c->me, w->log->created_at);
	w->given = true;
	return ERR_OK;
}

static enum err row_message_deleted(struct row *w)
{
	if (w->log->user_pk != 0) return row_deleted_for_me(w);
	struct message gone;
	const struct message *m = &w->r->messages[w->index];
	bool hard = json_get(w->data, "hard") != NULL;
	const struct user *by = actor(w);
	static const struct user nobody = { 0 };
	if (!w->rc->watched || !w->rc->readable) return ERR_OK;
	if (m->pk == 0) {
		if (!erased_message(w, &gone)) return ERR_OK;
		gone.user.pk = gone.user_pk;
		enum err e = store_users_get_pk(w->c->tx, &gone.user_pk, 1, w->c->arena, &gone.user);
		if (e != ERR_OK) return chat_store_fail(w->c, e);
		m = &gone;
	}
	message_deleted_text(w->c, w->t, &w->rc->x, m, hard, by ? by : &nobody, w->log->created_at);
	w->given = true;
	return ERR_OK;
}

/* ---- read state ---- */
static struct read_news read_of(const struct row *w)
{
	return (struct read_news){ .x = w->rc ? &w->rc->x : NULL,
		.at_us = w->log->created_at,
		.last_read_message_id = json_span(json_get(w->data, "last_read_message_id")),
		.thread_id = json_span(json_get(w->data, "thread_id")) };
}

/* Hidden when it happened, or by the reader's setting now: his own business. */
static void row_message_read(struct row *w)
{
	const struct user *reader = actor(w);
	bool own = w->log->actor_pk == w->c->me.pk;
	if (!reader || !w->rc->watched || !w->rc->readable) return;
	if (!own && (json_get(w->data, "hidden") || !privacy_read_on(reader))) return;
	struct read_news n = read_of(w);
	message_read_text(w->c, w->t, &n, reader);
	w->given = true;
}

static void row_mark_read(struct row *w)
{
	if (w->rc && !w->rc->readable) return;
	struct read_news n = read_of(w);
	mark_read_text(w->c, w->t, &n, &w->c->me);
	w->given = true;
}

static void copy_str(struct row *w, const char *key)
{
	struct span v = json_span(json_get(w->data, key));
	if (v.n) jsonw_kstr(&w->t->w, key, v);
}

static void copy_int(struct row *w, const char *key)
{
	yyjson_val *v = json_get(w->data, key);
	if (yyjson_is_int(v)) jsonw_kint(&w->t->w, key, yyjson_get_sint(v));
}

static void row_mark_unread(struct row *w)
{
	if (!w->rc || !w->rc->readable) return;
	begin(w, event_type_name(w->type));
	write_user(w, &w->c->me);
	copy_str(w, "first_unread_message_id");
	copy_str(w, "thread_id");
	jsonw_ktime(&w->t->w, "last_read_at", DIALECT_1, yyjson_get_sint(json_get(w->data, "last_read_at")));
	copy_str(w, "last_read_message_id");
	copy_int(w, "unread_messages");
	copy_int(w, "unread_thread_messages");
}

/* ---- channels and members ---- */
static void write_extras(struct row *w)
{
	const struct message *m = &w->r->messages[w->index];
	if (w->log->message_pk && m->pk) {
		jsonw_key(&w->t->w, "message");
		message_write(&w->t->w, DIALECT_1, m);
	}
	yyjson_val *clear = json_get(w->data, "clear_history");
	if (yyjson_is_bool(clear)) jsonw_kbool(&w->t->w, "clear_history", yyjson_get_bool(clear));
}

/* A channel deleted for good has lost its name already; the log kept it. */
static void take_name(struct row *w)
{
	struct channel *ch = &replay_channel(w->r, w->rc->pk)->x.ch;
	struct span cid = json_span(json_get(w->data, "cid")), id = json_span(json_get(w->data, "id"));
	if (w->type != EVENT_CHANNEL_DELETED || cid.n == 0 || id.n == 0) return;
	cid = arena_dup(w->r->keep, cid);
	id = arena_dup(w->r->keep, id);
	if (!span_given(cid) || !span_given(id)) return;
	ch->cid = cid;
	ch->id = id;
}

static void row_channel(struct row *w, enum event_type twin)
{
	if (!w->rc->readable) return;
	take_name(w);
	if (!w->rc->watched) {
		if (twin == EVENT_COUNT || !w->rc->x.is_member) return;
		w->type = twin;
	}
	begin(w, event_type_name(w->type));
	write_channel(w);
	write_extras(w);
	write_user(w, actor(w));
}

static void row_own_channel(struct row *w)
{
	if (!w->rc || !w->rc->readable) return;
	begin(w, event_type_name(w->type));
	write_channel(w);
	write_extras(w);
	write_user(w, &w->c->me);
}

/* Who the row is about: named in its data, or the owner of the stream. */
static int64_t subject(const struct row *w)
{
	yyjson_val *v = json_get(w->data, "user_pk");
	return yyjson_is_int(v) ? yyjson_get_sint(v) : w->log->user_pk;
}

static enum err write_member(struct row *w)
{
	struct member m;
	enum err e = store_member_get(w->c->tx, w->rc->pk, subject(w), w->c->arena, &m);
	const struct user *u = people_get(&w->r->people, subject(w));
	if (e != ERR_OK && e != ERR_NOT_FOUND) return chat_store_fail(w->c, e);
	if (!u) return ERR_OK;
	if (e == ERR_NOT_FOUND)
		m = (struct member){ .user_pk = u->pk,
			.channel_role = SPAN("channel_member"),
			.created_at = w->log->created_at,
			.updated_at = w->log->created_at };
	m.user = *u;
	m.is_owner = u->pk == w->rc->x.ch.created_by.pk;
	m.shadow_banned = false;
	if (u->pk != w->c->me.pk) m.pinned_at = m.archived_at = 0;
	jsonw_key(&w->t->w, "member");
	member_write(&w->t->w, DIALECT_1, &m);
	write_user(w, u);
	return ERR_OK;
}

static enum err row_member(struct row *w)
{
	bool own_stream = w->log->user_pk != 0;
	if (!w->rc->readable || (!own_stream && !w->rc->watched)) return ERR_OK;
	begin(w, event_type_name(w->type));
	write_channel(w);
	return write_member(w);
}

static enum err row_membership(struct row *w)
{
	if (!w->rc || !w->rc->readable || (w->rc->watched && !w->r->o->is_sync)) return ERR_OK;
	begin(w, event_type_name(w->type));
	write_channel(w);
	return write_member(w);
}

/* He may not look into the channel any more: its name is all he gets. */
static void row_removed(struct row *w)
{
	if (!w->rc || !w->rc->is_there || (w->rc->watched && !w->r->o->is_sync)) return;
	const struct channel *ch = &w->rc->x.ch;
	event_text_begin(w->c, w->t, event_type_name(w->type), w->log->created_at, w->rc->readable ? ch : NULL);
	w->given = true;
	struct jsonw *j = &w->t->w;
	if (!w->rc->readable) {
		jsonw_kstr(j, "cid", ch->cid);
		jsonw_kstr(j, "channel_type", ch->type);
		jsonw_kstr(j, "channel_id", ch->id);
	}
	jsonw_key(j, "channel");
	jsonw_obj_begin(j);
	jsonw_kstr(j, "id", ch->id);
	jsonw_kstr(j, "type", ch->type);
	jsonw_kstr(j, "cid", ch->cid);
	jsonw_obj_end(j);
	write_user(w, &w->c->me);
}

/* His own, or of somebody whose presence he follows. */
static void row_user_updated(struct row *w)
{
	bool own = w->log->user_pk == w->c->me.pk;
	const struct user *u = own ? &w->c->me : people_get(&w->r->people, w->log->user_pk);
	if (!u || json_get(w->data, "ends")) return; /* erased since, or only the mark that sessions ended */
	event_text_begin(w->c, w->t, SPAN("user.updated"), w->log->created_at, NULL);
	w->given = true;
	jsonw_key(&w->t->w, "user");
	user_write(&w->t->w, DIALECT_1, own ? USER_VIEW_SELF : USER_VIEW_PRIVACY, u);
}

static void row_user_deleted(struct row *w)
{
	const struct user *known = people_get(&w->r->people, w->log->user_pk);
	struct user u = known ? *known : user_new(json_span(json_get(w->data, "id")));
	if (u.deleted_at == 0) u.deleted_at = w->log->created_at;
	if (!known) u.created_at = u.updated_at = w->log->created_at;
	event_text_begin(w->c, w->t, SPAN("user.deleted"), w->log->created_at, NULL);
	w->given = true;
	jsonw_key(&w->t->w, "user");
	user_write(&w->t->w, DIALECT_1, USER_VIEW_COMMON, &u);
	chat_user_deleted_modes(&w->t->w, json_span(json_get(w->data, "user")), json_span(json_get(w->data, "messages")),
		json_span(json_get(w->data, "conversations")));
}

/* ---- which is which ---- */
static bool is_synced(enum event_type t)
{
	switch (t) {
	case EVENT_USER_UPDATED:
	case EVENT_USER_DELETED:
	case EVENT_NOTIFICATION_THREAD_MESSAGE_NEW:
	case EVENT_NOTIFICATION_INVITED:
	case EVENT_NOTIFICATION_INVITE_ACCEPTED:
	case EVENT_NOTIFICATION_INVITE_REJECTED: return false;
	default: return true;
	}
}

static enum err render(struct row *w)
{
	switch (w->type) {
	case EVENT_MESSAGE_NEW: row_message_new(w); return ERR_OK;
	case EVENT_NOTIFICATION_THREAD_MESSAGE_NEW: row_thread_message(w); return ERR_OK;
	case EVENT_MESSAGE_UPDATED:
	case EVENT_MESSAGE_UNDELETED: row_message_change(w); return ERR_OK;
	case EVENT_MESSAGE_DELETED: return row_message_deleted(w);
	case EVENT_MESSAGE_READ: row_message_read(w); return ERR_OK;
	case EVENT_NOTIFICATION_MARK_READ: row_mark_read(w); return ERR_OK;
	case EVENT_NOTIFICATION_MARK_UNREAD: row_mark_unread(w); return ERR_OK;
	case EVENT_CHANNEL_CREATED:
	case EVENT_CHANNEL_UPDATED: row_channel(w, EVENT_COUNT); return ERR_OK;
	case EVENT_CHANNEL_DELETED: row_channel(w, EVENT_NOTIFICATION_CHANNEL_DELETED); return ERR_OK;
	case EVENT_CHANNEL_TRUNCATED: row_channel(w, EVENT_NOTIFICATION_CHANNEL_TRUNCATED); return ERR_OK;
	case EVENT_CHANNEL_HIDDEN:
	case EVENT_CHANNEL_VISIBLE: row_own_channel(w); return ERR_OK;
	case EVENT_MEMBER_ADDED:
	case EVENT_MEMBER_UPDATED:
	case EVENT_MEMBER_REMOVED: return row_member(w);
	case EVENT_NOTIFICATION_ADDED_TO_CHANNEL:
	case EVENT_NOTIFICATION_INVITED:
	case EVENT_NOTIFICATION_INVITE_ACCEPTED:
	case EVENT_NOTIFICATION_INVITE_REJECTED: return row_membership(w);
	case EVENT_NOTIFICATION_REMOVED_FROM_CHANNEL: row_removed(w); return ERR_OK;
	case EVENT_USER_UPDATED: row_user_updated(w); return ERR_OK;
	case EVENT_USER_DELETED: row_user_deleted(w); return ERR_OK;
	default: return ERR_OK; /* never logged, or not for anybody's replay */
	}
}

static bool is_profile(enum event_type t) { return t == EVENT_USER_UPDATED || t == EVENT_USER_DELETED; }
static bool needs_channel(enum event_type t) { return t != EVENT_NOTIFICATION_MARK_READ && !is_profile(t); }

enum err replay_row(
	struct replay *r, const struct store_event *log, size_t index, struct event_text *t, enum event_type *type, bool *given)
{
	int64_t channel = log->channel_pk ? log->channel_pk : log->context_pk;
	struct row w = { .r = r,
		.c = r->c,
		.log = log,
		.index = index,
		.type = event_type_find(log->type),
		.t = t,
		.rc = replay_channel(r, channel),
		.data = stored_json(r->c, log->data) };
	*given = false;
	if (log->user_pk != 0 && log->user_pk != r->c->me.pk && !is_profile(w.type)) return ERR_OK;
	if (r->o->is_sync && !is_synced(w.type)) return ERR_OK;
	if ((needs_channel(w.type) || channel != 0) && (!w.rc || !w.rc->is_there)) return ERR_OK;
	/* Of a deleted channel only its end is told. */
	bool tells_end = w.type == EVENT_CHANNEL_DELETED || w.type == EVENT_NOTIFICATION_REMOVED_FROM_CHANNEL;
	if (w.rc && w.rc->x.ch.deleted_at && !tells_end) return ERR_OK;
	enum err e = render(&w);
	*type = w.type;
	*given = e == ERR_OK && w.given;
	if (e != ERR_OK && w.given) r->c->dialect = t->saved;
	return e;
}
