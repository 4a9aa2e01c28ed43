/* X-Forwarded-For: each proxy appends the address it saw, so only the tail that our own proxies wrote can be believed. */
#include "conn/host.h"

/* Cuts the last entry off a comma-separated list. */
static struct span last_entry(struct span *list)
{
	size_t at = list->n;
	while (at && list->p[at - 1] != ',') at--;
	struct span entry = span_skip(*list, at);
	list->n = at ? at - 1 : 0;
	return entry;
}

/* Looks through one header from the right. True when the search has ended. */
static bool look(const struct conn_host *h, struct span list, struct net_addr *client)
{
	while (list.n) {
		struct net_addr entry;
		if (!net_addr_parse(last_entry(&list), true, &entry)) return true; /* what is left of it is hearsay */
		*client = entry;
		if (!net_cidrs_match(h->trusted, h->trusted_n, &entry)) return true;
	}
	return false;
}

struct span conn_host_client(const struct conn_host *h, struct span peer, const struct http_request *r, struct arena *a)
{
	struct net_addr client;
	if (!h->trusted_n || !net_addr_parse(peer, false, &client) || !net_cidrs_match(h->trusted, h->trusted_n, &client))
		return peer;
	for (size_t i = r->header_count; i-- > 0;)
		if (span_is(r->headers[i].name, "x-forwarded-for") && look(h, r->headers[i].value, &client)) break;
	char text[NET_ADDR_TEXT_BYTES];
	struct span found = arena_dup(a, span_make(text, net_addr_text(&client, text)));
	return span_given(found) ? found : peer;
}
