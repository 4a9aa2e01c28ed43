/* Recovery on a server that does not resume by position: watch again what was watched, follow again who was followed, ask what
 * was missed since the last event's time; then "connection.recovered". One request at a time, so that a crowd that comes back is
 * no storm. */
#include <string.h>

#include "base/json.h"
#include "client/client.h"
#include "client/reply.h"
#include "client/text.h"
#include "wire/url.h"

enum { WATCH_PAGE = 30, SYNC_PAGE = 100, USER_PAGE = 100 };
enum step { STEP_WATCH, STEP_FOLLOW, STEP_SYNC, STEP_DONE };

static void next(beck_client *c);

static void write_names(struct jsonw *w, const struct names *set, size_t from, size_t max)
{
	jsonw_arr_begin(w);
	for (size_t i = from; i < set->n && i < from + max; i++) jsonw_str(w, span_str(set->items[i]));
	jsonw_arr_end(w);
}

/* "filter_conditions":{"cid":{"$in":[...]}} and what both queries ask beside it. */
static void write_query(struct jsonw *w, const char *field, const struct names *set, size_t from, size_t page)
{
	jsonw_key(w, "filter_conditions");
	jsonw_obj_begin(w);
	jsonw_key(w, field);
	jsonw_obj_begin(w);
	jsonw_key(w, "$in");
	write_names(w, set, from, page);
	jsonw_obj_end(w);
	jsonw_obj_end(w);
	jsonw_kbool(w, "presence", true);
	jsonw_kint(w, "limit", (int64_t)page);
}

static void write_watch(beck_client *c, struct jsonw *w, size_t from)
{
	jsonw_obj_begin(w);
	write_query(w, "cid", &c->link.watched, from, WATCH_PAGE);
	jsonw_kbool(w, "watch", true);
	jsonw_kbool(w, "state", true);
	jsonw_kint(w, "message_limit", 1);
	jsonw_obj_end(w);
}

static void write_follow(beck_client *c, struct jsonw *w, size_t from)
{
	jsonw_obj_begin(w);
	write_query(w, "id", &c->link.followed, from, USER_PAGE);
	jsonw_obj_end(w);
}

static void write_sync(beck_client *c, struct jsonw *w, size_t from)
{
	jsonw_obj_begin(w);
	jsonw_key(w, "channel_cids");
	write_names(w, &c->link.watched, from, SYNC_PAGE);
	jsonw_kstr(w, "last_sync_at", span_str(c->link.recover_since));
	jsonw_obj_end(w);
}

/* Of a synchronisation: in the server's order. Those that came live meanwhile are later than all of them. */
static void give_missed(beck_client *c, const struct beck_reply *reply)
{
	yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(reply->doc), "events"), *v;
	size_t i, n, bytes;
	yyjson_arr_foreach(list, i, n, v)
	{
		beck_result why;
		char *text = document_text(v, &bytes);
		struct beck_event *e = text ? event_create(span_make(text, bytes), false, &why) : NULL;
		mem_free(text);
		if (!e || !events_give(c, e)) c->link.has_gap = true;
	}
}

static void done(beck_client *c, void *ctx, const beck_error *err, const struct beck_reply *reply)
{
	struct link *l = &c->link;
	if ((uintptr_t)ctx != l->recover_round) return;
	if (err) {
		client_log(c, BECK_LOG_WARN, "recovery: %s", err->message);
		l->has_gap = true;
	} else if (l->recover_step == STEP_SYNC) {
		give_missed(c, reply);
	}
	next(c);
}

static bool ask(beck_client *c, const char *method, struct span path, struct buf *text, bool is_query, bool needs_connection)
{
	struct buf query;
	beck_error err;
	body_init(&query);
	if (is_query) {
		buf_add_span(&query, SPAN("payload="));
		url_encode(&query, buf_span(text));
	}
	struct call call = { .method = method,
		.path = path,
		.query = is_query ? buf_span(&query) : SPAN_NONE,
		.body = is_query ? SPAN_NONE : buf_span(text),
		.needs_connection = needs_connection };
	bool ok = !text->failed && !query.failed &&
		  calls_start_inner(c, &call, done, (void *)(uintptr_t)c->link.recover_round, &err) == BECK_OK;
	buf_deinit(&query);
	return ok;
}

/* The page at recover_at of the present step; moves on. */
static bool ask_page(beck_client *c)
{
	struct link *l = &c->link;
	struct buf b;
	struct jsonw w;
	bool ok;
	body_init(&b);
	jsonw_init(&w, &b);
	if (l->recover_step == STEP_WATCH) {
		write_watch(c, &w, l->recover_at);
		ok = ask(c, "POST", SPAN("/channels"), &b, false, true);
		l->recover_at += WATCH_PAGE;
	} else if (l->recover_step == STEP_FOLLOW) {
		write_follow(c, &w, l->recover_at);
		ok = ask(c, "GET", SPAN("/users"), &b, true, true);
		l->recover_at += USER_PAGE;
	} else {
		write_sync(c, &w, l->recover_at);
		ok = ask(c, "POST", SPAN("/sync"), &b, false, false);
		l->recover_at += SYNC_PAGE;
	}
	buf_deinit(&b);
	return ok;
}

static size_t length_of(const struct link *l)
{
	if (l->recover_step == STEP_WATCH) return l->watched.n;
	if (l->recover_step == STEP_FOLLOW) return l->followed.n;
	return l->recover_step == STEP_SYNC && l->recover_since ? l->watched.n : 0;
}

static void next(beck_client *c)
{
	struct link *l = &c->link;
	while (l->recover_step < STEP_DONE && l->recover_at >= length_of(l)) {
		l->recover_step++;
		l->recover_at = 0;
	}
	if (l->recover_step == STEP_DONE) {
		link_recovered(c);
	} else if (!ask_page(c)) {
		l->has_gap = true;
		link_recovered(c);
	}
}

void recover_start(beck_client *c)
{
	struct link *l = &c->link;
	mem_free(l->recover_since);
	l->recover_since = l->last_event_at ? client_strdup(l->last_event_at) : NULL;
	if (!l->recover_since && l->watched.n) l->has_gap = true;
	l->is_recovering = l->is_asking = true;
	l->recover_round++;
	l->recover_step = STEP_WATCH;
	l->recover_at = 0;
	next(c);
}

bool recover_stop(beck_client *c)
{
	bool was_asking = c->link.is_asking;
	c->link.is_recovering = c->link.is_asking = false;
	c->link.recover_round++;
	return was_asking;
}
