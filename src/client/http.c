#include "client/http.h"

#include "client/client.h"
#include "wire/url.h"

void client_http_url(beck_client *c, struct buf *out, struct span path)
{
	buf_printf(out, "%s%s%.*s?api_key=", c->origin, c->prefix, SPAN_FMT(path));
	url_encode(out, span_str(c->api_key));
}

uint64_t client_http_start(beck_client *c, struct io_http *h, const struct buf *url, struct span token, bool is_anonymous)
{
	enum { TOKEN_MAX = 16384, NAME_MAX_BYTES = 512 };
	struct buf auth, name;
	buf_init(&auth, TOKEN_MAX);
	buf_init(&name, NAME_MAX_BYTES);
	buf_printf(&name, "X-Stream-Client: %s", c->set.client_name);
	buf_printf(&auth, "Authorization: %.*s", SPAN_FMT(token));
	struct span headers[3] = { buf_span(&name),
		is_anonymous ? SPAN("Stream-Auth-Type: anonymous") : SPAN("Stream-Auth-Type: jwt"), buf_span(&auth) };
	h->url = buf_span(url);
	h->headers = headers;
	h->n_headers = span_given(token) ? 3 : 2;
	h->max_answer_bytes = (size_t)LIMIT_CLIENT_ANSWER_BYTES;
	if (!span_given(h->content_type)) h->content_type = SPAN("application/json");
	bool ok = !url->failed && !auth.failed && !name.failed;
	uint64_t id = ok ? c->io->driver->http_start(c->io, h) : 0;
	buf_deinit(&auth);
	buf_deinit(&name);
	return id;
}
