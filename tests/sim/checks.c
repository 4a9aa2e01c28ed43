/* What must be true at the end, asked of the server through its own API and held against what the people know. */
#include <stdio.h>
#include <string.h>

#include "sim.h"

/* By what was said, since the same words under two ids are stored twice as well; a deleted message has only its id. */
static int number_of(struct sim *s, yyjson_val *message)
{
	long long n;
	struct span text = json_span(json_get(message, "text")), id = json_span(json_get(message, "id"));
	bool said = span_starts(text, SPAN("number ")) && span_to_i64(span_skip(text, 7), &n);
	if (!said && (id.n < 3 || !span_to_i64(span_skip(id, 2), &n))) return -1;
	return n >= 0 && n < s->sent_count ? (int)n : -1;
}

static yyjson_val *channel_state(struct sim *s, struct arena *a, int user, int c)
{
	char path[64];
	int status, n = snprintf(path, sizeof path, "/channels/messaging/c%d/query", c);
	yyjson_val *v = call(
		s, a, user, "POST", span_make(path, (size_t)n), SPAN("{\"state\":true,\"messages\":{\"limit\":300}}"), &status);
	if (v && status > 201) sim_fail(s, "channel query: status %d", status);
	return v;
}

/* Acknowledged is there, once; what was not is there at most once. Then every device has seen each living message once, in this
 * order. */
static void check_channel(struct sim *s, int c)
{
	struct arena a;
	arena_init(&a, 256 << 20);
	yyjson_val *list = json_get(channel_state(s, &a, -1, c), "messages"), *m;
	int place[MESSAGES], order[MESSAGES], n = 0;
	size_t i, count;
	for (int k = 0; k < MESSAGES; k++) place[k] = -1;
	yyjson_arr_foreach(list, i, count, m)
	{
		int k = number_of(s, m);
		if (k < 0) continue;
		if (place[k] >= 0) sim_fail(s, "message %d is stored twice", k);
		place[k] = n;
		order[n++] = k;
		bool deleted = span_is(json_span(json_get(m, "type")), "deleted");
		if (deleted && !s->sent[k].delete_tried) sim_fail(s, "message %d is deleted and nobody did it", k);
		for (int d = 0; d < DEVICES && !deleted && !*s->failure; d++) {
			int got = 0;
			for (int x = 0; x < s->devices[d].seen_count[c]; x++) got += s->devices[d].seen[c][x].message == k;
			if (got != 1)
				sim_fail(s, "device %d (%s) got message %d %d times", d, user_name(s->devices[d].user), k, got);
		}
	}
	for (int k = 0; k < s->sent_count; k++)
		if (s->sent[k].channel == c && s->sent[k].is_acked && place[k] < 0)
			sim_fail(s, "message %d was acknowledged and is lost", k);
	for (int d = 0; d < DEVICES && !*s->failure; d++) {
		int last = -1;
		for (int x = 0; x < s->devices[d].seen_count[c]; x++) {
			int k = s->devices[d].seen[c][x].message;
			if (place[k] < 0) sim_fail(s, "device %d got message %d, which is not stored", d, k);
			if (place[k] < last) sim_fail(s, "device %d got message %d out of order", d, k);
			last = place[k];
		}
	}
	(void)order;
	arena_deinit(&a);
}

/* How far a member has read, as his own entry says. */
struct pointer {
	struct span last_read, message_id;
};

static struct pointer pointer_of(struct sim *s, yyjson_val *state, int user)
{
	struct pointer p = { SPAN_NONE, SPAN_NONE };
	yyjson_val *r;
	size_t i, n;
	yyjson_arr_foreach(json_get(state, "read"), i, n, r)
	{
		struct span who = json_span(json_get(json_get(r, "user"), "id"));
		if (span_is(who, user_name(user)))
			p = (struct pointer){ json_span(json_get(r, "last_read")),
				json_span(json_get(r, "last_read_message_id")) };
		else if (span_is(who, "bob"))
			sim_fail(s, "%s can read how far %.*s has read", user_name(user), SPAN_FMT(who));
	}
	return p;
}

/* A member's unread count, recounted by hand from what he can read: what others said after the message he read last. Only where
 * there was none is it a matter of time; a clock that went back makes a later message older than the moment of reading. */
static int64_t recount(struct sim *s, struct arena *a, int user, int c)
{
	yyjson_val *state = channel_state(s, a, user, c), *m;
	struct pointer p = pointer_of(s, state, user);
	size_t i, n;
	int64_t after = 0, later = 0;
	bool found = false;
	yyjson_arr_foreach(json_get(state, "messages"), i, n, m)
	{
		bool counts = span_is(json_span(json_get(m, "type")), "regular") &&
			      !span_is(json_span(json_get(json_get(m, "user"), "id")), user_name(user));
		if (counts && found) after++;
		if (counts && span_cmp(json_span(json_get(m, "created_at")), p.last_read) > 0) later++;
		found |= span_given(p.message_id) && span_eq(json_span(json_get(m, "id")), p.message_id);
	}
	return found ? after : later;
}

static void check_unread(struct sim *s, int user)
{
	struct arena a;
	arena_init(&a, 256 << 20);
	int status;
	int64_t want = 0;
	for (int c = 0; c < CHANNELS && !*s->failure; c++) want += recount(s, &a, user, c);
	if (s->plant == PLANT_MISCOUNT) want++;
	yyjson_val *v = *s->failure ? NULL : call(s, &a, user, "GET", SPAN("/unread"), SPAN_NONE, &status);
	int64_t total = yyjson_get_sint(json_get(v, "total_unread_count"));
	if (v && total != want)
		sim_fail(s, "/unread of %s says %lld, a recount %lld", user_name(user), (long long)total, (long long)want);
	for (int d = 0; d < DEVICES && v; d++)
		if (s->devices[d].user == user && s->devices[d].last_total != total)
			sim_fail(s, "device %d (%s) was last told %lld unread, and it is %lld", d, user_name(user),
				(long long)s->devices[d].last_total, (long long)total);
	arena_deinit(&a);
}

static void check_counters(struct sim *s)
{
	struct arena a;
	arena_init(&a, 16 << 20);
	int status;
	yyjson_val *v = call(s, &a, -1, "GET", SPAN("/beck/usage"), SPAN_NONE, &status);
	int64_t n = yyjson_get_sint(json_get(v, "concurrent_connections")), want = DEVICES + (s->plant == PLANT_GHOST);
	if (v && n != want) sim_fail(s, "usage counts %lld connections, there are %lld", (long long)n, (long long)want);
	v = call(s, &a, -1, "GET", SPAN("/beck/usage"), SPAN_NONE, &status);
	if (v && yyjson_get_sint(json_get(v, "monthly_active_users")) != USERS) sim_fail(s, "monthly active users are wrong");
	arena_deinit(&a);
}

void check_all(struct sim *s)
{
	for (int c = 0; c < CHANNELS && !*s->failure; c++) check_channel(s, c);
	for (int u = 0; u < USERS && !*s->failure; u++) check_unread(s, u);
	if (!*s->failure) check_counters(s);
}
