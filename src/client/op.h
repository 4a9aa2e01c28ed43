/* What the calls of the API have in common: checking JSON arguments, building paths, and running the request either way. */
#ifndef BECK_CLIENT_OP_H
#define BECK_CLIENT_OP_H

#include "base/json.h"
#include "client/call.h"
#include "client/error.h"

/* A request being put together. begin, then any of the others, then one of the runs, which frees it. The first failure counts;
 * what follows it does nothing. */
struct op {
	struct call call;
	struct buf path, query, body;
	beck_error err;
};

void op_begin(struct op *op, const char *method, const char *path);
void op_path(struct op *op, const char *part);            /* "/part", encoded */
void op_path_literal(struct op *op, const char *literal); /* as it is */
void op_query(struct op *op, const char *name, struct span value);
void op_fail(struct op *op, beck_result result, const char *field, const char *message);

/* The whole body is this object; NULL where `may_be_null` is an empty one. */
void op_body_object(struct op *op, const char *field, const char *json, bool may_be_null);
/* The document, to be freed by yyjson_doc_free, when text is JSON of that kind: '{' or '['. Else NULL, and the op has failed with
 * `field` or for want of memory. */
yyjson_doc *op_parse(struct op *op, const char *field, const char *json, char kind);
bool op_check_json(struct op *op, const char *field, const char *json, char kind); /* the same, the document freed */
void op_check_text(struct op *op, const char *field, const char *text);            /* not NULL, and UTF-8 */
/* Ids of messages, users, as the API allows them. */
void op_check_message_id(struct op *op, const char *id);
void op_check_user_id(struct op *op, const char *field, const char *id);

beck_result op_wait(struct op *op, beck_client *client, const beck_reply **reply, beck_error *err);
beck_result op_start(struct op *op, beck_client *client, beck_reply_fn fn, void *ctx, beck_error *err);

#endif
