#include "cli/listing.h"

#include "cli/output.h"
#include "cli/text.h"

#include <stdio.h>

#define LIMIT_DEFAULT 100

/* Shows a page; how many it held, or -1 with everything said. */
static long long show_page(
	struct args *g, const struct listing *l, beck_client *client, long long offset, long long limit, int *status)
{
	beck_error e = { 0 };
	const beck_reply *reply = NULL;
	struct text query = { 0 };
	text_format(&query, "{\"filter_conditions\":%s,\"limit\":%lld,\"offset\":%lld%s}", g->filter ? g->filter : l->filter,
		limit, offset, l->more);
	beck_result r = l->query(client, query.p, &reply, &e);
	text_free(&query);
	if (r != BECK_OK) {
		*status = say_error("refused", &e);
		return -1;
	}
	const beck_value *items = beck_value_get(beck_reply_value(reply), l->key), *item;
	size_t at = 0;
	while (beck_value_next(items, &at, NULL, &item)) {
		char *json = wants_json(g->json) ? beck_value_json(item) : NULL;
		if (json)
			(void)puts(json);
		else
			l->show(item);
		beck_free(json);
	}
	long long count = (long long)beck_value_count(items);
	beck_reply_unref(reply);
	return count;
}

static int show_all(struct args *g, const struct listing *l, beck_client *client)
{
	int status = EXIT_FINE;
	long long left = g->limit ? g->limit : LIMIT_DEFAULT, offset = 0;
	while (left > 0) {
		long long limit = left < l->page_max ? left : l->page_max;
		long long count = show_page(g, l, client, offset, limit, &status);
		if (count < limit) break;
		offset += count;
		left -= count;
	}
	return status;
}

static int check_filter(const struct args *g)
{
	beck_document *document = NULL;
	beck_error e = { 0 };
	struct text t = { 0 };
	if (!g->filter) return EXIT_FINE;
	text_put(&t, g->filter);
	bool ok = beck_document_parse(t.p ? t.p : "", t.n, &document, &e) == BECK_OK &&
		  beck_value_kind(beck_document_root(document)) == BECK_OBJECT;
	beck_document_free(document);
	text_free(&t);
	return ok ? EXIT_FINE : args_wrong(g->command, "--filter: %s is no JSON object", g->filter);
}

int listing_run(struct args *g, const struct listing *l)
{
	struct access a;
	int status = check_filter(g);
	if (status == EXIT_FINE) status = access_find(g, &a);
	if (status != EXIT_FINE) return status;
	bool as_server = !*a.user && *a.secret;
	if (!*a.user && !as_server) {
		access_free(&a);
		return args_wrong(g->command, "whose connection: give --user ID, or a token that is for one");
	}
	beck_client *client = as_server ? access_server_client(&a) : access_client(&a, BECK_OWN_THREAD);
	status = !client ? EXIT_USAGE : as_server ? EXIT_FINE : access_connect(&a, client);
	if (status == EXIT_FINE) status = show_all(g, l, client);
	beck_release(client);
	access_free(&a);
	return status;
}
