/* Messages on their way. beck_send_message puts each into the outbox, which sends them in order per channel, tries again after a
 * lost connection, an overloaded server or a rate limit, and keeps what the server refused until the program decides. The client
 * makes the message's id, so a message that arrived although its answer got lost is not stored twice. Event "outbox.changed"
 * tells every change. [message sending: contract messages] */
#ifndef BECK_OUTBOX_H
#define BECK_OUTBOX_H

#include <beck/client.h>
#include <beck/types.h>
#include <beck/value.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum beck_outbox_state { BECK_PENDING = 0, BECK_FAILED = 1 } beck_outbox_state;

/* Valid during the call. */
typedef struct beck_outbox_entry {
	const char *message_id;
	const char *cid;
	const char *message_json; /* as it will be sent */
	int32_t state;            /* a beck_outbox_state */
	int32_t attempts;
	const beck_error *error; /* of the last attempt; NULL before the first has failed */
	void *reserved[4];
} beck_outbox_entry;

/* Calls fn for each message in order, outside of any lock; false ends the walk. Returns how many were shown. */
BECK_API size_t beck_outbox_each(beck_client *client, bool (*fn)(void *ctx, const beck_outbox_entry *entry), void *ctx);
/* Sends a failed message again. BECK_EARG when no failed message has that id. */
BECK_API beck_result beck_outbox_retry(beck_client *client, const char *message_id, beck_error *err);
/* Drops a message that is not being sent at this moment (BECK_ESTATE if it is; BECK_EARG when there is none). */
BECK_API beck_result beck_outbox_drop(beck_client *client, const char *message_id, beck_error *err);

#ifdef __cplusplus
}
#endif
#endif
