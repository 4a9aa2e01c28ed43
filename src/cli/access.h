/* Who the tool is, and the client that it makes of that: address, key, token or secret, from options, environment, data folder.
 */
#ifndef CLI_ACCESS_H
#define CLI_ACCESS_H

#include "cli/cli.h"

#include <beck/beck.h>

#define SECRET_SIZE 512

struct access {
	struct args *args;
	const char *url;
	char key[128];
	char secret[SECRET_SIZE]; /* "" when there is none */
	char *token;              /* the one given, owned; NULL when tokens are made from the secret */
	char user[256];           /* "" when neither option nor token names one */
	beck_error error;         /* why no client was made */
};

/* The secret of --secret-file (status EXIT_REFUSED with a message when it cannot be read), BECK_API_SECRET, or the data folder.
 * Leaves `out` "" when there is none. */
int read_secret(const struct args *args, char out[SECRET_SIZE]);
/* Name of the data folder on this machine. */
const char *data_folder(const struct args *args);
bool user_id_is_valid(const char *id);

/* Finds out all of the above. EXIT_FINE, or another status with everything said. */
int access_find(struct args *args, struct access *a);
int access_find_key(struct args *args, struct access *a);  /* address and key alone */
int access_find_user(struct args *args, struct access *a); /* all, and a user there must be */
void access_free(struct access *a);

/* NULL with everything said. */
beck_client *access_client(struct access *a, beck_threading threading);
/* Acts for the application: NULL silently when there is no secret. */
beck_client *access_server_client(struct access *a);
/* {"id":...,"name":...}; the caller's to free. */
char *access_user_json(const struct access *a);
/* Connects and waits. EXIT_FINE, or another status with everything said. */
beck_result access_connect_wait(struct access *a, beck_client *client, beck_error *err); /* the same, silently */
int access_connect(struct access *a, beck_client *client);
beck_result access_connect_async(struct access *a, beck_client *client, beck_connect_fn done, void *ctx, beck_error *err);

/* "messaging:general": EXIT_FINE when `cid` may be one, else EXIT_USAGE with everything said. */
int channel_check(const struct args *args, const char *cid);
beck_channel *channel_of(beck_client *client, const char *cid); /* of one that was checked */

/* Says what went wrong, with what to do about it, and returns the exit status that means it. */
int say_error(const char *what, const beck_error *e);
int error_status(const beck_error *e);

/* Claims of a token without a look at its signature; NULL when it has none. The caller's beck_document_free. */
beck_document *token_claims(const char *token);

/* argv[0] becomes the beckd beside this program. Does not return unless it cannot be run. */
void exec_beckd(char **argv);

#endif
