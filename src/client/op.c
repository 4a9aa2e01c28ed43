#include "client/op.h"

#include <string.h>

#include "base/utf8.h"
#include "client/reply.h"
#include "client/text.h"
#include "wire/ids.h"
#include "wire/url.h"

void op_begin(struct op *op, const char *method, const char *path)
{
	*op = (struct op){ .call = { .method = method } };
	body_init(&op->path);
	body_init(&op->query);
	body_init(&op->body);
	buf_add_span(&op->path, span_str(path));
}

void op_path(struct op *op, const char *part)
{
	buf_add_char(&op->path, '/');
	url_encode(&op->path, span_str(part));
}

void op_path_literal(struct op *op, const char *literal) { buf_add_span(&op->path, span_str(literal)); }

void op_query(struct op *op, const char *name, struct span value)
{
	buf_printf(&op->query, "%s%s=", op->query.n ? "&" : "", name);
	url_encode(&op->query, value);
}

void op_fail(struct op *op, beck_result result, const char *field, const char *message)
{
	if (op->err.result == BECK_OK) (void)error_field(&op->err, result, field, "%s", message);
}

/* ---- arguments ---- */

static void fail_json(struct op *op, const char *field, const char *json, char kind)
{
	const char *due = kind == '{' ? "a JSON object" : "a JSON array";
	char problem[DOCUMENT_PROBLEM_SIZE];
	document_problem(span_str(json), problem);
	(void)error_field(&op->err, BECK_EARG, field, "%s must be %s: %s", field, due, json ? problem : "it is NULL");
}

yyjson_doc *op_parse(struct op *op, const char *field, const char *json, char kind)
{
	beck_result why = BECK_EARG;
	if (op->err.result != BECK_OK) return NULL;
	yyjson_doc *doc = json ? document_parse(span_str(json), &why) : NULL;
	yyjson_val *root = yyjson_doc_get_root(doc);
	if (kind == '{' ? yyjson_is_obj(root) : yyjson_is_arr(root)) return doc;
	if (doc)
		(void)error_field(
			&op->err, BECK_EARG, field, "%s must be %s", field, kind == '{' ? "a JSON object" : "a JSON array");
	else if (why == BECK_ENOMEM)
		op_fail(op, BECK_ENOMEM, "", "out of memory");
	else
		fail_json(op, field, json, kind);
	yyjson_doc_free(doc);
	return NULL;
}

bool op_check_json(struct op *op, const char *field, const char *json, char kind)
{
	yyjson_doc *doc = op_parse(op, field, json, kind);
	yyjson_doc_free(doc);
	return doc != NULL;
}

void op_check_text(struct op *op, const char *field, const char *text)
{
	if (!text || !utf8_valid(span_str(text)))
		op_fail(op, BECK_EARG, field, text ? "the text is not UTF-8" : "the text is NULL");
}

void op_body_object(struct op *op, const char *field, const char *json, bool may_be_null)
{
	if (!json && may_be_null)
		buf_add_span(&op->body, SPAN("{}"));
	else if (op_check_json(op, field, json, '{'))
		buf_add_span(&op->body, span_str(json));
}

void op_check_message_id(struct op *op, const char *id)
{
	if (!message_id_valid(span_str(id)))
		op_fail(op, BECK_EARG, "message_id", "a message id has 1 to 255 of the characters A-Z a-z 0-9 _ -");
}

void op_check_user_id(struct op *op, const char *field, const char *id)
{
	if (!user_id_known_form(span_str(id)))
		op_fail(op, BECK_EARG, field, "a user id has 1 to 255 of the characters A-Z a-z 0-9 _ @ -");
}

/* ---- running ---- */

static beck_result finish(struct op *op, beck_client *client)
{
	if (!client) op_fail(op, BECK_EARG, "client", "the client is NULL");
	if (op->path.failed || op->query.failed || op->body.failed) {
		bool is_full = op->path.is_full || op->query.is_full || op->body.is_full;
		op_fail(op, is_full ? BECK_ETOOBIG : BECK_ENOMEM, "",
			is_full ? "the request is larger than the API allows" : "out of memory");
	}
	op->call.path = buf_span(&op->path);
	if (op->query.n) op->call.query = buf_span(&op->query);
	if (op->body.n) op->call.body = buf_span(&op->body);
	return (beck_result)op->err.result;
}

static beck_result end(struct op *op, beck_result result, bool is_own, beck_error *err)
{
	if (is_own && err) *err = op->err;
	buf_deinit(&op->path);
	buf_deinit(&op->query);
	buf_deinit(&op->body);
	return result;
}

beck_result op_wait(struct op *op, beck_client *client, const beck_reply **reply, beck_error *err)
{
	beck_result r = finish(op, client);
	if (r != BECK_OK) return end(op, r, true, err);
	return end(op, call_wait(client, &op->call, reply, err), false, err);
}

beck_result op_start(struct op *op, beck_client *client, beck_reply_fn fn, void *ctx, beck_error *err)
{
	beck_result r = finish(op, client);
	if (r != BECK_OK) return end(op, r, true, err);
	return end(op, call_start(client, &op->call, fn, ctx, err), false, err);
}
