#include "client/saved.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "client/client.h"
#include "client/file.h"
#include "client/reply.h"

/* ---- writing ---- */

static void write_state(beck_client *c, struct buf *out)
{
	const struct link *l = &c->link;
	struct jsonw w;
	jsonw_init(&w, out);
	jsonw_obj_begin(&w);
	jsonw_kint(&w, "version", 1);
	jsonw_kstr(&w, "api_key", span_str(c->api_key));
	jsonw_kstr(&w, "user_id", span_str(c->user.id));
	if (l->has_seq) {
		jsonw_key(&w, "resume_from");
		link_write_resume_from(c, &w);
	}
	jsonw_key(&w, "outbox");
	outbox_write(c, &w);
	jsonw_obj_end(&w);
}

void saved_now(beck_client *c)
{
	struct buf b;
	if (!c->set.state_file || !c->user.id || c->user.kind == USER_ANONYMOUS) return;
	timer_stop(&c->save);
	buf_init(&b, (size_t)LIMIT_CLIENT_STATE_BYTES);
	write_state(c, &b);
	if (b.failed || !file_replace(c->set.state_file, buf_span(&b)))
		client_log(c, BECK_LOG_ERROR, "state file %s: not written: %s", c->set.state_file,
			b.failed ? "too large, or out of memory" : strerror(errno));
	buf_deinit(&b);
}

static void save(beck_client *c, struct timer *t)
{
	(void)t;
	saved_now(c);
}

static void save_within(beck_client *c, int64_t ms)
{
	if (!c->set.state_file || (timer_is_set(&c->save) && c->save.at_ms <= client_now_ms(c) + ms)) return;
	timer_set(c, &c->save, ms, save);
}

void saved_soon(beck_client *c) { save_within(c, 0); }
void saved_position(beck_client *c) { save_within(c, LIMIT_CLIENT_SAVE_MS); }

/* ---- reading ---- */

static void read_names(struct names *set, yyjson_val *array, size_t max)
{
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach(array, i, n, v)
	{
		if (json_span(v).n) (void)names_add(set, json_span(v), max);
	}
}

static void read_place(struct link *l, yyjson_val *place)
{
	yyjson_val *seq = yyjson_obj_get(place, "seq");
	struct span id = json_span(yyjson_obj_get(place, "connection_id"));
	if (!yyjson_is_int(seq) || yyjson_get_sint(seq) < 0) return;
	l->has_seq = l->was_seen = true;
	l->seq = yyjson_get_sint(seq);
	if (id.n < sizeof l->id) (void)snprintf(l->id, sizeof l->id, "%.*s", SPAN_FMT(id));
	read_names(&l->watched, yyjson_obj_get(place, "watch"), (size_t)LIMIT_WATCHES_PER_SESSION);
	read_names(&l->followed, yyjson_obj_get(place, "presence"), (size_t)LIMIT_PRESENCE_PER_SESSION);
}

static void read_state(beck_client *c, struct span text)
{
	beck_result why;
	yyjson_doc *doc = document_parse(text, &why);
	yyjson_val *root = yyjson_doc_get_root(doc);
	bool is_ours = span_is(json_span(yyjson_obj_get(root, "api_key")), c->api_key) &&
		       span_is(json_span(yyjson_obj_get(root, "user_id")), c->user.id);
	if (is_ours) {
		if (!c->set.disable_resume) read_place(&c->link, yyjson_obj_get(root, "resume_from"));
		outbox_read(c, yyjson_obj_get(root, "outbox"));
	} else {
		client_log(c, BECK_LOG_WARN, "state file %s: of somebody else, or damaged: ignored", c->set.state_file);
	}
	yyjson_doc_free(doc);
}

void saved_load(beck_client *c)
{
	struct buf b;
	if (!c->set.state_file || c->user.kind == USER_ANONYMOUS) return;
	buf_init(&b, (size_t)LIMIT_CLIENT_STATE_BYTES);
	if (file_read(c->set.state_file, &b))
		read_state(c, buf_span(&b));
	else if (errno != ENOENT)
		client_log(c, BECK_LOG_WARN, "state file %s: not read: %s", c->set.state_file, strerror(errno));
	buf_deinit(&b);
}
