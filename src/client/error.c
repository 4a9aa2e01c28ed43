#include "client/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"
#include "client/reply.h"

#include <beck/client.h>

_Static_assert(sizeof(beck_error) == 512, "part of the ABI");
_Static_assert(sizeof(void *) != 8 || sizeof(beck_options) == 384, "part of the ABI");

static const struct {
	int number;
	const char *name, *text;
} results[] = {
#define RESULT(name, number, text) { number, #name, text },
	BECK_RESULTS(RESULT)
#undef RESULT
};

const char *beck_result_name(int result)
{
	for (size_t i = 0; i < BECK_COUNT(results); i++)
		if (results[i].number == result) return results[i].name;
	return "BECK_?";
}

const char *beck_result_text(int result)
{
	for (size_t i = 0; i < BECK_COUNT(results); i++)
		if (results[i].number == result) return results[i].text;
	return "unknown result";
}

/* ---- by hand ---- */

/* Bytes of the character at p: 0 when there is none. */
static size_t character(const char *p, size_t n)
{
	for (size_t k = 1; k <= 4 && k <= n; k++)
		if (utf8_valid(span_make(p, k))) return k;
	return 0;
}

/* One line of whole characters: what comes from elsewhere may hold anything, and may have been cut anywhere. */
static void clean(char *text)
{
	size_t n = strlen(text);
	for (size_t i = 0; i < n;) {
		size_t k = character(text + i, n - i);
		bool is_control = k == 1 && ((unsigned char)text[i] < ' ' || text[i] == 0x7f);
		if (k == 0) text[i] = '?';
		if (is_control) text[i] = ' ';
		i += k ? k : 1;
	}
}

static bool may_heal(beck_result r) { return r == BECK_ENETWORK || r == BECK_ETIMEOUT || r == BECK_EFULL; }

static void set(beck_error *err, beck_result result, const char *field, const char *fmt, va_list ap) BECK_PRINTF(4, 0);
static void set(beck_error *err, beck_result result, const char *field, const char *fmt, va_list ap)
{
	*err = (beck_error){ .result = (int32_t)result, .is_retryable = may_heal(result) };
	(void)vsnprintf(err->message, sizeof err->message, fmt, ap);
	(void)snprintf(err->field, sizeof err->field, "%s", field);
	clean(err->message);
	clean(err->field);
}

beck_result error_set(beck_error *err, beck_result result, const char *fmt, ...)
{
	va_list ap;
	if (!err) return result;
	va_start(ap, fmt);
	set(err, result, "", fmt, ap);
	va_end(ap);
	return result;
}

beck_result error_field(beck_error *err, beck_result result, const char *field, const char *fmt, ...)
{
	va_list ap;
	if (!err) return result;
	va_start(ap, fmt);
	set(err, result, field, fmt, ap);
	va_end(ap);
	return result;
}

/* ---- from the server ---- */

static bool status_may_heal(int status) { return status == 408 || status == 429 || status >= 500; }

static void take_field(beck_error *err, yyjson_val *fields)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(fields);
	yyjson_val *key, *value;
	if (json_next(&it, &key, &value)) (void)snprintf(err->field, sizeof err->field, "%s", yyjson_get_str(key));
}

/* A body in the contract's form; false for anything else. */
static bool take_body(beck_error *err, struct span body)
{
	beck_result why;
	yyjson_doc *doc = document_parse(body, &why);
	yyjson_val *root = yyjson_doc_get_root(doc), *code = yyjson_obj_get(root, "code"),
		   *message = yyjson_obj_get(root, "message");
	bool ok = yyjson_is_int(code) && yyjson_is_str(message);
	if (ok) {
		err->code = (int32_t)yyjson_get_int(code);
		(void)snprintf(err->message, sizeof err->message, "%s", yyjson_get_str(message));
		take_field(err, yyjson_obj_get(root, "exception_fields"));
		if (yyjson_is_true(yyjson_obj_get(root, "unrecoverable"))) err->is_retryable = 0;
	}
	yyjson_doc_free(doc);
	return ok;
}

beck_result error_from_answer(beck_error *err, int status, struct span body, int32_t retry_after_ms)
{
	beck_error e = {
		.result = BECK_EAPI, .status = status, .retry_after_ms = retry_after_ms, .is_retryable = status_may_heal(status)
	};
	if (status >= 300 && status < 400) {
		e.result = BECK_EPROTOCOL;
		(void)snprintf(e.message, sizeof e.message, "the server redirects (status %d): the base URL is not the right one",
			status);
	} else if (status < 200) {
		e.result = BECK_EPROTOCOL;
		(void)snprintf(e.message, sizeof e.message, "the answer has the status %d", status);
	} else if (!take_body(&e, body)) {
		size_t n = body.n < 120 ? body.n : 120;
		(void)snprintf(e.message, sizeof e.message, "status %d%s%.*s", status, n ? ": " : "", (int)n, n ? body.p : "");
	}
	clean(e.message);
	clean(e.field);
	if (err) *err = e;
	return (beck_result)e.result;
}
