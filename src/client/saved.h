/* The state file: position and unsent messages of a user, so that a program that ends and starts again goes on where it was. One
 * small JSON file, replaced whole: what is in it is always of one moment. Of another key or user it is ignored, and replaced. */
#ifndef BECK_CLIENT_SAVED_H
#define BECK_CLIENT_SAVED_H

#include <beck/client.h>

/* All of them do nothing without options.state_file. A file that cannot be read or written is logged and otherwise ignored. */
void saved_load(beck_client *c);     /* at the connect of c->user */
void saved_soon(beck_client *c);     /* the outbox has changed: written before anything else is waited for */
void saved_position(beck_client *c); /* the position has moved: written within LIMIT_CLIENT_SAVE_MS */
void saved_now(beck_client *c);

#endif
