/* What the end of a user leaves to do, in slices. Each slice leaves the store consistent and the task's cursor says where to go
 * on:
 * {"user": index, "phase": index, "at": key}. */
#include "base/limits.h"
#include "chat/channel_members.h"
#include "chat/user_rules.h"
#include "store/store_messages.h"
#include "store/store_pending.h"
#include "store/store_user_data.h"

enum { SLICE = 100, PHASES_PER_TURN = 8 }; /* rows of one phase, phases of one turn on the lane */

struct user_job {
	struct chat_ctx *c;
	const struct store_task *task;
	yyjson_val *input;
	struct span user, messages, conversations, owner; /* modes; "" = untouched */
	size_t index, phase;
	/* the user in turn */
	struct span id;
	int64_t pk, stamp, at;
};
typedef enum err phase_fn(struct user_job *j, bool *done);

/* ---- telling ---- */
/* Loops count anew in these channels; the keys come in runs. */
static enum err recount(struct chat_ctx *c, const int64_t *channels, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool seen = false;
		for (size_t k = 0; k < i && !seen; k++) seen = channels[k] == channels[i];
		if (seen) continue;
		struct event *ev = chat_record(c, EVENT_CHANNEL_UPDATED, NULL, SPAN_NONE, SPAN_NONE);
		if (ev == NULL) return chat_store_fail(c, ERR_UNAVAILABLE);
		ev->channel = channels[i];
		ev->move = MOVE_RECOUNT;
	}
	return ERR_OK;
}

/* ---- messages ---- */
static enum err erase_message(struct user_job *j, struct message *m) { return store_message_erase(j->c->tx, m); }

static enum err prune_message(struct user_job *j, struct message *m)
{
	int64_t deleted_at = m->deleted_at;
	m->text = m->html = SPAN("");
	m->mml = m->attachments = m->custom = m->mentioned_ids = SPAN_NONE;
	m->quoted_pk = 0;
	enum err e = store_history_erase(j->c->tx, m->pk);
	if (e == ERR_OK) e = store_message_put(j->c->tx, m);
	return e != ERR_OK || deleted_at != 0 ? e : store_message_delete(j->c->tx, m, j->c->now_us);
}

static enum err soft_delete_message(struct user_job *j, struct message *m)
{
	return m->deleted_at != 0 ? ERR_OK : store_message_delete(j->c->tx, m, j->stamp != 0 ? j->stamp : j->c->now_us);
}

static enum err undelete_message(struct user_job *j, struct message *m)
{
	return m->deleted_at != j->stamp ? ERR_OK : store_message_undelete(j->c->tx, m, j->c->now_us);
}

static enum err each_message(struct user_job *j, enum err (*one)(struct user_job *, struct message *), bool *done)
{
	int64_t *pks, channels[SLICE];
	size_t n, told = 0;
	struct chat_ctx *c = j->c;
	enum err e = store_user_messages(c->tx, j->pk, j->at, SLICE, c->arena, &pks, &n);
	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		/* One by one: erasing a message takes its replies along, his own among them. */
		struct message m = { .pk = 0 };
		e = store_messages_get_pk(c->tx, &pks[i], 1, c->arena, &m);
		if (e != ERR_OK || m.pk == 0) continue;
		e = one(j, &m);
		channels[told++] = m.channel_pk;
	}
	if (e != ERR_OK) return chat_store_fail(c, e);
	if (n > 0) j->at = pks[n - 1];
	*done = n < SLICE;
	return recount(c, channels, told);
}

/* What waits for a commit goes with content that is to go; a soft deletion can be undone, and leaves it. */
static enum err drop_pending(struct user_job *j, bool *more)
{
	*more = false;
	if (span_is(j->messages, "soft")) return ERR_OK;
	enum err e = store_pending_purge_user(j->c->tx, j->pk, SLICE, more);
	return e == ERR_OK ? ERR_OK : chat_store_fail(j->c, e);
}

static enum err phase_messages(struct user_job *j, bool *done)
{
	bool more;
	*done = j->messages.n == 0;
	if (*done) return ERR_OK;
	enum err e = drop_pending(j, &more);
	if (e != ERR_OK || more) return e;
	return each_message(j,
		span_is(j->messages, "hard")      ? erase_message
		: span_is(j->messages, "pruning") ? prune_message
						  : soft_delete_message,
		done);
}

static enum err phase_messages_back(struct user_job *j, bool *done)
{
	*done = j->messages.n == 0 || j->stamp == 0;
	return *done ? ERR_OK : each_message(j, undelete_message, done);
}

/* ---- channels ---- */
static enum err load_channel(struct chat_ctx *c, int64_t pk, struct channel_ctx *x, bool *found)
{
	*x = (struct channel_ctx){ .type = NULL };
	enum err e = store_channel_get_pk(c->tx, pk, c->arena, &x->ch);
	*found = e == ERR_OK;
	if (e == ERR_NOT_FOUND) return ERR_OK;
	if (e != ERR_OK) return chat_store_fail(c, e);
	return chat_channel_fill(c, x);
}

/* Conversations are channels of exactly two. */
static enum err remove_conversation(struct user_job *j, struct channel_ctx *x)
{
	bool hard = span_is(j->conversations, "hard");
	if (x->ch.member_count != 2 || x->ch.deleted_at != 0) return ERR_OK;
	enum err e = chat_channel_remove(j->c, x, hard, false);
	if (e != ERR_OK || !hard) return e;
	struct channel_purge purge = { .channel_pk = x->ch.pk, .cid = x->ch.cid };
	struct span task;
	return chat_channel_purge(j->c, &purge, 1, &task);
}

static enum err phase_conversations(struct user_job *j, bool *done)
{
	int64_t *pks;
	size_t n;
	struct channel_ctx x;
	bool found;
	*done = j->conversations.n == 0;
	if (*done) return ERR_OK;
	enum err e = store_user_channels(j->c->tx, j->pk, j->at, SLICE, j->c->arena, &pks, &n);
	if (e != ERR_OK) return chat_store_fail(j->c, e);
	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		e = load_channel(j->c, pks[i], &x, &found);
		if (e == ERR_OK && found) e = remove_conversation(j, &x);
		j->at = pks[i];
	}
	*done = n < SLICE;
	return e;
}

/* He is gone for all: those who see the channel learn it from user.deleted. */
static enum err phase_memberships(struct user_job *j, bool *done)
{
	int64_t *pks;
	size_t n;
	enum err e = store_user_channels(j->c->tx, j->pk, 0, SLICE, j->c->arena, &pks, &n);
	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		e = store_member_remove(j->c->tx, pks[i], j->pk);
		if (e == ERR_OK) e = store_channel_add_members(j->c->tx, pks[i], -1);
	}
	if (e != ERR_OK) return chat_store_fail(j->c, e);
	*done = n < SLICE;
	return ERR_OK;
}

static enum err leave_channel(struct user_job *j, struct channel_ctx *x)
{
	struct member_seed seed = { .user_id = j->id };
	struct member_list list = { .items = &seed, .n = 1, .cap = 1 };
	enum err e = store_user_get_pk(j->c->tx, j->pk, j->c->arena, &seed.user);
	return e == ERR_OK ? members_remove(j->c, x, &list) : chat_store_fail(j->c, e);
}

static enum err phase_leave_teams(struct user_job *j, bool *done)
{
	int64_t *pks;
	size_t n, k, teams;
	struct channel_ctx x;
	bool found;
	yyjson_val *left = yyjson_obj_getn(j->input, j->id.p, j->id.n), *team;
	enum err e = store_user_channels(j->c->tx, j->pk, j->at, SLICE, j->c->arena, &pks, &n);
	if (e != ERR_OK) return chat_store_fail(j->c, e);
	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		e = load_channel(j->c, pks[i], &x, &found);
		j->at = pks[i];
		yyjson_arr_foreach(left, k, teams, team)
		{
			if (e != ERR_OK || !found || !span_eq(x.ch.team, json_span(team))) continue;
			e = leave_channel(j, &x);
			break;
		}
	}
	*done = n < SLICE;
	return e;
}

/* Deactivation takes the channels he made, with their history; reactivation brings back those that went then. */
static enum err each_created(struct user_job *j, bool remove, bool *done)
{
	int64_t *pks;
	size_t n;
	struct channel_ctx x;
	bool found;
	struct chat_ctx *c = j->c;
	*done = !yyjson_is_true(json_get(j->input, "channels")) || j->stamp == 0;
	if (*done) return ERR_OK;
	enum err e = store_user_created_channels(c->tx, j->pk, j->at, SLICE, c->arena, &pks, &n);
	if (e != ERR_OK) return chat_store_fail(c, e);
	int64_t now = c->now_us;
	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		e = load_channel(c, pks[i], &x, &found);
		j->at = pks[i];
		if (e != ERR_OK || !found) continue;
		c->now_us = remove ? j->stamp : now; /* the moment by which they are found again */
		if (remove && x.ch.deleted_at == 0)
			e = chat_channel_remove(c, &x, false, true);
		else if (!remove && x.ch.deleted_at == j->stamp && (e = store_channel_undelete(c->tx, pks[i], now)) != ERR_OK)
			e = chat_store_fail(c, e);
		c->now_us = now;
	}
	*done = n < SLICE;
	return e;
}

static enum err phase_channels_off(struct user_job *j, bool *done) { return each_created(j, true, done); }
static enum err phase_channels_back(struct user_job *j, bool *done) { return each_created(j, false, done); }

/* ---- the owner of channels whose creator is erased ---- */
/* "delete-user-<hex>", always the same for one user of one task. */
static struct span placeholder_id(struct user_job *j)
{
	char hex[40];
	size_t n = 0;
	for (size_t i = 0; i < j->task->id.n && n < 32; i++)
		if (j->task->id.p[i] != '-') hex[n++] = j->task->id.p[i];
	return arena_printf(j->c->arena, "delete-user-%.*s%zx", (int)n, hex, j->index);
}

static enum err owner_pk(struct user_job *j, int64_t *pk)
{
	struct user u;
	struct span id = j->owner.n > 0 ? j->owner : placeholder_id(j);
	enum err e = store_user_get(j->c->tx, j->c->app->pk, id, j->c->arena, &u);
	if (e == ERR_NOT_FOUND) {
		u = user_new(id);
		u.created_at = u.updated_at = u.deleted_at = j->c->now_us; /* a name on a door: it never connects */
		u.invisible_since_last_active = USER_PRUNED;
		e = store_user_put(j->c->tx, j->c->app->pk, &u, SPAN_NONE);
	}
	if (e == ERR_OK) *pk = u.pk;
	return e;
}

static enum err phase_ownership(struct user_job *j, bool *done)
{
	int64_t *pks, to = 0, changed = 0;
	size_t n = 0;
	*done = true;
	if (!span_is(j->user, "hard")) return ERR_OK;
	enum err e = store_user_created_channels(j->c->tx, j->pk, 0, 1, j->c->arena, &pks, &n);
	if (e == ERR_OK && n > 0) e = owner_pk(j, &to);
	if (e == ERR_OK && n > 0) e = store_channels_give(j->c->tx, j->pk, to, SLICE, &changed);
	*done = changed < SLICE;
	return e == ERR_OK ? ERR_OK : chat_store_fail(j->c, e);
}

/* ---- the row ---- */
static enum err prune_row(struct user_job *j)
{
	struct user u;
	enum err e = store_user_get_pk(j->c->tx, j->pk, j->c->arena, &u);
	if (e != ERR_OK) return e;
	store_erased(j->c->tx);
	u.name = u.image = u.language = u.custom = u.teams = u.teams_role = SPAN_NONE;
	return store_user_put(j->c->tx, j->c->app->pk, &u, SPAN_NONE);
}

static enum err erase_row(struct user_job *j, bool *done)
{
	bool more = false;
	enum err e = store_user_purge_rest(j->c->tx, j->pk, SLICE, &more);
	*done = !more;
	if (e != ERR_OK || more) return e;
	return store_user_remove(j->c->tx, j->pk);
}

static enum err phase_row(struct user_job *j, bool *done)
{
	enum err e = ERR_OK;
	*done = true;
	if (span_is(j->user, "pruning")) e = prune_row(j);
	if (span_is(j->user, "hard")) e = erase_row(j, done);
	return e == ERR_OK || e == ERR_NOT_FOUND ? ERR_OK : chat_store_fail(j->c, e);
}

/* ---- turns ---- */
static phase_fn *const delete_phases[] = { phase_conversations, phase_messages, phase_memberships, phase_ownership, phase_row,
	NULL };
static phase_fn *const deactivate_phases[] = { phase_messages, phase_channels_off, NULL };
static phase_fn *const reactivate_phases[] = { phase_channels_back, phase_messages_back, NULL };
static phase_fn *const leave_phases[] = { phase_leave_teams, NULL };

static phase_fn *const *phases_of(struct span kind)
{
	if (span_is(kind, "users.delete")) return delete_phases;
	if (span_is(kind, "users.deactivate")) return deactivate_phases;
	if (span_is(kind, "users.reactivate")) return reactivate_phases;
	return span_is(kind, "users.leave_teams") ? leave_phases : NULL;
}

static int64_t int_of(yyjson_val *obj, const char *key) { return yyjson_get_sint(json_get(obj, key)); }

static bool job_load(struct chat_ctx *c, const struct store_task *t, struct user_job *j)
{
	const char *why;
	size_t at;
	yyjson_val *cursor = span_given(t->cursor) ? json_parse(c->arena, t->cursor, &why, &at) : NULL;
	*j = (struct user_job){ .c = c,
		.task = t,
		.input = json_parse(c->arena, t->input, &why, &at),
		.index = (size_t)int_of(cursor, "user"),
		.phase = (size_t)int_of(cursor, "phase"),
		.at = int_of(cursor, "at") };
	j->user = json_span(json_get(j->input, "user"));
	j->messages = json_span(json_get(j->input, "messages"));
	j->conversations = json_span(json_get(j->input, "conversations"));
	j->owner = json_span(json_get(j->input, "owner"));
	return j->input != NULL;
}

/* The user in turn; false when there is none left. Kinds name users in a list, or as the keys of the input. */
static bool job_next_user(struct user_job *j)
{
	yyjson_val *users = json_get(j->input, "users"), *item = NULL, *key;
	size_t i, n;
	if (users != NULL) {
		item = yyjson_arr_get(users, j->index);
		j->id = json_span(json_get(item, "id"));
		j->pk = int_of(item, "pk");
		j->stamp = int_of(item, "at");
		return item != NULL;
	}
	yyjson_obj_foreach(j->input, i, n, key, item)
	{
		if (i != j->index) continue;
		struct user u = { .pk = 0 };
		j->id = json_span(key);
		if (store_user_get(j->c->tx, j->c->app->pk, j->id, j->c->arena, &u) == ERR_OK) j->pk = u.pk;
		return true;
	}
	return false;
}

static enum err result_text(struct user_job *j, struct span *out)
{
	struct buf text;
	struct jsonw w;
	buf_init(&text, (size_t)LIMIT_BODY_BYTES);
	jsonw_init(&w, &text);
	jsonw_obj_begin(&w);
	for (j->index = 0; job_next_user(j); j->index++) {
		jsonw_key_span(&w, j->id);
		jsonw_raw(&w, SPAN("{\"status\":\"ok\"}"));
	}
	jsonw_obj_end(&w);
	*out = text.failed ? SPAN_NONE : arena_dup(j->c->arena, buf_span(&text));
	buf_deinit(&text);
	return span_given(*out) ? ERR_OK : chat_store_fail(j->c, ERR_UNAVAILABLE);
}

enum err chat_user_task_step(struct chat_ctx *c, struct store_task *t, bool *done)
{
	struct user_job j;
	phase_fn *const *phases = phases_of(t->kind);
	*done = false;
	if (phases == NULL || !job_load(c, t, &j)) return chat_fail(c, ERR_INTERNAL, NULL, "the task cannot be read");
	if (!job_next_user(&j)) {
		*done = true;
		return result_text(&j, &t->result);
	}
	/* Most phases find nothing to do: several share a turn. */
	bool phase_done = true;
	for (int turn = 0; phase_done && turn < PHASES_PER_TURN; turn++) {
		enum err e = phases[j.phase](&j, &phase_done);
		if (e != ERR_OK) return e;
		if (phase_done) {
			j.at = 0;
			j.phase++;
		}
		if (phases[j.phase] != NULL) continue;
		j.phase = 0;
		j.index++;
		if (!job_next_user(&j)) break;
	}
	t->cursor = arena_printf(c->arena, "{\"user\":%zu,\"phase\":%zu,\"at\":%lld}", j.index, j.phase, (long long)j.at);
	return span_given(t->cursor) ? ERR_OK : chat_store_fail(c, ERR_UNAVAILABLE);
}
