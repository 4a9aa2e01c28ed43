/* ThreadState: what an answer says of a thread. Contract: messages.md 5. */
#include "base/limits.h"
#include "chat/thread_parts.h"

struct parts {
	struct store_participant *rows;
	size_t n;
	struct people people;
	const struct message *parent;
	const struct store_thread *thread;
};

static enum err load_parts(struct chat_ctx *c, const struct thread_want *want, struct parts *p)
{
	enum err e = store_thread_participants(c->tx, p->thread->parent_pk, want->participants, c->arena, &p->rows, &p->n);
	if (e != ERR_OK) return chat_store_fail(c, e);
	people_init(&p->people, c);
	people_want(&p->people, p->thread->created_by);
	for (size_t i = 0; i < p->n; i++) people_want(&p->people, p->rows[i].user_pk);
	return people_load(&p->people);
}

/* How far somebody has read is not for everybody. */
static bool shows_reading(const struct chat_ctx *c, const struct user *u)
{
	return sees_all(c) || u->pk == c->me.pk || privacy_read_on(u);
}

static void write_participant(struct chat_ctx *c, struct jsonw *w, const struct channel_ctx *x, const struct parts *p,
	const struct store_participant *row)
{
	const struct user *u = people_get(&p->people, row->user_pk);
	if (u == NULL) return;
	/* It cannot be left out, so one who hides his reading is shown as of his coming to the thread. */
	int64_t last_read = shows_reading(c, u) ? row->last_read : row->created_at;
	jsonw_obj_begin(w);
	jsonw_kstr(w, "user_id", u->id);
	jsonw_key(w, "user");
	user_write(w, c->dialect, chat_user_view(c, u), u);
	jsonw_kstr(w, "thread_id", p->parent->id);
	jsonw_kstr(w, "channel_cid", x->ch.cid);
	jsonw_ktime(w, "created_at", c->dialect, row->created_at);
	jsonw_ktime(w, "last_read_at", c->dialect, last_read);
	jsonw_kraw(w, "custom", SPAN("{}"));
	jsonw_obj_end(w);
}

static enum err write_read(struct chat_ctx *c, struct jsonw *w, const struct channel_ctx *x, const struct parts *p)
{
	jsonw_key(w, "read");
	jsonw_arr_begin(w);
	for (size_t i = 0; x->effective.read_events && i < p->n; i++) {
		const struct user *u = people_get(&p->people, p->rows[i].user_pk);
		if (u == NULL || !shows_reading(c, u)) continue;
		struct member m = { .user_pk = u->pk,
			.user = *u,
			.last_read = p->rows[i].last_read,
			.last_read_message_id = p->rows[i].last_read_message_id };
		enum err e = store_thread_unread(c->tx, p->thread->parent_pk, u->pk, &m.unread);
		if (e != ERR_OK) return chat_store_fail(c, e);
		read_write(w, c->dialect, &m, true);
	}
	jsonw_arr_end(w);
	return ERR_OK;
}

static enum err write_replies(
	struct chat_ctx *c, struct jsonw *w, const struct channel_ctx *x, const struct message *parent, int64_t limit)
{
	struct page page = { .family = PAGE_NEWEST, .limit = limit };
	struct message *list = NULL;
	size_t n = 0;
	enum err e = chat_replies_page(c, x, parent, &page, &list, &n);
	if (e != ERR_OK) return e;
	jsonw_key(w, "latest_replies");
	jsonw_arr_begin(w);
	for (size_t i = 0; i < n; i++) message_write(w, c->dialect, &list[i]);
	jsonw_arr_end(w);
	return ERR_OK;
}

static void write_counts(struct jsonw *w, const struct parts *p)
{
	jsonw_kint(w, "reply_count", p->parent->reply_count);
	jsonw_kint(w, "participant_count", p->thread->participant_count);
	jsonw_kint(w, "active_participant_count", p->thread->replier_count);
}

static void write_times(struct chat_ctx *c, struct jsonw *w, const struct parts *p)
{
	jsonw_ktime(w, "last_message_at", c->dialect, p->thread->last_reply_at);
	jsonw_ktime(w, "created_at", c->dialect, p->thread->created_at);
	jsonw_ktime(w, "updated_at", c->dialect, p->thread->last_reply_at);
	if (p->parent->deleted_at != 0) jsonw_ktime(w, "deleted_at", c->dialect, p->parent->deleted_at);
}

/* The title begins as the parent's text. */
static void write_head(struct chat_ctx *c, struct jsonw *w, const struct channel_ctx *x, const struct parts *p)
{
	const struct user *first = people_get(&p->people, p->thread->created_by);
	jsonw_kstr(w, "channel_cid", x->ch.cid);
	jsonw_key(w, "channel");
	chat_channel_write(c, w, x, false);
	jsonw_kstr(w, "parent_message_id", p->parent->id);
	jsonw_key(w, "parent_message");
	message_write(w, c->dialect, p->parent);
	jsonw_kstr(w, "created_by_user_id", first != NULL ? first->id : SPAN(""));
	if (first != NULL) {
		jsonw_key(w, "created_by");
		user_write(w, c->dialect, chat_user_view(c, first), first);
	}
	jsonw_kstr(w, "title", p->parent->text);
	jsonw_kraw(w, "custom", SPAN("{}"));
}

enum err thread_write(struct chat_ctx *c, struct jsonw *w, const struct channel_ctx *x, const struct store_thread *t,
	const struct message *parent, const struct thread_want *want)
{
	struct message shown = *parent;
	struct parts p = { .parent = &shown, .thread = t };
	enum err e = message_fill(c, &x->ch, &shown, 1);
	if (e == ERR_OK) e = load_parts(c, want, &p);
	if (e != ERR_OK) return e;
	message_hide_quotes(c, &shown, 1);
	jsonw_obj_begin(w);
	write_head(c, w, x, &p);
	write_counts(w, &p);
	write_times(c, w, &p);
	jsonw_key(w, "thread_participants");
	jsonw_arr_begin(w);
	for (size_t i = 0; i < p.n; i++) write_participant(c, w, x, &p, &p.rows[i]);
	jsonw_arr_end(w);
	e = write_replies(c, w, x, parent, want->replies);
	/* The library of server callers in the first dialect takes an object there: a list would break the whole answer for it.
	 */
	bool leaves_out = chat_is_server(c) && c->dialect == DIALECT_1;
	if (e == ERR_OK && !leaves_out) e = write_read(c, w, x, &p);
	jsonw_obj_end(w);
	return e;
}
