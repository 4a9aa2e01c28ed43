#include "client/text.h"

#include "base/mem.h"
#include "client/error.h"
#include "client/reply.h"

char *document_text(yyjson_val *v, size_t *n) { return yyjson_val_write_opts(v, 0, &document_allocator, n, NULL); }

bool error_from_frame(beck_error *err, struct span text)
{
	beck_result why;
	yyjson_doc *doc = document_parse(text, &why);
	yyjson_val *error = yyjson_obj_get(yyjson_doc_get_root(doc), "error");
	size_t n;
	char *inner = yyjson_is_obj(error) ? document_text(error, &n) : NULL;
	if (inner) (void)error_from_answer(err, (int)yyjson_get_int(yyjson_obj_get(error, "StatusCode")), span_make(inner, n), 0);
	mem_free(inner);
	yyjson_doc_free(doc);
	return inner != NULL;
}
