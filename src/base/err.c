#include "base/err.h"

#include "base/compiler.h"

static const struct {
	const char *name;
	struct span text;
	int code, http;
} errs[ERR_COUNT] = {
	[ERR_OK] = { "OK", { "OK", 2 }, 0, 200 },
#define ERR(name_, code_, http_, text_) [ERR_##name_] = { #name_, { text_, sizeof(text_) - 1 }, code_, http_ },
#include "errors.def"
#undef ERR
	[ERR_AGAIN] = { "AGAIN", { "Try again", 9 }, -1, 500 },
};

static enum err known(enum err e)
{
	BECK_ASSERT((int)e >= 0 && e < ERR_COUNT);
	return e;
}

int err_code(enum err e) { return errs[known(e)].code; }
int err_http(enum err e) { return errs[known(e)].http; }
struct span err_text(enum err e) { return errs[known(e)].text; }
const char *err_name(enum err e) { return errs[known(e)].name; }
