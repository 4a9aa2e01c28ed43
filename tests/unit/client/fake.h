/* What stands under the calls of the API is wrapped by the linker (CMakeLists.txt): requests are remembered instead of sent, and
 * the clock stands still until the test moves it. */
#ifndef BECK_TESTS_UNIT_CLIENT_FAKE_H
#define BECK_TESTS_UNIT_CLIENT_FAKE_H

#include "../base/cm.h"

#include "client/call.h"

#include <beck/beck.h>

struct fake {
	int calls, messages; /* requests; messages for the outbox */
	int64_t now_ms;

	/* The last request, or message. */
	char method[8], path[512], query[2048], body[4096], cid[160], file_path[256], content_type[64],
		message_id[BECK_MESSAGE_ID_SIZE], message[4096];
	unsigned effect;
	bool needs_connection;
	beck_progress_fn progress;
	beck_reply_fn fn;
	void *ctx;

	/* What it comes to. A blocking call gets `answer` (NULL: "{}"); an asynchronous one waits for fake_answer. */
	beck_result result;
	const char *answer;
};
extern struct fake fake;

beck_client *fake_client(void); /* forgets what was remembered; to be released */
/* Calls the callback of the last asynchronous request. */
void fake_answer(const char *json);
void fake_refuse(int status, int code);
/* Hands an event to all handlers. */
void fake_event(beck_client *c, const char *json);
void fake_sleep(beck_client *c, int64_t ms); /* timers that are due meanwhile ring */

void assert_request(const char *method, const char *path, const char *query, const char *body);
/* Both forms of a call send that one request; it stays in `fake`. */
#define BOTH(method, path, query, body, name, ...)                                                                               \
	do {                                                                                                                     \
		beck_error err_ = { 0 };                                                                                         \
		int before_ = fake.calls;                                                                                        \
		assert_int_equal(name(__VA_ARGS__, NULL, &err_), BECK_OK);                                                       \
		assert_request(method, path, query, body);                                                                       \
		assert_int_equal(name##_async(__VA_ARGS__, NULL, NULL, &err_), BECK_OK);                                         \
		assert_request(method, path, query, body);                                                                       \
		assert_int_equal(fake.calls, before_ + 2);                                                                       \
		if (fake.fn) fake_answer("{}");                                                                                  \
	} while (0)
/* Both forms refuse and send nothing. */
#define REFUSED(result_, field_, name, ...)                                                                                      \
	do {                                                                                                                     \
		beck_error err_ = { 0 };                                                                                         \
		int before_ = fake.calls + fake.messages;                                                                        \
		assert_int_equal(name(__VA_ARGS__, NULL, &err_), result_);                                                       \
		assert_int_equal(err_.result, result_);                                                                          \
		assert_string_equal(err_.field, field_);                                                                         \
		assert_true(err_.message[0]);                                                                                    \
		assert_int_equal(name##_async(__VA_ARGS__, NULL, NULL, &err_), result_);                                         \
		assert_string_equal(err_.field, field_);                                                                         \
		assert_int_equal(fake.calls + fake.messages, before_);                                                           \
	} while (0)

#endif
