/* The user: connecting and disconnecting him, and who waits for it. */
#ifndef BECK_CLIENT_CONNECT_H
#define BECK_CLIENT_CONNECT_H

#include "base/list.h"
#include "client/deliver.h"

#include <beck/client.h>

enum user_kind { USER_NONE, USER_TOKEN, USER_ANONYMOUS, USER_GUEST };

struct user {
	enum user_kind kind;
	char *id;            /* a guest's: what was asked for until the server has said what it made of it */
	char *json;          /* user_details of the first connect */
	char *me;            /* as the server last said; NULL before */
	struct list waiting; /* of those who wait for the first connect */
};

void user_init(beck_client *c);
/* Forgets him; those who wait for his connect get the error. */
void user_forget(beck_client *c, const beck_error *err);
/* The first connect has succeeded (NULL) or failed for good: tells all who wait. */
void connect_done(beck_client *c, const beck_error *err);
/* Replaces what the server says about the user himself. */
void user_set_me(beck_client *c, char *json);

struct beck_event;
/* An event may change what is known of him. */
void user_note_event(beck_client *c, const struct beck_event *e);
/* As beck_disconnect_user, without waiting; with the lock. */
void connect_end(beck_client *c);

#endif
