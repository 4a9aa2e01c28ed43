/* Calls per minute: counted for every operation and platform, shown in headers and by GET /rate_limits. Nothing is limited by
 * them. */
#include "api/rates.h"

#include "api/handlers.h"
#include "base/limits.h"
#include "chat/rates.h"

/* ---- whose call ---- */
static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static bool names(struct span text, const char *word)
{
	size_t n = strlen(word);
	for (size_t i = 0; i + n <= text.n; i++) {
		size_t k = 0;
		while (k < n && lower(text.p[i + k]) == word[k]) k++;
		if (k == n) return true;
	}
	return false;
}

/* By the name that client libraries give themselves. */
static enum rate_platform platform_of(const struct api_call *c)
{
	if (c->chat.caller == CALLER_SERVER) return RATE_SERVER_SIDE;
	struct span client = http_header_get(&c->http, "x-stream-client");
	if (!span_given(client)) client = url_query_get(&c->query, "X-Stream-Client");
	if (names(client, "android") || names(client, "kotlin")) return RATE_ANDROID;
	if (names(client, "ios") || names(client, "swift")) return RATE_IOS;
	return names(client, "unity") ? RATE_UNITY : RATE_WEB;
}

/* ---- counting ---- */
static size_t operation_of(const struct api_call *c)
{
	return api_is_connect(c) ? 0 : (size_t)(c->route - api_routes); /* the first route is the plain Connect */
}

static uint32_t minute_of(const struct api_call *c) { return (uint32_t)(clock_wall_us(c->chat.chat->clock) / 60000000); }

void api_rate_count(struct api_call *c)
{
	if (c->app == NULL) return;
	uint32_t calls = rates_add(c->app->rates, operation_of(c), platform_of(c), minute_of(c));
	/* What all others called is the operator's to know. To a client it would tell that somebody read or typed who hides it.
	 */
	c->calls_in_minute = c->chat.caller == CALLER_SERVER ? calls : 1;
}

/* ---- GET /rate_limits ---- */
static const char *const platform_names[RATE_PLATFORMS] = { "server_side", "android", "ios", "web", "unity" };

static bool is_listed(struct span list, struct span name)
{
	while (list.n > 0) {
		size_t comma = span_find(list, ',');
		if (span_eq(span_make(list.p, comma), name)) return true;
		list = span_skip(list, comma + 1);
	}
	return false;
}

static bool seen_before(size_t route)
{
	for (size_t i = 0; i < route; i++)
		if (strcmp(api_routes[i].name, api_routes[route].name) == 0) return true;
	return false;
}

/* Several routes can be one operation. */
static int64_t calls_of(const struct api_call *c, const char *name, enum rate_platform p)
{
	int64_t calls = 0;
	for (size_t i = 0; api_routes[i].name != NULL; i++)
		if (strcmp(api_routes[i].name, name) == 0) calls += rates_get(c->app->rates, i, p, minute_of(c));
	return calls;
}

static void write_operation(struct api_call *c, const char *name, enum rate_platform p)
{
	int64_t left = LIMIT_RATE_WHILE_OFF - calls_of(c, name, p);
	jsonw_key(&c->out, name);
	jsonw_obj_begin(&c->out);
	jsonw_kint(&c->out, "limit", LIMIT_RATE_WHILE_OFF);
	jsonw_kint(&c->out, "remaining", left > 0 ? left : 0);
	jsonw_kint(&c->out, "reset", ((int64_t)minute_of(c) + 1) * 60);
	jsonw_obj_end(&c->out);
}

/* Beck's own paths are not the contract's operations. */
static bool is_shown(size_t route, struct span wanted)
{
	if (strncmp(api_routes[route].pattern, "/beck/", 6) == 0 || seen_before(route)) return false;
	return !span_given(wanted) || is_listed(wanted, span_str(api_routes[route].name));
}

static void write_platform(struct api_call *c, enum rate_platform p, struct span wanted)
{
	jsonw_key(&c->out, platform_names[p]);
	jsonw_obj_begin(&c->out);
	for (size_t i = 0; api_routes[i].name != NULL; i++)
		if (is_shown(i, wanted)) write_operation(c, api_routes[i].name, p);
	jsonw_obj_end(&c->out);
}

enum err api_get_rate_limits(struct api_call *c)
{
	bool asked[RATE_PLATFORMS] = { false }, any = false;
	for (size_t p = 0; p < RATE_PLATFORMS; p++) {
		enum err e = api_query_bool(c, platform_names[p], &asked[p]);
		if (e != ERR_OK) return e;
		any = any || asked[p];
	}
	struct span wanted = api_query(c, "endpoints");
	for (size_t p = 0; p < RATE_PLATFORMS; p++)
		if (asked[p] || !any) write_platform(c, (enum rate_platform)p, wanted);
	return ERR_OK;
}
