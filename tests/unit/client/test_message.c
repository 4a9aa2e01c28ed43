#include <stdlib.h>
#include <unistd.h>

#include "fake.h"

#include "client/client.h"
#include "client/reply.h"

static beck_client *client;
static beck_channel *ch;

static int setup(void **state)
{
	(void)state;
	client = fake_client();
	ch = beck_channel_open(client, "messaging", "general");
	return client && ch ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	beck_channel_unref(ch);
	beck_release(client);
	return 0;
}

/* ---- sending ---- */

static void id_is_made(void **state)
{
	(void)state;
	beck_error err = { 0 };
	char id[BECK_MESSAGE_ID_SIZE] = "", want[400];
	client->user.id = client_strdup("jo@hn");
	assert_int_equal(beck_send_message_async(ch, "{\"text\":\"hi\",\"n\":[1]}", id, NULL, NULL, &err), BECK_OK);
	assert_string_equal(id, fake.message_id);
	assert_int_equal(strlen(id), strlen("john-") + 32);
	assert_memory_equal(id, "john-", 5);
	(void)snprintf(want, sizeof want, "{\"id\":\"%s\",\"text\":\"hi\",\"n\":[1]}", id);
	assert_string_equal(fake.message, want);
	assert_string_equal(fake.cid, "messaging:general");
	assert_int_equal(beck_send_text(ch, "quo\"te", NULL, &err), BECK_OK);
	assert_string_not_equal(fake.message_id, id);
	(void)snprintf(want, sizeof want, "{\"id\":\"%s\",\"text\":\"quo\\\"te\"}", fake.message_id);
	assert_string_equal(fake.message, want);
	assert_int_equal(fake.messages, 2);
	assert_int_equal(fake.calls, 0);
}

static void id_is_given(void **state)
{
	(void)state;
	beck_error err = { 0 };
	assert_int_equal(beck_send_message(ch, " {\"text\":\"hi\",\"id\":\"my-1\"} ", NULL, &err), BECK_OK);
	assert_string_equal(fake.message_id, "my-1");
	assert_string_equal(fake.message, "{\"id\":\"my-1\",\"text\":\"hi\"}");
}

static void refused(beck_result result, const char *field, const char *json)
{
	beck_error err = { 0 };
	assert_int_equal(beck_send_message(ch, json, NULL, &err), result);
	assert_string_equal(err.field, field);
	assert_int_equal(beck_send_message_async(ch, json, NULL, NULL, NULL, &err), result);
	assert_int_equal(beck_send_message(ch, json, NULL, NULL), result);
	assert_int_equal(fake.messages, 0);
}

static void what_is_not_sent(void **state)
{
	(void)state;
	beck_error err = { 0 };
	refused(BECK_EARG, "message", NULL);
	refused(BECK_EARG, "message", "[]");
	refused(BECK_EARG, "message", "{\"text\":\"\xc3\"}");
	refused(BECK_EARG, "id", "{\"id\":\"a b\"}");
	refused(BECK_EARG, "id", "{\"id\":\"\"}");
	refused(BECK_EARG, "id", "{\"id\":7}");
	assert_int_equal(beck_send_text(ch, NULL, NULL, &err), BECK_EARG);
	assert_int_equal(beck_send_text(ch, "\xff", NULL, &err), BECK_EARG);
	assert_string_equal(err.field, "text");
	assert_int_equal(beck_send_text(NULL, "x", NULL, &err), BECK_EARG);
	assert_string_equal(err.field, "channel");
	beck_channel *d = beck_channel_open(client, "messaging", NULL);
	assert_int_equal(beck_send_text(d, "x", NULL, &err), BECK_ESTATE);
	beck_channel_unref(d);
	char *big = malloc(1100000);
	memset(big, 'x', 1099999);
	big[1099999] = '\0';
	assert_int_equal(beck_send_text(ch, big, NULL, &err), BECK_ETOOBIG);
	free(big);
	assert_int_equal(fake.messages, 0);
}

/* ---- one message ---- */

static void one_message(void **state)
{
	(void)state;
	BOTH("POST", "/messages/m-1", "", "{\"message\":{\"text\":\"x\"}}", beck_update_message, client, "m-1",
		"{\"text\":\"x\"}");
	BOTH("PUT", "/messages/m-1", "", "{\"unset\":[\"a\"]}", beck_change_message, client, "m-1", "{\"unset\":[\"a\"]}");
	BOTH("DELETE", "/messages/m-1", "", "", beck_delete_message, client, "m-1");
	BOTH("GET", "/messages/m-1", "", "", beck_get_message, client, "m-1");
	REFUSED(BECK_EARG, "message_id", beck_get_message, client, "m/1");
	REFUSED(BECK_EARG, "message_id", beck_delete_message, client, NULL);
	REFUSED(BECK_EARG, "message_id", beck_delete_message, client, "..");
	REFUSED(BECK_EARG, "message", beck_update_message, client, "m-1", "x");
	REFUSED(BECK_EARG, "change", beck_change_message, client, "m-1", NULL);
	REFUSED(BECK_EARG, "client", beck_get_message, NULL, "m-1");
}

static void pages(void **state)
{
	(void)state;
	BOTH("POST", "/channels/messaging/general/query", "", "{\"state\":true,\"messages\":{\"limit\":25}}", beck_page_messages,
		ch, 25, NULL);
	BOTH("POST", "/channels/messaging/general/query", "", "{\"state\":true,\"messages\":{\"limit\":300,\"id_lt\":\"m-1\"}}",
		beck_page_messages, ch, 300, "m-1");
	BOTH("GET", "/messages/p/replies", "limit=1", "", beck_get_replies, client, "p", 1, NULL);
	BOTH("GET", "/messages/p/replies", "limit=9&id_lt=m-1", "", beck_get_replies, client, "p", 9, "m-1");
	REFUSED(BECK_EARG, "limit", beck_page_messages, ch, 0, NULL);
	REFUSED(BECK_EARG, "limit", beck_page_messages, ch, 301, NULL);
	REFUSED(BECK_EARG, "message_id", beck_page_messages, ch, 1, "");
	REFUSED(BECK_EARG, "channel", beck_page_messages, NULL, 1, NULL);
	REFUSED(BECK_EARG, "limit", beck_get_replies, client, "p", -1, NULL);
}

static void reactions(void **state)
{
	(void)state;
	BOTH("POST", "/messages/m-1/reaction", "", "{\"reaction\":{\"type\":\"like\"},\"enforce_unique\":true}",
		beck_send_reaction, client, "m-1", "like", true);
	BOTH("DELETE", "/messages/m-1/reaction/a%2Fb", "", "", beck_delete_reaction, client, "m-1", "a/b");
	REFUSED(BECK_EARG, "type", beck_send_reaction, client, "m-1", "", false);
	REFUSED(BECK_EARG, "type", beck_send_reaction, client, "m-1", NULL, false);
	REFUSED(BECK_EARG, "type", beck_delete_reaction, client, "m-1", "..");
	REFUSED(BECK_EARG, "type", beck_delete_reaction, client, "m-1", "\x80");
}

/* ---- uploads ---- */

static void on_progress(void *ctx, uint64_t sent, uint64_t total)
{
	(void)ctx;
	(void)sent;
	(void)total;
}

static void uploads(void **state)
{
	(void)state;
	char path[] = "/tmp/beck-upload-XXXXXX.PNG";
	int fd = mkstemps(path, 4);
	assert_true(fd >= 0);
	(void)close(fd);
	BOTH("POST", "/channels/messaging/general/image", "", "", beck_upload, ch, BECK_IMAGE, path, NULL, on_progress, NULL);
	assert_string_equal(fake.file_path, path);
	assert_string_equal(fake.content_type, "image/png");
	assert_true(fake.progress == on_progress);
	BOTH("POST", "/channels/messaging/general/file", "", "", beck_upload, ch, BECK_FILE, path, "text/x-own", NULL, NULL);
	assert_string_equal(fake.content_type, "text/x-own");
	REFUSED(BECK_EARG, "content_type", beck_upload, ch, BECK_FILE, path, "a\r\nX-Evil: b", NULL, NULL);
	REFUSED(BECK_EARG, "kind", beck_upload, ch, (beck_upload_kind)7, path, NULL, NULL, NULL);
	(void)unlink(path);
	REFUSED(BECK_EFILE, "path", beck_upload, ch, BECK_FILE, path, NULL, NULL, NULL);
	REFUSED(BECK_EARG, "path", beck_upload, ch, BECK_FILE, NULL, NULL, NULL, NULL);
}

/* ---- as shown ---- */

static void shown(void **state)
{
	(void)state;
	beck_document *d = NULL;
	int64_t us = 0;
	static const char text[] =
		"{\"id\":\"m\",\"text\":\"t\",\"type\":\"deleted\",\"cid\":\"a:b\",\"parent_id\":\"p\",\"user\":{"
		"\"id\":\"u\"},\"created_at\":\"1970-01-01T00:00:01Z\"}";
	assert_int_equal(beck_document_parse(text, sizeof text - 1, &d, NULL), BECK_OK);
	const beck_message *m = beck_as_message(beck_document_root(d));
	assert_string_equal(beck_message_id(m), "m");
	assert_string_equal(beck_message_text(m), "t");
	assert_string_equal(beck_message_cid(m), "a:b");
	assert_string_equal(beck_message_parent_id(m), "p");
	assert_string_equal(beck_message_user_id(m), "u");
	assert_string_equal(beck_message_user_name(m), "u");
	assert_true(beck_message_is_deleted(m));
	assert_true(beck_message_created_at(m, &us) && us == 1000000);
	assert_ptr_equal(beck_message_value(m), beck_document_root(d));
	beck_document_free(d);
	assert_null(beck_as_message(NULL));
	assert_null(beck_reply_message(NULL));
	assert_null(beck_event_message(NULL));
	assert_string_equal(beck_message_user_name(NULL), "");
	assert_false(beck_message_is_deleted(NULL) || beck_message_created_at(NULL, &us));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = { T(id_is_made), T(id_is_given), T(what_is_not_sent), T(one_message), T(pages),
		T(reactions), T(uploads), T(shown) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
