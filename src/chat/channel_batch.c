/* One change to many channels, as a task: a channel per turn of the lane, each with the rules that a single request runs into.
 * Contract: channels.md 9. */
#include "base/limits.h"
#include "chat/channel_data.h"
#include "chat/channel_members.h"
#include "chat/channel_rules.h"
#include "chat/user_rules.h"
#include "store/store_members.h"
#include "wire/ids.h"

enum batch_kind { BATCH_VERB, BATCH_HIDE, BATCH_SHOW, BATCH_ARCHIVE, BATCH_UNARCHIVE, BATCH_DATA };
static const struct operation {
	const char *name;
	enum batch_kind kind;
	const char *verb; /* BATCH_VERB: the key of a channel update that takes the members */
} operations[] = {
	{ "addMembers", BATCH_VERB, "add_members" },
	{ "removeMembers", BATCH_VERB, "remove_members" },
	{ "inviteMembers", BATCH_VERB, "invites" },
	{ "assignRoles", BATCH_VERB, "assign_roles" },
	{ "addModerators", BATCH_VERB, "add_moderators" },
	{ "demoteModerators", BATCH_VERB, "demote_moderators" },
	{ "hide", BATCH_HIDE, NULL },
	{ "show", BATCH_SHOW, NULL },
	{ "archive", BATCH_ARCHIVE, NULL },
	{ "unarchive", BATCH_UNARCHIVE, NULL },
	{ "updateData", BATCH_DATA, NULL },
};

static const struct operation *find_operation(struct span name)
{
	for (size_t i = 0; i < BECK_COUNT(operations); i++)
		if (span_is(name, operations[i].name)) return &operations[i];
	return NULL;
}

/* ---- the request ---- */
/* An array of strings, {"$in": [..]} or {"$eq": ".."}; *out NULL when not given. */
static enum err take_names(struct chat_ctx *c, yyjson_val *filter, const char *key, yyjson_val **out)
{
	yyjson_val *v = json_get(filter, key), *item;
	size_t i, n;
	*out = NULL;
	if (!value_given(v)) return ERR_OK;
	if (yyjson_is_obj(v) && yyjson_obj_size(v) == 1) v = json_get(v, "$in") != NULL ? json_get(v, "$in") : json_get(v, "$eq");
	bool fits = yyjson_is_arr(v) || yyjson_is_str(v);
	yyjson_arr_foreach(v, i, n, item) fits = fits && yyjson_is_str(item);
	if (!fits) return chat_fail(c, ERR_INPUT, key, "filter.%s must be a list of strings, or {\"$in\": [..]}", key);
	if (yyjson_arr_size(v) > (size_t)LIMIT_BATCH_NAMES)
		return chat_fail(c, ERR_INPUT, key, "filter.%s holds more than %d names", key, (int)LIMIT_BATCH_NAMES);
	*out = v;
	return ERR_OK;
}

static enum err check_members(struct chat_ctx *c, const struct operation *o, yyjson_val *members)
{
	struct member_list l = { 0 };
	enum err e = member_list_parse(c, members, "members", false, &l);
	if (e == ERR_OK && l.n == 0) e = chat_fail(c, ERR_INPUT, "members", "%s needs members", o->name);
	/* Who is to go may be gone already. */
	if (e == ERR_OK && strcmp(o->name, "removeMembers") != 0) e = member_list_resolve(c, &l, "members");
	for (size_t i = 0; e == ERR_OK && strcmp(o->name, "assignRoles") == 0 && i < l.n; i++)
		if (!span_given(l.items[i].channel_role))
			e = chat_fail(c, ERR_INPUT, "members", "assignRoles needs the channel_role of every member");
	return e;
}

static enum err check_data(struct chat_ctx *c, yyjson_val *data)
{
	static const char *const known[] = { "frozen", "disabled", "team", "config_overrides", "custom" };
	size_t given = 0;
	if (!yyjson_is_obj(data)) return chat_fail(c, ERR_INPUT, "data", "updateData needs data");
	for (size_t i = 0; i < BECK_COUNT(known); i++) given += value_given(json_get(data, known[i]));
	if (given == 0) return chat_fail(c, ERR_INPUT, "data", "data changes nothing");
	yyjson_val *custom = json_get(data, "custom");
	if (value_given(custom) && !yyjson_is_obj(custom))
		return chat_fail(c, ERR_INPUT, "data", "data.custom must be an object");
	return ERR_OK;
}

static void write_names(struct jsonw *w, const char *key, yyjson_val *names)
{
	if (names == NULL) return;
	jsonw_key(w, key);
	if (yyjson_is_arr(names)) {
		jsonw_val(w, names);
		return;
	}
	jsonw_arr_begin(w);
	jsonw_val(w, names);
	jsonw_arr_end(w);
}

static void write_given(struct jsonw *w, const char *key, yyjson_val *v)
{
	if (!value_given(v)) return;
	jsonw_key(w, key);
	jsonw_val(w, v);
}

static struct span input_text(
	struct chat_ctx *c, const struct operation *o, yyjson_val *cids, yyjson_val *types, yyjson_val *members, yyjson_val *data)
{
	struct buf text;
	struct jsonw w;
	buf_init(&text, (size_t)LIMIT_BODY_BYTES * 2);
	jsonw_init(&w, &text);
	jsonw_obj_begin(&w);
	jsonw_kstr(&w, "operation", span_str(o->name));
	write_names(&w, "cids", cids);
	write_names(&w, "types", types);
	write_given(&w, "members", members);
	write_given(&w, "data", data);
	jsonw_obj_end(&w);
	struct span out = text.failed ? SPAN_NONE : arena_dup(c->arena, buf_span(&text));
	buf_deinit(&text);
	return out;
}

enum err chat_channels_batch(struct chat_ctx *c, yyjson_val *body, struct jsonw *w)
{
	yyjson_val *cids, *types, *filter = json_get(body, "filter"), *members = json_get(body, "members");
	const struct operation *o = find_operation(json_span(json_get(body, "operation")));
	struct span input, task;
	if (o == NULL) return chat_fail(c, ERR_INPUT, "operation", "there is no such operation");
	if (value_given(filter) && !yyjson_is_obj(filter)) return chat_fail(c, ERR_INPUT, "filter", "filter must be an object");
	enum err e = take_names(c, filter, "cids", &cids);
	if (e == ERR_OK) e = take_names(c, filter, "types", &types);
	if (e == ERR_OK && cids == NULL && types == NULL) e = chat_fail(c, ERR_INPUT, "filter", "filter must name cids or types");
	if (e == ERR_OK) e = o->kind == BATCH_DATA ? check_data(c, json_get(body, "data")) : check_members(c, o, members);
	if (e != ERR_OK) return e;
	input = input_text(c, o, cids, types, members, json_get(body, "data"));
	if (!span_given(input)) return chat_store_fail(c, ERR_UNAVAILABLE);
	e = chat_task_make(c, "channels.batch", input, &task);
	if (e == ERR_OK) jsonw_kstr(w, "task_id", task);
	return e;
}

/* ---- which channel is next ---- */
struct batch_job {
	struct chat_ctx *c;
	const struct operation *op;
	yyjson_val *input, *cids, *types;
	int64_t index;     /* into cids, or types when there are none */
	struct span after; /* without cids: the last id of this type */
	struct span type, id;
	bool found;
};

static bool is_named(yyjson_val *list, struct span name)
{
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach(list, i, n, v)
	{
		if (span_eq(json_span(v), name)) return true;
	}
	return list == NULL;
}

/* Names of what is not there are skipped. */
static enum err next_named(struct batch_job *j)
{
	while (!j->found && j->index < (int64_t)yyjson_arr_size(j->cids)) {
		struct channel ch;
		struct span cid = json_span(yyjson_arr_get(j->cids, (size_t)j->index++));
		if (!cid_split(cid, &j->type, &j->id) || !is_named(j->types, j->type)) continue;
		enum err e = store_channel_get(j->c->tx, j->c->app->pk, j->type, j->id, j->c->arena, &ch);
		if (e != ERR_OK && e != ERR_NOT_FOUND) return chat_store_fail(j->c, e);
		j->found = e == ERR_OK && ch.deleted_at == 0;
	}
	return ERR_OK;
}

static enum err next_of_type(struct batch_job *j)
{
	while (!j->found && j->index < (int64_t)yyjson_arr_size(j->types)) {
		j->type = json_span(yyjson_arr_get(j->types, (size_t)j->index));
		enum err e = store_channel_next(j->c->tx, j->c->app->pk, j->type, j->after, j->c->arena, &j->id, &j->found);
		if (e != ERR_OK) return chat_store_fail(j->c, e);
		j->after = j->found ? j->id : SPAN("");
		if (!j->found) j->index++;
	}
	return ERR_OK;
}

/* ---- the change ---- */
static yyjson_val *parsed(struct chat_ctx *c, struct buf *text)
{
	struct span copy = text->failed ? SPAN_NONE : arena_dup(c->arena, buf_span(text));
	buf_deinit(text);
	return stored_json(c, copy);
}

static yyjson_val *verb_body(struct batch_job *j)
{
	struct buf text;
	struct jsonw w;
	buf_init(&text, (size_t)LIMIT_BODY_BYTES * 2);
	jsonw_init(&w, &text);
	jsonw_obj_begin(&w);
	write_given(&w, j->op->verb, json_get(j->input, "members"));
	jsonw_obj_end(&w);
	return parsed(j->c, &text);
}

/* A partial update names custom fields beside the built-in ones. */
static yyjson_val *data_body(struct batch_job *j)
{
	struct buf text;
	struct jsonw w;
	size_t i, n;
	yyjson_val *data = json_get(j->input, "data"), *key, *value;
	static const char *const built_in[] = { "frozen", "disabled", "team", "config_overrides" };
	buf_init(&text, (size_t)LIMIT_BODY_BYTES * 2);
	jsonw_init(&w, &text);
	jsonw_obj_begin(&w);
	jsonw_key(&w, "set");
	jsonw_obj_begin(&w);
	for (size_t k = 0; k < BECK_COUNT(built_in); k++) write_given(&w, built_in[k], json_get(data, built_in[k]));
	yyjson_obj_foreach(json_get(data, "custom"), i, n, key, value)
	{
		jsonw_key_span(&w, json_span(key));
		jsonw_val(&w, value);
	}
	jsonw_obj_end(&w);
	jsonw_obj_end(&w);
	return parsed(j->c, &text);
}

static enum err change_own(struct batch_job *j, const struct user *u, struct jsonw *scratch)
{
	struct chat_ctx *c = j->c;
	bool archives = j->op->kind == BATCH_ARCHIVE;
	if (j->op->kind == BATCH_HIDE) return chat_hide_channel(c, j->type, j->id, NULL);
	if (j->op->kind == BATCH_SHOW) return chat_show_channel(c, j->type, j->id);
	yyjson_val *body =
		stored_json(c, archives ? SPAN("{\"set\":{\"archived\":true}}") : SPAN("{\"set\":{\"archived\":false}}"));
	if (body == NULL) return chat_store_fail(c, ERR_UNAVAILABLE);
	return chat_update_member_partial(c, j->type, j->id, u->id, body, scratch);
}

/* For the members named who are members here. */
static enum err for_each_member(struct batch_job *j, struct jsonw *scratch)
{
	struct chat_ctx *c = j->c;
	struct member_list l = { 0 };
	struct channel ch;
	enum err e = member_list_parse(c, json_get(j->input, "members"), "members", false, &l);
	if (e == ERR_OK) e = member_list_resolve(c, &l, "members");
	if (e != ERR_OK) return e;
	e = store_channel_get(c->tx, c->app->pk, j->type, j->id, c->arena, &ch);
	if (e != ERR_OK) return chat_store_fail(c, e);
	for (size_t i = 0; e == ERR_OK && i < l.n; i++) {
		struct member m;
		e = store_member_get(c->tx, ch.pk, l.items[i].user.pk, c->arena, &m);
		if (e == ERR_NOT_FOUND) {
			e = ERR_OK;
			continue;
		}
		if (e != ERR_OK) return chat_store_fail(c, e);
		c->me = l.items[i].user;
		e = change_own(j, &l.items[i].user, scratch);
	}
	return e;
}

static enum err change(struct batch_job *j)
{
	struct chat_ctx *c = j->c;
	struct buf unread; /* the answers of the rules are nobody's */
	struct jsonw w;
	enum err e;
	buf_init(&unread, (size_t)LIMIT_REPLY_BYTES);
	jsonw_init(&w, &unread);
	jsonw_obj_begin(&w);
	if (j->op->kind == BATCH_VERB || j->op->kind == BATCH_DATA) {
		yyjson_val *body = j->op->kind == BATCH_DATA ? data_body(j) : verb_body(j);
		e = body == NULL                ? chat_store_fail(c, ERR_UNAVAILABLE)
		    : j->op->kind == BATCH_DATA ? chat_update_channel_partial(c, j->type, j->id, body, &w)
						: chat_update_channel(c, j->type, j->id, body, &w);
	} else {
		e = for_each_member(j, &w);
	}
	buf_deinit(&unread);
	return e;
}

static void drop_events(struct chat_ctx *c, size_t kept)
{
	while (c->event_count > kept) event_unref(c->events[--c->event_count]);
}

/* Whole, or not at all. */
static enum err change_whole(struct batch_job *j)
{
	struct chat_ctx *c = j->c;
	size_t events = c->event_count;
	enum err e = store_part_begin(c->tx);
	if (e != ERR_OK) return chat_store_fail(c, e);
	struct user before = c->me;
	enum caller_kind caller = c->caller;
	c->caller = CALLER_SERVER;
	c->me = (struct user){ 0 };
	enum err made = change(j);
	c->me = before;
	c->caller = caller;
	e = store_part_end(c->tx, made == ERR_OK);
	if (made != ERR_OK) drop_events(c, events);
	return made != ERR_OK ? made : e == ERR_OK ? ERR_OK : chat_store_fail(c, e);
}

/* ---- the task ---- */
static bool load(struct chat_ctx *c, const struct store_task *t, struct batch_job *j)
{
	yyjson_val *cursor = stored_json(c, t->cursor);
	*j = (struct batch_job){ .c = c, .input = stored_json(c, t->input), .after = SPAN("") };
	j->op = find_operation(json_span(json_get(j->input, "operation")));
	j->cids = json_get(j->input, "cids");
	j->types = json_get(j->input, "types");
	j->index = yyjson_get_sint(json_get(cursor, "index"));
	if (json_get(cursor, "after") != NULL) j->after = json_span(json_get(cursor, "after"));
	return j->op != NULL;
}

/* The reason stands in the result too. */
static enum err fail_task(struct chat_ctx *c, struct store_task *t, const struct batch_job *j, enum err e)
{
	struct buf text;
	struct jsonw w;
	struct span why =
		arena_printf(c->arena, "channel %.*s:%.*s: %.*s", SPAN_FMT(j->type), SPAN_FMT(j->id), SPAN_FMT(c->error.message));
	if (!span_given(why)) return chat_store_fail(c, ERR_UNAVAILABLE);
	buf_init(&text, (size_t)LIMIT_BODY_BYTES);
	jsonw_init(&w, &text);
	jsonw_obj_begin(&w);
	jsonw_kstr(&w, "description", why);
	jsonw_obj_end(&w);
	t->result = text.failed ? SPAN_NONE : arena_dup(c->arena, buf_span(&text));
	buf_deinit(&text);
	c->error.message = why;
	return e;
}

enum err chat_channel_batch_step(struct chat_ctx *c, struct store_task *t, bool *done)
{
	struct batch_job j;
	if (!load(c, t, &j)) return chat_fail(c, ERR_INTERNAL, NULL, "the task cannot be read");
	enum err e = j.cids != NULL ? next_named(&j) : next_of_type(&j);
	if (e != ERR_OK) return e;
	*done = !j.found;
	if (*done) {
		t->result = SPAN("{}");
		return ERR_OK;
	}
	e = change_whole(&j);
	if (e == ERR_UNAVAILABLE || e == ERR_TIMEOUT) return e;
	if (e != ERR_OK) return fail_task(c, t, &j, e);
	/* ids of channels need no escaping */
	t->cursor = arena_printf(c->arena, "{\"index\":%lld,\"after\":\"%.*s\"}", (long long)j.index, SPAN_FMT(j.after));
	return span_given(t->cursor) ? ERR_OK : chat_store_fail(c, ERR_UNAVAILABLE);
}
