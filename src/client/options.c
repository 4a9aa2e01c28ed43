/* Options by the names that configuration files use. */
#include <limits.h>
#include <string.h>

#include "base/compiler.h"
#include "base/span.h"

#include <beck/client.h>

enum kind { TEXT, NUMBER, SWITCH, LEVEL, THREADING };

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
	{ "log_level", LEVEL, offsetof(beck_options, log_level) },
	{ "threading", THREADING, offsetof(beck_options, threading) },
};

/* By the number that each stands for. */
static const char *const levels[] = { "error", "warn", "info", "debug" };
static const char *const threadings[] = { "own_thread", "poll_events", "no_thread" };

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

static bool read_choice(const char *value, const char *const *choices, size_t n, uint8_t *out)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(choices[i], value) != 0) continue;
		*out = (uint8_t)i;
		return true;
	}
	return false;
}

static bool read_value(enum kind kind, const char *value, void *field)
{
	switch (kind) {
	case SWITCH: return read_switch(value, field);
	case NUMBER: return read_number(value, field);
	case LEVEL: return read_choice(value, levels, BECK_COUNT(levels), field);
	case THREADING: return read_choice(value, threadings, BECK_COUNT(threadings), field);
	default: *(const char **)field = value; return true;
	}
}

beck_result beck_options_set(beck_options *options, const char *name, const char *value)
{
	if (!options || !name || !value) return BECK_EARG;
	for (size_t i = 0; i < BECK_COUNT(names); i++) {
		if (strcmp(names[i].name, name) != 0) continue;
		return read_value(names[i].kind, value, (char *)options + names[i].at) ? BECK_OK : BECK_EARG;
	}
	return BECK_EARG;
}
