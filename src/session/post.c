/* What other threads ask of a hub: messages into its loop's mailbox. Those whose memory is ours are listed until they have run.
 */
#include <stdlib.h>

#include "session/hub.h"

static void list_posted(struct session_hub *h, struct list *node, struct net_message *m)
{
	pthread_mutex_lock(&h->posted_lock);
	list_push(&h->posted, node);
	pthread_mutex_unlock(&h->posted_lock);
	net_post(h->loop, m);
}

static void unlist(struct session_hub *h, struct list *node)
{
	pthread_mutex_lock(&h->posted_lock);
	list_remove(node);
	pthread_mutex_unlock(&h->posted_lock);
}

/* ---- subscriptions: memory is the caller's, who waits for the answer ---- */

static void run_subscribe(struct net_message *m)
{
	struct session_subscribe *r = BECK_CONTAINER(m, struct session_subscribe, message);
	struct session_hub *h = r->hub;
	subscribe_run(h, r);
	hub_show_stats(h);
}

void session_hub_post_subscribe(struct session_hub *h, struct session_subscribe *s)
{
	s->hub = h;
	s->message.run = run_subscribe;
	net_post(h->loop, &s->message);
}

static void run_take_back(struct net_message *m)
{
	struct session_subscribe *r = BECK_CONTAINER(m, struct session_subscribe, message);
	struct session_hub *h = r->hub;
	subscribe_take_back(h, r);
	hub_show_stats(h);
}

void session_hub_post_take_back(struct session_hub *h, struct session_subscribe *s)
{
	s->hub = h;
	s->message.run = run_take_back;
	net_post(h->loop, &s->message);
}

/* ---- what became of rights ---- */

static void drop_check(struct session_posted *n) { free(BECK_CONTAINER(n, struct session_check, posted)); }

static void run_checked(struct net_message *m)
{
	struct session_check *c = BECK_CONTAINER(m, struct session_check, message);
	struct session_hub *h = c->hub;
	unlist(h, &c->posted.node);
	check_answered(h, c);
	hub_show_stats(h);
	free(c);
}

void session_hub_post_checked(struct session_check *c)
{
	c->message.run = run_checked;
	c->posted.drop = drop_check;
	list_posted(c->hub, &c->posted.node, &c->message);
}

/* ---- pages of the log ---- */

static void free_page(struct session_replay_page *p)
{
	for (size_t i = 0; i < p->n; i++) event_unref(p->events[i]);
	p->free_page(p);
}

static void drop_page(struct session_posted *n) { free_page(BECK_CONTAINER(n, struct session_replay_page, posted)); }

static void run_replay(struct net_message *m)
{
	struct session_replay_page *p = BECK_CONTAINER(m, struct session_replay_page, message);
	struct session_hub *h = p->hub;
	unlist(h, &p->posted.node);
	replay_answered(h, p);
	hub_show_stats(h);
	free_page(p);
}

void session_hub_post_replay(struct session_hub *h, struct session_replay_page *p)
{
	p->hub = h;
	p->message.run = run_replay;
	p->posted.drop = drop_page;
	list_posted(h, &p->posted.node, &p->message);
}

/* ---- totals ---- */

static void drop_totals(struct session_posted *n)
{
	struct session_totals_answer *t = BECK_CONTAINER(n, struct session_totals_answer, posted);
	t->free_answer(t);
}

static void run_totals(struct net_message *m)
{
	struct session_totals_answer *t = BECK_CONTAINER(m, struct session_totals_answer, message);
	struct session_hub *h = t->hub;
	unlist(h, &t->posted.node);
	totals_answered(h, t);
	t->free_answer(t);
}

void session_hub_post_totals(struct session_hub *h, struct session_totals_answer *t)
{
	t->hub = h;
	t->message.run = run_totals;
	t->posted.drop = drop_totals;
	list_posted(h, &t->posted.node, &t->message);
}

/* ---- closing ---- */

struct close_request {
	struct net_message message;
	struct session_posted posted;
	struct session_hub *hub;
	int64_t app, user; /* user 0 = all of the app, app 0 = all */
	uint16_t code;
	struct blob *final_frame;
	char id[CONNECTION_ID_MAX + 1]; /* given: only this session */
};

static void free_close(struct close_request *c)
{
	blob_unref(c->final_frame);
	free(c);
}

static void drop_close(struct session_posted *n) { free_close(BECK_CONTAINER(n, struct close_request, posted)); }

static void close_one(struct session_hub *h, struct span id, int64_t app, int64_t user, uint16_t code, struct blob *final_frame)
{
	struct session *s = session_find(h, id);
	/* An anonymous session proves by nothing that another one was its own. */
	if (s && s->app == app && s->user_pk == user && user) session_close(s, code, final_frame);
}

static void close_all(struct session_hub *h, int64_t app, uint16_t code, struct blob *final_frame)
{
	for (uint32_t i = 0; i < h->slot_count; i++) {
		struct session *s = h->sessions[i];
		bool is_open = s && (s->state == SESSION_LIVE || s->state == SESSION_REPLAY);
		if (is_open && (!app || s->app == app)) session_close(s, code, final_frame);
	}
}

void hub_close_user(struct session_hub *h, int64_t app, int64_t user, uint16_t code, struct blob *final_frame)
{
	struct hub_user *u;
	if (!user) close_all(h, app, code, final_frame);
	/* He is gone with the last one. */
	while ((u = user_find(h, user)) && u->app == app) session_close(u->sessions, code, final_frame);
}

bool session_closed_by(const struct session *s, const struct event *e)
{
	bool is_meant = s->app == e->app && s->user_pk && (!e->user || e->user == s->user_pk);
	return is_meant && (!e->seq || s->issued_s < e->seq);
}

void hub_close_by(struct session_hub *h, const struct event *e)
{
	const struct hub_user *u = e->user ? user_find(h, e->user) : NULL;
	for (struct session *s = u ? u->sessions : NULL, *next; s; s = next) {
		next = s->sibling; /* with the last session the user goes */
		if (session_closed_by(s, e)) session_close(s, e->close_code, e->close_frame);
	}
	for (uint32_t i = 0; !e->user && i < h->slot_count; i++) {
		struct session *s = h->sessions[i];
		bool is_open = s && (s->state == SESSION_LIVE || s->state == SESSION_REPLAY);
		if (is_open && session_closed_by(s, e)) session_close(s, e->close_code, e->close_frame);
	}
}

static void run_close(struct net_message *m)
{
	struct close_request *c = BECK_CONTAINER(m, struct close_request, message);
	unlist(c->hub, &c->posted.node);
	if (c->id[0]) {
		close_one(c->hub, span_str(c->id), c->app, c->user, c->code, c->final_frame);
	} else {
		hub_close_user(c->hub, c->app, c->user, c->code, c->final_frame);
	}
	free_close(c);
}

static void post_close(struct session_hub *h, struct span id, int64_t app, int64_t user, uint16_t code, struct blob *final_frame)
{
	struct close_request *c = calloc(1, sizeof *c);
	if (!c) beck_panic(__FILE__, __LINE__, "out of memory to close sessions"); /* revoked people must not go on listening */
	*c = (struct close_request){ .message.run = run_close,
		.posted.drop = drop_close,
		.hub = h,
		.app = app,
		.user = user,
		.code = code,
		.final_frame = final_frame ? blob_ref(final_frame) : NULL };
	if (id.n && id.n <= CONNECTION_ID_MAX) memcpy(c->id, id.p, id.n);
	list_posted(h, &c->posted.node, &c->message);
}

void session_hub_post_close(struct session_hub *h, int64_t app, int64_t user, uint16_t code, struct blob *final_frame)
{
	post_close(h, SPAN_NONE, app, user, code, final_frame);
}

void post_close_old(struct session_hub *h, struct span old_id, int64_t app, int64_t user)
{
	unsigned node, loop;
	if (!connection_id_loop(old_id, &node, &loop) || node != h->node) return;
	if (loop == h->index) {
		close_one(h, old_id, app, user, CLOSE_NORMAL, NULL);
	} else if (loop < h->peer_count && h->peers[loop]) {
		post_close(h->peers[loop], old_id, app, user, CLOSE_NORMAL, NULL);
	}
}

void post_drop_all(struct session_hub *h)
{
	struct list *node;
	while ((node = list_shift(&h->posted))) {
		struct session_posted *p = BECK_CONTAINER(node, struct session_posted, node);
		p->drop(p);
	}
}
