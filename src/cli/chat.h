/* What `beck chat` knows and shows.
 *
 *   chat.c          connection, keyboard, the loop
 *   chat_commands.c what is typed
 *   chat_events.c   what comes from the library changes what is known
 *   chat_state.c    what is known: messages in the server's order, people
 *   chat_draw.c     what is known becomes rows of the terminal; or lines where there is none */
#ifndef CLI_CHAT_H
#define CLI_CHAT_H

#include "cli/access.h"
#include "cli/edit.h"
#include "cli/loop.h"
#include "cli/screen.h"

#define CHAT_PAGE 25

enum item_state { ITEM_SENT, ITEM_PENDING, ITEM_FAILED, ITEM_NOTICE };

struct item {
	char *id, *user_id, *name, *text; /* text is clean */
	char *why;                        /* of ITEM_FAILED */
	char *parent_id;                  /* of a reply; NULL: none */
	unsigned number;                  /* in the order in which messages came; what /reply names */
	int64_t reply_count;              /* as the server says it */
	int64_t us;                       /* the server's time; of what is not sent, ours */
	enum item_state state;
	bool is_deleted, is_edited, is_printed;
	bool is_stored; /* the server has it, though its event has not come yet */
};

struct person {
	char *id, *name; /* clean */
	bool is_online, is_member;
	int64_t read_us;
};

struct chat {
	struct access *access;
	struct args *args;
	beck_client *client;
	beck_channel *channel;
	struct loop loop;
	struct screen screen;
	struct keys keys;
	struct edit edit;
	struct text input; /* of lines from a pipe */
	struct item *items;
	size_t item_count, item_room;
	unsigned last_number;
	struct person *people;
	size_t person_count, person_room;
	size_t scroll; /* rows above the newest */
	bool is_terminal, is_watching, is_over, has_all, is_paging, is_marking, wants_read, wants_watch, input_ended, was_online;
	int status;
	int64_t patience_us; /* when the input ended and we stop waiting for events of what was sent; 0: not yet */
};

/* ---- chat_state.c ---- */
bool is_me(const struct chat *c, const char *user_id);
struct item *chat_item(struct chat *c, const char *id); /* NULL when there is none */
struct item *chat_item_by_number(struct chat *c, unsigned number);
void chat_take_message(struct chat *c, const beck_message *m);
void chat_add_pending(struct chat *c, const char *id, const char *text, const char *parent_id);
void chat_set_state(struct chat *c, const char *id, enum item_state state, const char *why);
void chat_forget(struct chat *c, const char *id); /* NULL: all that were sent */
void chat_notice(struct chat *c, const char *format, ...) CLI_PRINTF(2, 3);
void chat_set_stored(struct chat *c, const char *id);
size_t chat_unsent(const struct chat *c);
size_t chat_count(const struct chat *c, enum item_state state);
const char *chat_oldest(const struct chat *c);                      /* id of the oldest message; NULL without one */
struct person *chat_person(struct chat *c, const beck_value *user); /* made when new; NULL when `user` is none */
struct person *chat_person_by_id(struct chat *c, const char *id);
void chat_state_free(struct chat *c);

/* ---- chat.c ---- */
void chat_watch(struct chat *c);
void chat_quit(struct chat *c);

/* ---- chat_commands.c ---- */
void chat_say(struct chat *c, const char *line); /* a message, or a command */
void chat_page_up(struct chat *c);

/* ---- chat_events.c ---- */
void chat_on_event(void *ctx, beck_client *client, const beck_event *event);
void chat_take_state(struct chat *c, const beck_value *reply); /* the answer to watching */
void chat_take_page(struct chat *c, const beck_value *reply);

/* ---- chat_draw.c ---- */
void chat_draw(struct chat *c);
void chat_print(struct chat *c); /* without a terminal: what was not printed yet */
bool chat_someone_types(struct chat *c);

#endif
