/* Options by the names that configuration files use. */
#include <limits.h>
#include <string.h>

#include "base/compiler.h"
#include "base/span.h"

#include <beck/client.h>

enum kind { TEXT, NUMBER, SWITCH };

static const struct {
	const char *name;
	enum kind kind;
	size_t at;
} names[] = {
	{ "base_url", TEXT, offsetof(beck_options, base_url) },
	{ "baseURL", TEXT, offsetof(beck_options, base_url) },
	{ "timeout", NUMBER, offsetof(beck_options, timeout_ms) },
	{ "timeout_ms", NUMBER, offsetof(beck_options, timeout_ms) },
	/* The documentation spells it both ways. */
	{ "enable_ws_fallback", SWITCH, offsetof(beck_options, enable_ws_fallback) },
	{ "enableWSFallback", SWITCH, offsetof(beck_options, enable_ws_fallback) },
	{ "enableWSFallBack", SWITCH, offsetof(beck_options, enable_ws_fallback) },
	{ "disable_resume", SWITCH, offsetof(beck_options, disable_resume) },
	{ "skip_tls_verify", SWITCH, offsetof(beck_options, skip_tls_verify) },
	{ "proxy", TEXT, offsetof(beck_options, proxy) },
	{ "ca_file", TEXT, offsetof(beck_options, ca_file) },
	{ "reconnect_max_attempts", NUMBER, offsetof(beck_options, reconnect_max_attempts) },
	{ "reconnect_max_wait_ms", NUMBER, offsetof(beck_options, reconnect_max_wait_ms) },
	{ "ws_head_start_ms", NUMBER, offsetof(beck_options, ws_head_start_ms) },
	{ "ws_retry_ms", NUMBER, offsetof(beck_options, ws_retry_ms) },
	{ "queue_max", NUMBER, offsetof(beck_options, queue_max) },
	{ "outbox_max", NUMBER, offsetof(beck_options, outbox_max) },
	{ "state_file", TEXT, offsetof(beck_options, state_file) },
	{ "client_name", TEXT, offsetof(beck_options, client_name) },
	{ "device_json", TEXT, offsetof(beck_options, device_json) },
};

static bool read_switch(const char *value, bool *out)
{
	bool yes = strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
	if (!yes && strcmp(value, "false") != 0 && strcmp(value, "0") != 0) return false;
	*out = yes;
	return true;
}

static bool read_number(const char *value, int32_t *out)
{
	long long n;
	if (!span_to_i64(span_str(value), &n) || n < 0 || n > INT32_MAX) return false;
	*out = (int32_t)n;
	return true;
}

beck_result beck_options_set(beck_options *options, const char *name, const char *value)
{
	if (!options || !name || !value) return BECK_EARG;
	for (size_t i = 0; i < BECK_COUNT(names); i++) {
		void *field = (char *)options + names[i].at;
		if (strcmp(names[i].name, name) != 0) continue;
		if (names[i].kind == SWITCH) return read_switch(value, field) ? BECK_OK : BECK_EARG;
		if (names[i].kind == NUMBER) return read_number(value, field) ? BECK_OK : BECK_EARG;
		*(const char **)field = value;
		return BECK_OK;
	}
	return BECK_EARG;
}
