/* beck token: a token for a user or a backend, signed with the secret. */
#include "cli/access.h"
#include "cli/now.h"

#include <stdio.h>

static int check(const struct args *g)
{
	if (g->user && g->server) return args_wrong(g->command, "a token is for one: --user ID or --server, not both");
	if (!g->user && !g->server) return args_wrong(g->command, "token needs --user ID or --server");
	if (g->user && !user_id_is_valid(g->user))
		return args_wrong(
			g->command, "--user: \"%s\" is no user id; the server takes 1 to 255 of a-z A-Z 0-9 _ @ -", g->user);
	if (g->server && g->expires_s) return args_wrong(g->command, "--expires is for tokens of users");
	return EXIT_FINE;
}

int run_token(struct args *g)
{
	char secret[SECRET_SIZE];
	beck_error e = { 0 };
	int status = check(g);
	if (status == EXIT_FINE) status = read_secret(g, secret);
	if (status != EXIT_FINE) return status;
	if (!*secret) return say_failed("no secret: give --secret-file or BECK_API_SECRET");
	char *token = g->server ? beck_create_server_token(secret, &e)
				: beck_create_token(secret, g->user, g->expires_s ? now_us() / 1000000 + g->expires_s : 0, &e);
	if (!token) return say_error("no token", &e);
	(void)puts(token);
	beck_free(token);
	return EXIT_FINE;
}
