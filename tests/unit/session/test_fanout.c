/* Who gets an event, by class and flag (contract: connection-and-users-events.md 1, 2 and 5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../support/hub_world.h"
#include "base/limits.h"
#include "session/hub.h"

enum { ANN = 1, BOB = 2, CAT = 3, CHANNEL = 50, OTHER = 51 };

static int up(void **state)
{
	struct world *w = malloc(sizeof *w);
	if (!w) return -1;
	world_init(w, 21);
	*state = w;
	return 0;
}

static int down(void **state)
{
	world_deinit(*state);
	free(*state);
	return 0;
}

/* Opened as a member of CHANNEL with nothing unread. */
static struct client *member(struct world *w, int64_t user)
{
	struct session_membership m = { CHANNEL, 0, 0, false };
	struct session_start start = world_start(w, user);
	start.memberships = &m;
	start.membership_count = 1;
	struct client *c = client_open_as(w, &start, false);
	client_drain(c);
	c->n = 0;
	return c;
}

static struct client *visitor(struct world *w, int64_t user)
{
	struct client *c = client_open(w, user);
	c->n = 0;
	return c;
}

static struct event *message(struct world *w, int64_t actor)
{
	struct event *e = world_event(w, EVENT_MESSAGE_NEW, CHANNEL, 0, "notification.message_new");
	e->actor = actor;
	e->move = MOVE_COUNTED;
	e->seq = w->pos;
	e->flags = EVENT_HAS_COUNTS;
	return e;
}

/* The connection that made a channel watches from its first event on: that one alone, and only for its own user. */
static void test_watcher_of_the_event(void **state)
{
	struct world *w = *state;
	struct client *makes = visitor(w, ANN), *other = visitor(w, ANN), *stranger = visitor(w, BOB);
	struct event *e = world_event(w, EVENT_CHANNEL_CREATED, CHANNEL, 0, NULL);
	e->actor = ANN;
	e->watcher = blob_make(session_id(makes->session));
	world_deliver(w, e);
	e = world_event(w, EVENT_CHANNEL_UPDATED, CHANNEL, 0, NULL);
	world_deliver(w, e);
	e = world_event(w, EVENT_CHANNEL_CREATED, OTHER, 0, NULL);
	e->actor = ANN;
	e->watcher = blob_make(session_id(stranger->session));
	world_deliver(w, e);
	assert_int_equal(client_drain(makes), 2);
	assert_int_equal(client_drain(other), 0);
	assert_int_equal(client_drain(stranger), 0);
	assert_int_equal(registry_watcher_count(w->registry, WORLD_APP, CHANNEL), 1);
	assert_int_equal(registry_watcher_count(w->registry, WORLD_APP, OTHER), 0);
	client_free(stranger);
	client_free(other);
	client_free(makes);
}

static void test_first_health_check(void **state)
{
	struct world *w = *state;
	struct session_start start = world_start(w, ANN);
	struct client *c = client_open_as(w, &start, false);
	assert_true(c->came_online);
	assert_int_equal(c->ready, 1);
	assert_int_equal(client_drain(c), 1);
	yyjson_val *v = client_json(c, 0);
	assert_true(span_is(json_span(json_get(v, "type")), "health.check"));
	assert_true(span_eq(json_span(json_get(v, "connection_id")), session_id(c->session)));
	assert_true(span_is(json_span(json_get(v, "cid")), "*"));
	assert_true(span_is(json_span(json_get(v, "created_at")), "2027-01-15T08:00:00.000000Z"));
	assert_non_null(json_get(json_get(v, "me"), "id"));
	assert_null(json_get(v, "seq"));
	assert_null(json_get(v, "gap"));
	assert_ptr_equal(session_find(w->hub, session_id(c->session)), c->session);
	struct client *second = client_open_as(w, &start, false);
	assert_false(second->came_online);
	client_free(second);
	client_free(c);
}

static void test_first_health_check_says_position_and_gap(void **state)
{
	struct world *w = *state;
	struct session_start start = world_start(w, ANN);
	start.wants_seq = true;
	struct client *c = client_open_as(w, &start, false);
	client_drain(c);
	assert_int_equal(client_int(c, 0, "seq"), w->pos);
	client_free(c);
	start.has_resume = start.gap = true;
	start.resume_seq = 3;
	c = client_open_as(w, &start, false);
	client_drain(c);
	assert_int_equal(client_int(c, 0, "seq"), w->pos);
	assert_true(yyjson_get_bool(json_get(client_json(c, 0), "gap")));
	assert_int_equal(world_count(w, ASKED_REPLAY), 0);
	client_free(c);
}

static void test_member_not_watching_gets_the_notification_and_the_reverse(void **state) /* contract 9, check 6 */
{
	struct world *w = *state;
	struct client *tab = member(w, ANN), *phone = member(w, ANN), *bob = member(w, BOB), *cat = visitor(w, CAT);
	world_watch(w, tab, CHANNEL);
	world_watch(w, cat, CHANNEL);
	world_deliver(w, message(w, BOB));
	assert_int_equal(client_took(tab, "message.new"), 1);
	assert_int_equal(client_took(phone, "notification.message_new"), 1);
	assert_int_equal(client_took(bob, "notification.message_new"), 1);
	assert_int_equal(client_took(cat, "message.new"), 1);
	world_unwatch(w, tab, CHANNEL);
	world_watch(w, phone, CHANNEL);
	world_deliver(w, message(w, BOB));
	assert_int_equal(client_took(tab, "notification.message_new"), 1);
	assert_int_equal(client_took(phone, "message.new"), 1);
	client_free(tab);
	client_free(phone);
	client_free(bob);
	client_free(cat);
}

static void test_counts_are_those_of_the_receiver(void **state)
{
	struct world *w = *state;
	struct session_membership m[] = { { CHANNEL, 0, 0, false }, { OTHER, 0, 4, false } };
	struct session_start start = world_start(w, ANN);
	start.memberships = m;
	start.membership_count = 2;
	struct client *ann = client_open_as(w, &start, false), *bob = member(w, BOB), *cat = visitor(w, CAT),
		      *none = visitor(w, 0);
	world_watch(w, ann, CHANNEL);
	world_watch(w, cat, CHANNEL);
	world_watch(w, none, CHANNEL);
	client_drain(ann);
	ann->n = 0;
	world_deliver(w, message(w, BOB));
	client_drain(ann);
	client_drain(bob);
	client_drain(cat);
	client_drain(none);
	assert_int_equal(client_int(ann, 0, "total_unread_count"), 5);
	assert_int_equal(client_int(ann, 0, "unread_count"), 5);
	assert_int_equal(client_int(ann, 0, "unread_channels"), 2);
	assert_int_equal(client_int(bob, 0, "total_unread_count"), 0);
	assert_int_equal(client_int(cat, 0, "total_unread_count"), -1);
	assert_int_equal(client_int(none, 0, "total_unread_count"), -1);
	assert_int_equal(ann->got[0].n, cat->got[0].n); /* one frame header for all */
	assert_int_equal(client_int(ann, 0, "seq"), -1);
	client_free(ann);
	client_free(bob);
	client_free(cat);
	client_free(none);
}

static void test_seq_only_for_those_who_asked_and_only_of_durable_events(void **state)
{
	struct world *w = *state;
	struct session_start start = world_start(w, ANN);
	start.wants_seq = true;
	struct client *c = client_open_as(w, &start, false), *plain = visitor(w, BOB);
	world_watch(w, c, CHANNEL);
	world_watch(w, plain, CHANNEL);
	client_drain(c);
	c->n = 0;
	world_deliver(w, message(w, CAT));
	world_deliver(w, world_event(w, EVENT_TYPING_START, CHANNEL, 0, NULL));
	client_drain(c);
	client_drain(plain);
	assert_int_equal(client_int(c, 0, "seq"), w->pos);
	assert_int_equal(c->pos[0], w->pos);
	assert_int_equal(client_int(c, 1, "seq"), -1);
	assert_int_equal(c->pos[1], 0);
	assert_int_equal(client_int(plain, 0, "seq"), -1);
	client_free(c);
	client_free(plain);
}

static void test_own_class(void **state)
{
	struct world *w = *state;
	struct client *one = visitor(w, ANN), *two = visitor(w, ANN), *bob = visitor(w, BOB);
	world_watch(w, two, CHANNEL);
	world_deliver(w, world_event(w, EVENT_CHANNEL_HIDDEN, CHANNEL, ANN, NULL));
	assert_int_equal(client_took(one, "channel.hidden"), 1);
	assert_int_equal(client_took(two, "channel.hidden"), 1);
	struct event *e = world_event(w, EVENT_NOTIFICATION_INVITED, CHANNEL, ANN, NULL);
	e->flags = EVENT_NOT_WATCHING;
	world_deliver(w, e);
	assert_int_equal(client_took(one, "notification.invited"), 1);
	assert_int_equal(client_took(two, "notification.invited"), 0);
	assert_int_equal(client_drain(bob), 0);
	client_free(one);
	client_free(two);
	client_free(bob);
}

static void test_own_events_tell_threads(void **state)
{
	struct world *w = *state;
	struct client *ann = member(w, ANN);
	struct event *e = world_event(w, EVENT_NOTIFICATION_MARK_READ, 0, ANN, NULL);
	e->move = MOVE_THREADS;
	e->unread = 6;
	e->flags = EVENT_HAS_COUNTS;
	world_deliver(w, e);
	client_drain(ann);
	assert_int_equal(client_int(ann, 0, "unread_threads"), 6);
	assert_int_equal(client_int(ann, 0, "total_unread_count"), 0);
	client_free(ann);
}

static void test_presence_class(void **state)
{
	struct world *w = *state;
	struct client *ann = visitor(w, ANN), *bob = visitor(w, BOB);
	world_follow(w, ann, BOB);
	world_follow(w, ann, BOB);
	world_deliver(w, world_event(w, EVENT_USER_PRESENCE_CHANGED, 0, BOB, NULL));
	assert_int_equal(client_took(ann, "user.presence.changed"), 1);
	assert_int_equal(client_took(bob, "user.presence.changed"), 0);
	struct event *foreign = world_event(w, EVENT_USER_PRESENCE_CHANGED, 0, BOB, NULL);
	foreign->app = WORLD_APP + 1;
	world_deliver(w, foreign);
	assert_int_equal(client_drain(ann), 0);
	client_free(ann);
	client_free(bob);
}

static void test_presence_ends_with_the_channel_that_brought_it(void **state)
{
	struct world *w = *state;
	struct client *ann = visitor(w, ANN);
	int64_t channels[] = { CHANNEL, OTHER }, people[] = { BOB, CAT };
	struct session_subscribe r = { .channels = channels, .channel_count = 1, .presence = people, .presence_count = 2 };
	world_subscribe(w, &r, ann);
	struct session_subscribe again = {
		.channels = channels + 1, .channel_count = 1, .presence = people + 1, .presence_count = 1
	};
	world_subscribe(w, &again, ann);
	world_unwatch(w, ann, CHANNEL);
	world_deliver(w, world_event(w, EVENT_USER_PRESENCE_CHANGED, 0, BOB, NULL));
	assert_int_equal(client_took(ann, "user.presence.changed"), 0);
	world_deliver(w, world_event(w, EVENT_USER_PRESENCE_CHANGED, 0, CAT, NULL)); /* brought by the other one too */
	assert_int_equal(client_took(ann, "user.presence.changed"), 1);
	client_free(ann);
}

static void test_filters_by_actor(void **state)
{
	struct world *w = *state;
	struct client *ann = visitor(w, ANN), *bob = visitor(w, BOB), *none = visitor(w, 0);
	world_watch(w, ann, CHANNEL);
	world_watch(w, bob, CHANNEL);
	world_watch(w, none, CHANNEL);
	struct event *e = world_event(w, EVENT_MESSAGE_READ, CHANNEL, ANN, NULL);
	e->actor = ANN;
	e->flags = EVENT_ONLY_ACTOR;
	world_deliver(w, e);
	assert_int_equal(client_took(ann, "message.read"), 1);
	assert_int_equal(client_took(bob, "message.read"), 0);
	assert_int_equal(client_took(none, "message.read"), 0);
	e = world_event(w, EVENT_MESSAGE_READ, CHANNEL, ANN, NULL);
	e->actor = ANN;
	e->flags = EVENT_NOT_ACTOR;
	world_deliver(w, e);
	assert_int_equal(client_took(ann, "message.read"), 0);
	assert_int_equal(client_took(bob, "message.read"), 1);
	assert_int_equal(client_took(none, "message.read"), 1);
	client_free(ann);
	client_free(bob);
	client_free(none);
}

static void test_all_but_some(void **state)
{
	struct world *w = *state;
	struct client *ann = member(w, ANN), *bob = member(w, BOB), *cat = member(w, CAT), *none = visitor(w, 0);
	world_watch(w, ann, CHANNEL);
	world_watch(w, none, CHANNEL);
	struct event *e = message(w, 0);
	e->only = malloc(sizeof *e->only);
	assert_non_null(e->only);
	e->only[0] = BOB;
	e->only_count = 1;
	e->flags |= EVENT_ALL_BUT;
	world_deliver(w, e);
	assert_int_equal(client_took(ann, "message.new"), 1);
	assert_int_equal(client_took(none, "message.new"), 1);
	assert_int_equal(client_took(cat, "notification.message_new"), 1);
	assert_int_equal(client_drain(bob), 0);
	world_deliver(w, message(w, 0));
	client_drain(bob);
	assert_int_equal(client_int(bob, 0, "total_unread_count"), 1); /* what he does not get does not count */
	client_free(ann);
	client_free(bob);
	client_free(cat);
	client_free(none);
}

static void test_restricted_visibility(void **state)
{
	struct world *w = *state;
	struct client *ann = member(w, ANN), *bob = member(w, BOB), *cat = member(w, CAT), *none = visitor(w, 0);
	world_watch(w, ann, CHANNEL);
	world_watch(w, none, CHANNEL);
	struct event *e = message(w, ANN);
	e->only = malloc(2 * sizeof *e->only);
	assert_non_null(e->only);
	e->only[0] = ANN;
	e->only[1] = BOB;
	e->only_count = 2;
	world_deliver(w, e);
	assert_int_equal(client_took(ann, "message.new"), 1);
	assert_int_equal(client_took(bob, "notification.message_new"), 1);
	assert_int_equal(client_drain(cat), 0);
	assert_int_equal(client_drain(none), 0);
	world_deliver(w, message(w, ANN));
	client_drain(bob);
	client_drain(cat);
	assert_int_equal(client_int(bob, 0, "total_unread_count"), 2);
	assert_int_equal(client_int(cat, 0, "total_unread_count"), 1); /* what he may not see does not count */
	client_free(ann);
	client_free(bob);
	client_free(cat);
	client_free(none);
}

static void test_notify_class(void **state)
{
	struct world *w = *state;
	struct client *ann = member(w, ANN), *bob = member(w, BOB);
	world_watch(w, bob, CHANNEL);
	struct event *e = world_event(w, EVENT_NOTIFICATION_CHANNEL_DELETED, CHANNEL, 0, NULL);
	world_deliver(w, e);
	assert_int_equal(client_took(ann, "notification.channel_deleted"), 1);
	assert_int_equal(client_took(bob, "notification.channel_deleted"), 0);
	client_free(ann);
	client_free(bob);
}

static void test_drop_watch(void **state)
{
	struct world *w = *state;
	struct client *ann = member(w, ANN), *bob = member(w, BOB);
	world_watch(w, ann, CHANNEL);
	world_watch(w, bob, CHANNEL);
	struct event *e = world_event(w, EVENT_MEMBER_REMOVED, CHANNEL, ANN, NULL);
	e->flags = EVENT_DROP_WATCH;
	world_deliver(w, e);
	assert_int_equal(client_took(ann, "member.removed"), 1);
	assert_int_equal(registry_watcher_count(w->registry, WORLD_APP, CHANNEL), 1);
	struct asked *a = world_asked(w, ASKED_ENDED);
	assert_true(a && a->user == ANN && a->n == 1 && a->channels[0] == CHANNEL && a->counts[0] == 1 && !a->last);
	world_deliver(w, world_event(w, EVENT_TYPING_START, CHANNEL, 0, NULL));
	assert_int_equal(client_drain(ann), 0);
	e = world_event(w, EVENT_CHANNEL_DELETED, CHANNEL, 0, NULL);
	e->flags = EVENT_DROP_WATCH;
	world_deliver(w, e);
	assert_int_equal(client_took(bob, "channel.deleted"), 1);
	assert_int_equal(registry_watcher_count(w->registry, WORLD_APP, CHANNEL), 0);
	assert_int_equal(world_count(w, ASKED_ENDED), 1);
	client_free(ann);
	client_free(bob);
}

static void test_close_sessions(void **state)
{
	struct world *w = *state;
	struct client *one = visitor(w, ANN), *two = visitor(w, ANN), *bob = visitor(w, BOB);
	struct event *e = world_event(w, EVENT_USER_UPDATED, 0, ANN, NULL);
	uint16_t code = 0;
	e->cls = EVENT_CLASS_OWN;
	e->flags = EVENT_CLOSE_SESSIONS;
	e->close_code = 1000;
	e->close_frame = blob_make(SPAN("{\"error\":{\"code\":40}}"));
	world_deliver(w, e);
	assert_true(session_is_closed(one->session, &code) && code == 1000);
	assert_true(session_is_closed(two->session, &code));
	assert_false(session_is_closed(bob->session, &code));
	client_drain(one);
	assert_true(span_is(client_type(one, 0), "user.updated"));
	assert_true(span_is(one->got[1], "{\"error\":{\"code\":40}}"));
	assert_false(registry_is_online(w->registry, WORLD_APP, ANN));
	client_free(one);
	client_free(two);
	client_free(bob);
}

static void test_close_sessions_of_everybody(void **state)
{
	struct world *w = *state;
	struct client *ann = visitor(w, ANN), *bob = visitor(w, BOB);
	uint16_t code = 0;
	for (int round = 0; round < 2; round++) {
		struct event *e = world_event(w, EVENT_USER_UPDATED, 0, 0, NULL);
		e->cls = EVENT_CLASS_OWN;
		e->app = WORLD_APP + 1 - round;
		e->flags = EVENT_CLOSE_SESSIONS;
		e->close_code = 1000;
		world_deliver(w, e);
		assert_int_equal(session_is_closed(ann->session, &code), round);
		assert_int_equal(session_is_closed(bob->session, &code), round);
	}
	client_free(ann);
	client_free(bob);
}

static void test_close_sessions_of_old_tokens(void **state)
{
	struct world *w = *state;
	uint16_t code = 0;
	for (int everybody = 0; everybody < 2; everybody++) {
		struct session_start start = world_start(w, ANN);
		start.issued_s = 100;
		struct client *old = client_open_as(w, &start, false), *unsaid = visitor(w, ANN), *none = visitor(w, 0);
		start.issued_s = 101;
		struct client *good = client_open_as(w, &start, false);
		struct event *e = world_event(w, EVENT_USER_UPDATED, 0, everybody ? 0 : ANN, NULL);
		e->cls = EVENT_CLASS_OWN;
		e->flags = EVENT_CLOSE_SESSIONS;
		e->seq = 101;
		e->close_code = 1000;
		world_deliver(w, e);
		assert_true(session_is_closed(old->session, &code) && session_is_closed(unsaid->session, &code));
		assert_false(session_is_closed(good->session, &code) || session_is_closed(none->session, &code));
		client_free(old);
		client_free(unsaid);
		client_free(good);
		client_free(none);
	}
}

/* What ended rights since then is forgotten: the connect rule must look again. */
static void test_a_snapshot_older_than_the_ring_is_refused(void **state)
{
	struct world *w = *state;
	struct session_start start = world_start(w, ANN);
	struct client *peer = client_make(w, false);
	bool came_online;
	for (int i = 0; i < LIMIT_RING_EVENTS + 1; i++) world_deliver(w, world_event(w, EVENT_MESSAGE_NEW, 99, 0, NULL));
	struct session *s = peer->session;
	assert_int_equal(session_open(s, &start, &came_online), ERR_AGAIN);
	assert_false(registry_is_online(w->registry, WORLD_APP, ANN));
	start.snapshot_pos = w->pos;
	assert_int_equal(session_open(s, &start, &came_online), ERR_OK);
	client_free(peer);
}

static void test_crowds_thin_typing_and_watching(void **state)
{
	struct world *w = *state;
	struct client *crowd[102];
	size_t got = 0;
	for (int i = 0; i < 100; i++) {
		crowd[i] = visitor(w, 1000 + i);
		world_watch(w, crowd[i], CHANNEL);
	}
	struct event *e = world_event(w, EVENT_TYPING_START, CHANNEL, 0, NULL);
	e->flags = EVENT_THIN_WATCHERS;
	world_deliver(w, e);
	assert_int_equal(client_took(crowd[0], "typing.start"), 1);
	crowd[100] = visitor(w, 2000);
	world_watch(w, crowd[100], CHANNEL);
	e = world_event(w, EVENT_TYPING_START, CHANNEL, 0, NULL);
	e->flags = EVENT_THIN_WATCHERS;
	world_deliver(w, e);
	assert_int_equal(client_took(crowd[0], "typing.start"), 0);
	for (int i = 0; i < 12; i++) {
		e = world_event(w, EVENT_USER_WATCHING_START, CHANNEL, 0, NULL);
		e->flags = EVENT_THIN_5S;
		world_deliver(w, e);
		fake_pass(&w->time, w->loop, 1000);
		got += client_took(crowd[0], "user.watching.start");
	}
	assert_int_equal(got, 3); /* at 0, 5 and 10 s */
	for (int i = 0; i <= 100; i++) client_free(crowd[i]);
}

static void test_disconnect_announces(void **state)
{
	struct world *w = *state;
	struct client *one = visitor(w, ANN), *two = visitor(w, ANN);
	bool quiet = true, first = false;
	int64_t other = OTHER, count;
	world_watch(w, one, CHANNEL);
	world_watch(w, two, CHANNEL);
	struct session_subscribe r = {
		.channels = &other, .channel_count = 1, .quiet = &quiet, .first = &first, .watcher_count = &count
	};
	world_subscribe(w, &r, two);
	client_free(one);
	assert_int_equal(world_count(w, ASKED_ENDED), 0);
	client_free(two);
	struct asked *a = world_asked(w, ASKED_ENDED);
	assert_true(a && a->n == 1 && a->channels[0] == CHANNEL && a->counts[0] == 0 && a->last);
	assert_int_equal(registry_concurrent(w->registry, 0), 0);
}

static void test_invisible_users_are_never_announced(void **state)
{
	struct world *w = *state;
	struct session_start start = world_start(w, ANN);
	start.invisible = true;
	struct client *c = client_open_as(w, &start, false);
	int64_t channel = CHANNEL, count = -1;
	bool first = true;
	struct session_subscribe r = { .channels = &channel, .channel_count = 1, .first = &first, .watcher_count = &count };
	assert_false(c->came_online);
	world_subscribe(w, &r, c);
	assert_false(first);
	assert_int_equal(count, 0);
	client_free(c);
	assert_int_equal(world_count(w, ASKED_ENDED), 0);
}

static void test_subscribing_needs_the_right_session(void **state)
{
	struct world *w = *state;
	struct client *ann = visitor(w, ANN);
	int64_t channel = CHANNEL;
	struct session_subscribe r = {
		.app = WORLD_APP, .user = BOB, .channels = &channel, .channel_count = 1, .done = world_done
	};
	memcpy(r.connection_id, session_id(ann->session).p, session_id(ann->session).n);
	session_hub_post_subscribe(w->hub, &r);
	fake_loop_turn(w->loop);
	assert_false(r.found);
	r.user = ANN;
	r.app = WORLD_APP + 1;
	session_hub_post_subscribe(w->hub, &r);
	fake_loop_turn(w->loop);
	assert_false(r.found);
	r.app = WORLD_APP;
	r.connection_id[20] = r.connection_id[20] == 'A' ? 'B' : 'A';
	session_hub_post_subscribe(w->hub, &r);
	fake_loop_turn(w->loop);
	assert_false(r.found);
	client_free(ann);
}

/* A call that asked for CHANNEL and for BOB, and may have to take them back. */
struct asking {
	struct session_subscribe r;
	int64_t channel, user;
	uint32_t watch, presence;
};

static void ask(struct world *w, struct asking *a, const struct client *c)
{
	*a = (struct asking){ .channel = CHANNEL, .user = BOB };
	a->r = (struct session_subscribe){ .channels = &a->channel,
		.channel_count = 1,
		.presence = &a->user,
		.presence_count = 1,
		.watch_serials = &a->watch,
		.presence_serials = &a->presence };
	world_subscribe(w, &a->r, c);
	assert_true(a->r.found && a->watch && a->presence);
}

static void take_back(struct world *w, struct asking *a)
{
	session_hub_post_take_back(w->hub, &a->r);
	fake_loop_turn(w->loop);
}

static bool listens(const struct world *w, const struct client *c)
{
	const struct session *s = c->session;
	bool watches = topic_subscription(&s->watches, CHANNEL) != NULL;
	assert_int_equal(topic_subscription(&s->presence, BOB) != NULL, watches);
	assert_int_equal(registry_watcher_count(w->registry, WORLD_APP, CHANNEL), watches);
	return watches;
}

static void test_refused_call_takes_its_subscriptions_back(void **state)
{
	struct world *w = *state;
	struct client *ann = visitor(w, ANN);
	struct asking one, two;
	ask(w, &one, ann);
	take_back(w, &one);
	assert_false(listens(w, ann));
	ask(w, &one, ann);
	ask(w, &two, ann);
	take_back(w, &one);
	assert_true(listens(w, ann)); /* the other call has it still */
	take_back(w, &two);
	assert_false(listens(w, ann));
	ask(w, &one, ann);
	world_unwatch(w, ann, CHANNEL);
	ask(w, &two, ann);
	take_back(w, &one);
	assert_true(listens(w, ann)); /* another subscription than the one it asked for */
	one.watch = one.presence = 0;
	take_back(w, &one);
	assert_true(listens(w, ann));
	assert_int_equal(world_count(w, ASKED_ENDED), 0);
	client_free(ann);
	take_back(w, &two); /* nobody is there any more */
}

static void test_repeated_watch_is_not_announced_again(void **state)
{
	struct world *w = *state;
	struct client *ann = visitor(w, ANN);
	int64_t channel = CHANNEL, count;
	bool first, last;
	for (int i = 0; i < 3; i++) {
		struct session_subscribe r = {
			.channels = &channel, .channel_count = 1, .first = &first, .watcher_count = &count
		};
		world_subscribe(w, &r, ann);
		assert_int_equal(first, i == 0);
		assert_int_equal(count, 1);
	}
	for (int i = 0; i < 2; i++) {
		struct session_subscribe r = { .unwatch = &channel, .unwatch_count = 1, .last = &last, .watcher_count = &count };
		world_subscribe(w, &r, ann);
		assert_int_equal(last, i == 0);
		assert_int_equal(count, 0);
	}
	client_free(ann);
}

/* Committed after the snapshot, delivered before the session was there: caught up from the ring. */
static void test_open_catches_up(void **state)
{
	struct world *w = *state;
	struct session_membership m = { CHANNEL, 0, 2, false };
	struct session_start start = world_start(w, ANN);
	start.memberships = &m;
	start.membership_count = 1;
	start.wants_seq = true;
	struct event *late = message(w, BOB), *early;
	world_deliver(w, late);
	start.snapshot_pos = w->pos; /* a snapshot that has seen it ... */
	early = message(w, BOB);
	world_deliver(w, early);
	struct client *c = client_open_as(w, &start, false);
	client_drain(c);
	assert_int_equal(c->n, 2); /* ... and not the other one */
	assert_true(span_is(client_type(c, 1), "notification.message_new"));
	assert_int_equal(client_int(c, 1, "seq"), w->pos);
	assert_int_equal(client_int(c, 1, "total_unread_count"), 3);
	client_free(c);
}

static void test_event_in_the_snapshot_and_still_under_way(void **state)
{
	struct world *w = *state;
	struct session_membership m = { CHANNEL, 0, 1, false };
	struct event *e = message(w, BOB);
	struct session_start start = world_start(w, ANN); /* its position is in the snapshot */
	start.memberships = &m;
	start.membership_count = 1;
	struct client *c = client_open_as(w, &start, false);
	world_deliver(w, e);
	world_deliver(w, message(w, BOB));
	client_drain(c);
	assert_int_equal(c->n, 2);
	assert_int_equal(client_int(c, 1, "total_unread_count"), 2);
	client_free(c);
}

static void test_deactivated_between_snapshot_and_open(void **state)
{
	struct world *w = *state;
	struct session_start start = world_start(w, ANN);
	uint16_t code = 0;
	struct event *e = world_event(w, EVENT_USER_UPDATED, 0, ANN, NULL);
	e->flags = EVENT_CLOSE_SESSIONS;
	e->close_code = 1000;
	world_deliver(w, e);
	struct client *c = client_open_as(w, &start, false);
	assert_true(session_is_closed(c->session, &code) && code == 1000);
	assert_false(registry_is_online(w->registry, WORLD_APP, ANN));
	client_free(c);
}

static void test_close_from_any_thread(void **state)
{
	struct world *w = *state;
	struct client *ann = visitor(w, ANN), *too = visitor(w, ANN), *bob = visitor(w, BOB), *none = visitor(w, 0);
	uint16_t code;
	struct blob *frame = blob_make(SPAN("{\"error\":{}}"));
	session_hub_post_close(w->hub, WORLD_APP, ANN, 1008, frame);
	blob_unref(frame);
	fake_loop_turn(w->loop);
	assert_true(session_is_closed(ann->session, &code) && session_is_closed(too->session, &code));
	assert_false(session_is_closed(bob->session, &code));
	client_drain(ann);
	assert_true(span_is(ann->got[0], "{\"error\":{}}"));
	session_hub_post_close(w->hub, WORLD_APP + 1, 0, 1012, NULL);
	fake_loop_turn(w->loop);
	assert_false(session_is_closed(bob->session, &code));
	session_hub_post_close(w->hub, WORLD_APP, 0, 1012, NULL);
	fake_loop_turn(w->loop);
	assert_true(session_is_closed(bob->session, &code) && session_is_closed(none->session, &code) && code == 1012);
	client_free(ann);
	client_free(too);
	client_free(bob);
	client_free(none);
	session_hub_post_close(w->hub, 0, 0, 1012, NULL); /* stays in the mailbox: the hub frees it */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, up, down)
	const struct CMUnitTest tests[] = { T(test_first_health_check), T(test_watcher_of_the_event),
		T(test_first_health_check_says_position_and_gap),
		T(test_member_not_watching_gets_the_notification_and_the_reverse), T(test_counts_are_those_of_the_receiver),
		T(test_seq_only_for_those_who_asked_and_only_of_durable_events), T(test_own_class),
		T(test_own_events_tell_threads), T(test_presence_class), T(test_presence_ends_with_the_channel_that_brought_it),
		T(test_filters_by_actor), T(test_restricted_visibility), T(test_all_but_some), T(test_notify_class),
		T(test_drop_watch), T(test_close_sessions), T(test_close_sessions_of_everybody),
		T(test_close_sessions_of_old_tokens), T(test_a_snapshot_older_than_the_ring_is_refused),
		T(test_crowds_thin_typing_and_watching), T(test_disconnect_announces),
		T(test_invisible_users_are_never_announced), T(test_subscribing_needs_the_right_session),
		T(test_refused_call_takes_its_subscriptions_back), T(test_repeated_watch_is_not_announced_again),
		T(test_open_catches_up), T(test_event_in_the_snapshot_and_still_under_way),
		T(test_deactivated_between_snapshot_and_open), T(test_close_from_any_thread) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
