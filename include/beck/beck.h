/* libbeck: chat for a C program in two calls.
 *
 *	beck_client *chat = beck_get_instance(api_key, &(beck_options){ .base_url = url, .enable_ws_fallback = true });
 *	beck_error err = { 0 };
 *	if (beck_connect_user(chat, "{\"id\":\"john\",\"name\":\"John Doe\"}", token, &err) != BECK_OK)
 *		fprintf(stderr, "%d %s\n", err.code, err.message);
 *
 * Rules that hold for every call, unless it says otherwise:
 *
 * Threads    Any thread may call anything at any time. Callbacks run one after the other on the client's own thread, or
 *            inside beck_poll() when the program drives the client itself (loop.h). No lock is held while one runs.
 * Blocking   Calls without _async wait for their answer, at most options.timeout_ms. Inside a callback they return
 *            BECK_ECALLBACK at once instead: use the _async form there.
 * Strings    In: UTF-8, NUL-terminated, copied before the call returns. Out: valid as long as the object they come from.
 * Objects    What has a _ref/_unref pair is shared: the caller unrefs what a call gave him. The rest belongs to its owner.
 * Errors     BECK_OK or a beck_result; details in *err when err is not NULL. Outputs are untouched on failure. NULL where
 *            an object is due is BECK_EARG, never a crash. The library never aborts, raises no signal and changes nothing
 *            of the host program's global state.
 * fork       A child must not use a client made by its parent, nor release it; it may make clients of its own. Descriptors
 *            are close-on-exec, but for pairs that libcurl keeps for itself: they lead nowhere.
 * ABI        Public structs have fixed sizes with reserved space that must be zero; new members take from it. Symbols are
 *            versioned: a program built against an older library runs with a newer one.
 */
#ifndef BECK_BECK_H
#define BECK_BECK_H

#include <beck/types.h>

#include <beck/value.h>

#include <beck/client.h>

#include <beck/event.h>
#include <beck/loop.h>
#include <beck/outbox.h>
#include <beck/request.h>

#include <beck/channel.h>
#include <beck/message.h>
#include <beck/user.h>

#include <beck/server.h>

#endif
