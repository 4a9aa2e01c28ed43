#include "client/wait.h"

#include "client/client.h"

void wait_end(beck_client *c, struct wait *w, const beck_error *err, const beck_reply *reply)
{
	if (!w) return;
	w->result = err ? (beck_result)err->result : BECK_OK;
	if (err) w->err = *err;
	w->reply = beck_reply_ref(reply);
	w->done = true;
	client_changed(c);
}

beck_result wait_take(struct wait *w, const beck_reply **reply, beck_error *err)
{
	if (w->result != BECK_OK && err) *err = w->err;
	if (w->reply && reply)
		*reply = w->reply;
	else
		beck_reply_unref(w->reply);
	return w->result;
}
