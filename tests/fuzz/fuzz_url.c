/* Targets, queries, escapes, base URLs, ids and times from any bytes. */
#include "wire/ids.h"
#include "wire/timestamp.h"
#include "wire/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(struct span part, struct span whole)
{
	return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void escapes(struct arena *a, struct span in)
{
	struct buf b;
	struct span d = url_decode(a, in, true);
	BECK_ASSERT(d.n <= in.n);
	buf_init(&b, in.n * 3 + 16);
	url_encode(&b, in);
	BECK_ASSERT(!b.failed);
	if (in.n && !memchr(in.p, 0, in.n)) BECK_ASSERT(span_eq(url_decode(a, buf_span(&b), true), in));
	buf_deinit(&b);
}

static void parts(struct arena *a, struct span in)
{
	struct span path, query;
	struct url_query q;
	struct url_base base;
	url_split_target(in, &path, &query);
	BECK_ASSERT(inside(path, in) && inside(query, in));
	if (url_query_parse(a, query, &q)) {
		BECK_ASSERT(q.n <= 100);
		for (size_t i = 0; i < q.n; i++) BECK_ASSERT(span_given(q.items[i].name) && span_given(q.items[i].value));
	}
	if (url_base_parse(in, &base)) BECK_ASSERT(base.host.n && base.port && inside(base.host, in) && inside(base.prefix, in));
}

static void names_and_times(struct span in)
{
	struct span type, id;
	int64_t us, back;
	char text[28];
	if (cid_split(in, &type, &id)) BECK_ASSERT(type.n + 1 + id.n == in.n);
	if (!time_parse(in, &us)) return;
	time_format(us, text);
	BECK_ASSERT(time_parse(span_str(text), &back) && back == us);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { size ? (const char *)data : "", size };
	struct arena a;
	arena_init(&a, 16u << 20);
	escapes(&a, in);
	parts(&a, in);
	names_and_times(in);
	arena_deinit(&a);
	return 0;
}
