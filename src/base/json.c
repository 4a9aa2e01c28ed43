#include "base/json.h"

#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/mem.h"

enum { SMALL_OBJECT = 32 }; /* up to this many keys comparison beats sorting */

/* yyjson's memory comes from the arena. */

static void *alc_malloc(void *ctx, size_t n) { return arena_alloc(ctx, n); }
static void *alc_realloc(void *ctx, void *p, size_t old_n, size_t n) { return arena_realloc(ctx, p, old_n, n); }
static void alc_free(void *ctx, void *p)
{
	(void)ctx;
	(void)p;
}
static yyjson_alc arena_alc(struct arena *a) { return (yyjson_alc){ alc_malloc, alc_realloc, alc_free, a }; }

/* Looking a parsed document over. Its values lie in one row in document order, so nothing here recurses. */

struct review {
	struct arena *arena;
	const char *text;  /* yyjson's copy of the input, in which strings are decoded in place */
	yyjson_val **keys; /* scratch for sorting, grown as needed */
	size_t keys_cap;
	bool may_hold_nul;
	const char *why;
	size_t at;
};

static int key_order(const void *pa, const void *pb)
{
	const yyjson_val *a = *(yyjson_val *const *)pa, *b = *(yyjson_val *const *)pb;
	size_t an = unsafe_yyjson_get_len((void *)(uintptr_t)a), bn = unsafe_yyjson_get_len((void *)(uintptr_t)b);
	if (an != bn) return an < bn ? -1 : 1;
	return memcmp(unsafe_yyjson_get_str((void *)(uintptr_t)a), unsafe_yyjson_get_str((void *)(uintptr_t)b), an);
}

static bool same_key(yyjson_val *a, yyjson_val *b)
{
	size_t n = unsafe_yyjson_get_len(a);
	return n == unsafe_yyjson_get_len(b) && memcmp(unsafe_yyjson_get_str(a), unsafe_yyjson_get_str(b), n) == 0;
}

static void collect_keys(yyjson_val *obj, yyjson_val **keys)
{
	size_t i, n;
	yyjson_val *key, *val;
	yyjson_obj_foreach(obj, i, n, key, val) keys[i] = key;
}

static bool review_fail(struct review *r, const char *why, yyjson_val *str)
{
	r->why = why;
	r->at = str ? (size_t)(unsafe_yyjson_get_str(str) - r->text) : 0;
	return false;
}

static bool scratch_keys(struct review *r, size_t n)
{
	if (n <= r->keys_cap) return true;
	r->keys = arena_alloc(r->arena, n * sizeof *r->keys);
	r->keys_cap = r->keys ? n : 0;
	return r->keys != NULL;
}

static bool keys_differ_sorted(struct review *r, yyjson_val *obj, size_t n)
{
	if (!scratch_keys(r, n)) return review_fail(r, "out of memory", NULL);
	collect_keys(obj, r->keys);
	qsort(r->keys, n, sizeof *r->keys, key_order);
	for (size_t i = 1; i < n; i++)
		if (same_key(r->keys[i - 1], r->keys[i])) return review_fail(r, "duplicate key", r->keys[i]);
	return true;
}

/* One of 64 bits by what is cheap to know of a key. */
static uint64_t key_mark(yyjson_val *key)
{
	size_t n = unsafe_yyjson_get_len(key);
	const unsigned char *p = (const unsigned char *)unsafe_yyjson_get_str(key);
	return UINT64_C(1) << ((n ? n * 5 + p[0] * 3u + p[n / 2] + p[n - 1] * 7u : 0) & 63);
}

/* Compares a key with those before it only when one of them has its mark. */
static bool keys_differ(struct review *r, yyjson_val *obj)
{
	size_t n = unsafe_yyjson_get_len(obj);
	if (n > SMALL_OBJECT) return keys_differ_sorted(r, obj, n);
	yyjson_val *keys[SMALL_OBJECT];
	uint64_t seen = 0;
	collect_keys(obj, keys);
	for (size_t i = 0; i < n; i++) {
		uint64_t mark = key_mark(keys[i]);
		for (size_t j = 0; (seen & mark) && j < i; j++)
			if (same_key(keys[i], keys[j])) return review_fail(r, "duplicate key", keys[i]);
		seen |= mark;
	}
	return true;
}

/* Whether a string may hold U+0000: only this escape makes one. */
static bool mentions_nul(struct span text)
{
	for (const char *p; text.n && (p = memchr(text.p, '\\', text.n));) {
		text = span_skip(text, (size_t)(p - text.p) + 1);
		if (span_starts(text, SPAN("u0000"))) return true;
		text = span_skip(text, 1); /* the escaped one, may be a backslash */
	}
	return false;
}

static bool string_ok(struct review *r, yyjson_val *v)
{
	size_t n = unsafe_yyjson_get_len(v);
	if (n == 0 || !memchr(unsafe_yyjson_get_str(v), 0, n)) return true;
	return review_fail(r, "\\u0000 in a string", v);
}

static bool document_ok(struct review *r, yyjson_val *root, size_t count)
{
	yyjson_val *ends[32]; /* of the open containers */
	/* Not an assertion: libbeck must not hold a call to abort. */
	size_t depth = 0, depth_max = LIMIT_JSON_DEPTH < (int64_t)BECK_COUNT(ends) ? (size_t)LIMIT_JSON_DEPTH : BECK_COUNT(ends);
	for (yyjson_val *v = root, *end = root + count; v < end; v++) {
		while (depth && v >= ends[depth - 1]) depth--;
		if (r->may_hold_nul && yyjson_is_str(v) && !string_ok(r, v)) return false;
		if (!yyjson_is_ctn(v)) continue;
		if (depth == depth_max) return review_fail(r, "nested too deep", NULL);
		ends[depth++] = unsafe_yyjson_get_next(v);
		if (yyjson_is_obj(v) && !keys_differ(r, v)) return false;
	}
	return true;
}

/* Where the text (known to be JSON) opens one container too many. */
static size_t too_deep_at(struct span text)
{
	int64_t depth = 0;
	bool quoted = false;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (c == '{' || c == '[') {
			if (++depth > LIMIT_JSON_DEPTH) return i;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	return text.n;
}

yyjson_val *json_parse(struct arena *a, struct span text, const char **why, size_t *at)
{
	yyjson_alc alc = arena_alc(a);
	yyjson_read_err err = { 0 };
	/* Without the in-place flag yyjson only reads the text. */
	yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text.p, text.n, YYJSON_READ_NOFLAG, &alc, &err);
	if (!doc) {
		*why = err.msg ? err.msg : "not JSON";
		*at = err.pos;
		return NULL;
	}
	struct review r = { .arena = a, .text = doc->str_pool, .may_hold_nul = mentions_nul(text) };
	if (document_ok(&r, yyjson_doc_get_root(doc), yyjson_doc_get_val_count(doc))) return yyjson_doc_get_root(doc);
	*why = r.why;
	*at = r.at ? r.at : too_deep_at(text);
	return NULL;
}

yyjson_val *json_get(yyjson_val *obj, const char *key) { return yyjson_obj_get(obj, key); }

struct span json_text(struct arena *a, yyjson_val *v)
{
	yyjson_alc alc = arena_alc(a);
	size_t n = 0;
	char *p = yyjson_val_write_opts(v, YYJSON_WRITE_NOFLAG, &alc, &n, NULL);
	return p ? (struct span){ p, n } : SPAN_NONE;
}

/* Equality. */

static bool num_equal(yyjson_val *a, yyjson_val *b)
{
	if (yyjson_is_real(a) || yyjson_is_real(b)) return yyjson_get_num(a) == yyjson_get_num(b);
	/* Integers: of different kind (negative, not) they cannot be equal except by an identical bit pattern in range. */
	bool a_negative = yyjson_is_sint(a) && yyjson_get_sint(a) < 0, b_negative = yyjson_is_sint(b) && yyjson_get_sint(b) < 0;
	return a_negative == b_negative && unsafe_yyjson_get_uint(a) == unsafe_yyjson_get_uint(b);
}

static bool arr_equal(yyjson_val *a, yyjson_val *b)
{
	yyjson_arr_iter ia = yyjson_arr_iter_with(a), ib = yyjson_arr_iter_with(b);
	if (yyjson_arr_size(a) != yyjson_arr_size(b)) return false;
	for (yyjson_val *va; (va = yyjson_arr_iter_next(&ia));)
		if (!json_equal(va, yyjson_arr_iter_next(&ib))) return false;
	return true;
}

/* The iterator goes on from the last hit, so equal orders cost one pass. */
static bool obj_equal_scan(yyjson_val *a, yyjson_val *b)
{
	yyjson_obj_iter ib = yyjson_obj_iter_with(b);
	size_t i, n;
	yyjson_val *key, *va;
	yyjson_obj_foreach(a, i, n, key, va)
	{
		yyjson_val *vb = yyjson_obj_iter_getn(&ib, unsafe_yyjson_get_str(key), unsafe_yyjson_get_len(key));
		if (!vb || !json_equal(va, vb)) return false;
	}
	return true;
}

static bool obj_equal_sorted(yyjson_val **ka, yyjson_val **kb, yyjson_val *a, yyjson_val *b, size_t n)
{
	collect_keys(a, ka);
	collect_keys(b, kb);
	qsort(ka, n, sizeof *ka, key_order);
	qsort(kb, n, sizeof *kb, key_order);
	for (size_t i = 0; i < n; i++)
		if (!same_key(ka[i], kb[i]) || !json_equal(yyjson_obj_iter_get_val(ka[i]), yyjson_obj_iter_get_val(kb[i])))
			return false;
	return true;
}

static bool obj_equal(yyjson_val *a, yyjson_val *b)
{
	enum { SCAN_MAX = 64 }; /* above it a hostile order must not cost the square */
	size_t n = yyjson_obj_size(a);
	if (n != yyjson_obj_size(b)) return false;
	yyjson_val **keys = n > SCAN_MAX ? mem_calloc(n, 2 * sizeof(yyjson_val *)) : NULL;
	if (!keys) return obj_equal_scan(a, b);
	bool equal = obj_equal_sorted(keys, keys + n, a, b, n);
	mem_free(keys);
	return equal;
}

/* Recursion is bounded by LIMIT_JSON_DEPTH, which json_parse enforced. */
bool json_equal(yyjson_val *a, yyjson_val *b)
{
	if (!a || !b) return a == b;
	if (yyjson_get_type(a) != yyjson_get_type(b)) return false;
	switch (yyjson_get_type(a)) {
	case YYJSON_TYPE_NULL: return true;
	case YYJSON_TYPE_BOOL: return yyjson_get_bool(a) == yyjson_get_bool(b);
	case YYJSON_TYPE_NUM: return num_equal(a, b);
	case YYJSON_TYPE_STR: return span_eq(json_span(a), json_span(b));
	case YYJSON_TYPE_ARR: return arr_equal(a, b);
	case YYJSON_TYPE_OBJ: return obj_equal(a, b);
	default: return false;
	}
}

/* Writing. At depth 0 nothing is checked: a writer may begin in the middle of an object. */

static void before_value(struct jsonw *w)
{
	assert(w->depth == 0 || w->after_key || !(w->in_object & 1));
	if (w->need_comma) buf_add_char(w->out, ',');
	w->need_comma = true;
	w->after_key = false;
}

static void open_container(struct jsonw *w, char c, uint64_t is_object)
{
	before_value(w);
	buf_add_char(w->out, c);
	w->need_comma = false;
	w->depth++;
	w->in_object = w->in_object << 1 | is_object;
}

static void close_container(struct jsonw *w, char c, uint64_t is_object)
{
	assert(w->depth > 0 && (w->in_object & 1) == is_object && !w->after_key);
	(void)is_object;
	buf_add_char(w->out, c);
	w->need_comma = true;
	w->depth--;
	w->in_object >>= 1;
}

void jsonw_obj_begin(struct jsonw *w) { open_container(w, '{', 1); }
void jsonw_obj_end(struct jsonw *w) { close_container(w, '}', 1); }
void jsonw_arr_begin(struct jsonw *w) { open_container(w, '[', 0); }
void jsonw_arr_end(struct jsonw *w) { close_container(w, ']', 0); }

/* True when one of the eight bytes is below 0x20, a quote or a backslash (or, harmlessly, right above such a byte). */
static bool word_needs_escape(uint64_t v)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
	uint64_t low = (v - ones * 0x20) & ~v;
	uint64_t quote = v ^ ones * '"', slash = v ^ ones * '\\';
	return ((low | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & highs) != 0;
}

static bool needs_escape(char c) { return (unsigned char)c < 0x20 || c == '"' || c == '\\'; }

static size_t plain_run(const char *p, size_t n)
{
	size_t i = 0;
	for (; n - i >= 8; i += 8) {
		uint64_t word;
		memcpy(&word, p + i, sizeof word);
		if (word_needs_escape(word)) break;
	}
	while (i < n && !needs_escape(p[i])) i++;
	return i;
}

static void add_escape(struct buf *out, char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char short_form[0x20] = { ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't' };
	unsigned char u = (unsigned char)c;
	if (u >= 0x20 || short_form[u]) {
		char two[2] = { '\\', u >= 0x20 ? c : short_form[u] };
		buf_add(out, two, sizeof two);
	} else {
		char six[6] = { '\\', 'u', '0', '0', hex[u >> 4], hex[u & 15] };
		buf_add(out, six, sizeof six);
	}
}

/* What is left once a byte needs an escape. */
static void add_escaped(struct buf *out, struct span s)
{
	while (s.n) {
		add_escape(out, s.p[0]);
		size_t run = plain_run(s.p + 1, s.n - 1);
		buf_add(out, s.p + 1, run);
		s = span_skip(s, run + 1);
	}
}

static void add_quoted(struct buf *out, struct span s)
{
	if (!buf_reserve(out, s.n + 2)) return;
	size_t run = plain_run(s.p, s.n);
	char *p = out->p + out->n;
	p[0] = '"';
	if (run) memcpy(p + 1, s.p, run);
	out->n += run + 1;
	if (run < s.n) add_escaped(out, span_skip(s, run));
	buf_add_char(out, '"');
}

static void before_key(struct jsonw *w)
{
	assert(!w->after_key && (w->depth == 0 || (w->in_object & 1)));
	if (w->need_comma) buf_add_char(w->out, ',');
}

static void after_key(struct jsonw *w)
{
	w->need_comma = false;
	w->after_key = true;
}

/* Every value has one of these: one look at the room, then plain stores. */
void jsonw_key(struct jsonw *w, const char *literal)
{
	size_t n = strlen(literal);
	before_key(w);
	after_key(w);
	if (!buf_reserve(w->out, n + 3)) return;
	char *p = w->out->p + w->out->n;
	p[0] = '"';
	memcpy(p + 1, literal, n);
	p[n + 1] = '"';
	p[n + 2] = ':';
	w->out->n += n + 3;
}

void jsonw_key_span(struct jsonw *w, struct span key)
{
	before_key(w);
	after_key(w);
	add_quoted(w->out, key);
	buf_add_char(w->out, ':');
}

void jsonw_str(struct jsonw *w, struct span s)
{
	before_value(w);
	add_quoted(w->out, s);
}

void jsonw_int(struct jsonw *w, int64_t v)
{
	before_value(w);
	buf_add_i64(w->out, v);
}

void jsonw_bool(struct jsonw *w, bool v)
{
	before_value(w);
	buf_add_span(w->out, v ? SPAN("true") : SPAN("false"));
}

void jsonw_null(struct jsonw *w)
{
	before_value(w);
	buf_add_span(w->out, SPAN("null"));
}

void jsonw_raw(struct jsonw *w, struct span json)
{
	before_value(w);
	buf_add_span(w->out, json);
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static struct span trim(struct span s)
{
	while (s.n && is_blank(s.p[0])) s = span_skip(s, 1);
	while (s.n && is_blank(s.p[s.n - 1])) s.n--;
	return s;
}

void jsonw_raw_members(struct jsonw *w, struct span obj)
{
	struct span s = trim(obj);
	if (s.n < 2 || s.p[0] != '{' || s.p[s.n - 1] != '}') {
		assert(s.n == 0);
		return;
	}
	s = trim((struct span){ s.p + 1, s.n - 2 });
	if (s.n == 0) return;
	before_key(w);
	buf_add_span(w->out, s);
	w->need_comma = true;
}

/* yyjson finds the shortest digits; a number needs no more than a small pool on the stack. */
static void add_real(struct buf *out, yyjson_val *v)
{
	_Alignas(16) char memory[1024];
	yyjson_alc alc;
	size_t n = 0;
	const char *p = yyjson_alc_pool_init(&alc, memory, sizeof memory)
				? yyjson_val_write_opts(v, YYJSON_WRITE_INF_AND_NAN_AS_NULL, &alc, &n, NULL)
				: NULL;
	if (p)
		buf_add(out, p, n);
	else
		out->failed = true;
}

static void num_write(struct jsonw *w, yyjson_val *v)
{
	if (yyjson_is_sint(v)) {
		jsonw_int(w, yyjson_get_sint(v));
		return;
	}
	before_value(w);
	if (yyjson_is_uint(v))
		buf_add_u64(w->out, yyjson_get_uint(v));
	else
		add_real(w->out, v);
}

static void arr_write(struct jsonw *w, yyjson_val *arr)
{
	size_t i, n;
	yyjson_val *v;
	jsonw_arr_begin(w);
	yyjson_arr_foreach(arr, i, n, v) jsonw_val(w, v);
	jsonw_arr_end(w);
}

static void obj_write(struct jsonw *w, yyjson_val *obj)
{
	size_t i, n;
	yyjson_val *key, *v;
	jsonw_obj_begin(w);
	yyjson_obj_foreach(obj, i, n, key, v)
	{
		jsonw_key_span(w, json_span(key));
		jsonw_val(w, v);
	}
	jsonw_obj_end(w);
}

/* Recursion is bounded by LIMIT_JSON_DEPTH, which json_parse enforced. */
void jsonw_val(struct jsonw *w, yyjson_val *v)
{
	switch (yyjson_get_type(v)) {
	case YYJSON_TYPE_BOOL: jsonw_bool(w, yyjson_get_bool(v)); break;
	case YYJSON_TYPE_NUM: num_write(w, v); break;
	case YYJSON_TYPE_STR: jsonw_str(w, json_span(v)); break;
	case YYJSON_TYPE_ARR: arr_write(w, v); break;
	case YYJSON_TYPE_OBJ: obj_write(w, v); break;
	default: jsonw_null(w);
	}
}

void jsonw_kstr(struct jsonw *w, const char *key, struct span s)
{
	jsonw_key(w, key);
	jsonw_str(w, s);
}

void jsonw_kint(struct jsonw *w, const char *key, int64_t v)
{
	jsonw_key(w, key);
	jsonw_int(w, v);
}

void jsonw_kbool(struct jsonw *w, const char *key, bool v)
{
	jsonw_key(w, key);
	jsonw_bool(w, v);
}

void jsonw_kraw(struct jsonw *w, const char *key, struct span json)
{
	jsonw_key(w, key);
	jsonw_raw(w, json);
}

static void add_members(struct jsonw *w, yyjson_val *obj, yyjson_val *but_not_in)
{
	size_t i, n;
	yyjson_val *key, *value;
	yyjson_obj_foreach(obj, i, n, key, value)
	{
		if (but_not_in && yyjson_obj_getn(but_not_in, yyjson_get_str(key), yyjson_get_len(key)) != NULL) continue;
		jsonw_key_span(w, json_span(key));
		jsonw_val(w, value);
	}
}

void jsonw_merged(struct jsonw *w, yyjson_val *old, yyjson_val *over)
{
	jsonw_obj_begin(w);
	add_members(w, old, over);
	add_members(w, over, NULL);
	jsonw_obj_end(w);
}
