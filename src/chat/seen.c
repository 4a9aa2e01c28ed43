/* Who was there: written in batches, so that a connect waits for no commit. */
#include "chat/background.h"
#include "chat/user_rules.h"

static enum err mark_peaks(struct chat_ctx *c, const struct registry_seen *seen, size_t n)
{
	int64_t last = 0;
	for (size_t i = 0; i < n; i++) {
		if (seen[i].app == last) continue; /* mostly one application; marking one twice is harmless */
		last = seen[i].app;
		enum err e = store_peak_raise(c->tx, last, chat_month(c->now_us), registry_peak(c->chat->registry, last, false));
		if (e != ERR_OK) return chat_store_fail(c, e);
	}
	return ERR_OK;
}

enum err chat_seen_flush(struct chat_ctx *c, const struct registry_seen *seen, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		/* Time 0: active this month without having been here (GET /unread). */
		int64_t at = seen[i].at_us != 0 ? seen[i].at_us : c->now_us;
		enum err e = seen[i].at_us != 0 ? store_user_touch(c->tx, seen[i].user, at) : ERR_OK;
		if (e == ERR_OK) e = store_mau_mark(c->tx, seen[i].app, chat_month(at), seen[i].user);
		if (e != ERR_OK) return chat_store_fail(c, e);
	}
	return mark_peaks(c, seen, n);
}
