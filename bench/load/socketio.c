/* Socket.IO 4 over its WebSocket transport (Engine.IO 4): "0{..}" opens the transport, "40" asks for the main namespace and
 * "40{..}" grants it, "42[..]" is an event, "2" a ping and "3" its answer. Publishing is a POST as with ws. */
#include <string.h>

#include "load.h"

static void subscribe(struct connection *c, struct text request) { say(c, request.p, request.n); }

static void on_text(struct connection *c, const char *p, size_t n)
{
	char type = n > 0 ? p[0] : 0, event = n > 1 ? p[1] : 0;
	if (type == '0') {
		ws_say(c, "40");
	} else if (type == '2') {
		ws_say(c, "3");
	} else if (type == '4' && event == '0') {
		subscriber_opened(c);
	} else if (type == '4' && event == '2' && c->is_open) {
		subscriber_got(c, p, n);
	} else {
		refuse("socket.io packet", p, n);
	}
}

static void subscriber(struct connection *c) { ws_hear(c, on_text); }

const struct protocol protocol_socketio = {
	.name = "socketio", .subscribe = subscribe, .subscriber = subscriber, .publish = ws_publish, .publisher = ws_publisher
};
