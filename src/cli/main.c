/* beck: the command line tool. The table of its commands. */
#include "cli/access.h"
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define AT(field) offsetof(struct args, field)
#define END                                                                                                                      \
	{                                                                                                                        \
		NULL, OPTION_FLAG, 0, NULL, NULL                                                                                 \
	}

static const struct option chat_options[] = {
	{ "--join", OPTION_FLAG, AT(join), NULL, "adds you to the channel's members (needs the secret)" }, END
};
static const struct option listen_options[] = {
	{ "--json", OPTION_FLAG, AT(json), NULL, "JSON, one event a line; so without it when piped" },
	{ "--lines", OPTION_FLAG, AT(lines), NULL, "lines for people, also when piped" },
	{ "--health", OPTION_FLAG, AT(health), NULL, "shows health checks too" },
	{ "--count", OPTION_NUMBER, AT(count), "N", "ends after N events" },
	END,
};
static const struct option send_options[] = {
	{ "--parent", OPTION_TEXT, AT(parent), "MESSAGE", "as a reply in this message's thread" },
	{ "--json", OPTION_FLAG, AT(json), NULL, "prints the message as the server has it; so without it when piped" },
	END,
};
static const struct option token_options[] = {
	{ "--user", OPTION_TEXT, AT(user), "ID", "a token for this user" },
	{ "--server", OPTION_FLAG, AT(server), NULL, "a token for your backend, with every right" },
	{ "--expires", OPTION_NUMBER, AT(expires_s), "SECONDS", "it ends then; never without this" },
	{ "--secret-file", OPTION_TEXT, AT(secret_file), "FILE", "mode 0600 (BECK_API_SECRET; api_secret in the data folder)" },
	{ "--data", OPTION_TEXT, AT(data), "DIR", "the data folder (BECK_DATA; ./data)" },
	END,
};
static const struct option query_options[] = {
	{ "--filter", OPTION_TEXT, AT(filter), "JSON", "which, for instance {\"name\":{\"$autocomplete\":\"jo\"}}" },
	{ "--limit", OPTION_NUMBER, AT(limit), "N", "at most so many (100)" },
	{ "--json", OPTION_FLAG, AT(json), NULL, "JSON, one a line; so without it when piped" },
	END,
};

static const struct option json_options[] = { { "--json", OPTION_FLAG, AT(json), NULL, "JSON lines; so without it when piped" },
	END };

static const struct option load_options[] = {
	{ "--clients", OPTION_NUMBER, AT(clients), "N", "how many connect, watch and take turns at sending (10)" },
	{ "--seconds", OPTION_NUMBER, AT(seconds), "S", "for how long (10)" },
	{ "--rate", OPTION_NUMBER, AT(rate), "R", "messages in a second, all clients together (10)" },
	{ "--json", OPTION_FLAG, AT(json), NULL, "the result as JSON; so without it when piped" },
	END,
};

const struct command commands[] = {
	{ .name = "chat",
		.summary = "talk in a channel, in the terminal",
		.usage = "[--user ID] CHANNEL",
		.options = chat_options,
		.more = "Where the output is no terminal, lines of standard input are sent and messages come as lines.\n"
			"The channel is made if there is none. /help inside lists what can be typed.\n",
		.connects = true,
		.min_words = 1,
		.max_words = 1,
		.words = "a channel, like messaging:general",
		.run = run_chat },
	{ .name = "listen",
		.summary = "show events as they come",
		.usage = "[--user ID] [CHANNEL ...]",
		.options = listen_options,
		.more = "Of the channels named, else of up to 30 that the user is a member of.\n",
		.connects = true,
		.max_words = 16,
		.run = run_listen },
	{ .name = "send",
		.summary = "send one message",
		.usage = "[--user ID] CHANNEL TEXT|-",
		.options = send_options,
		.more = "With - the text is what standard input holds.\n",
		.connects = true,
		.min_words = 2,
		.max_words = 2,
		.words = "a channel and a text",
		.run = run_send },
	{ .name = "token",
		.summary = "make a token for a user or your backend",
		.usage = "--user ID | --server [--expires SECONDS] [--secret-file FILE]",
		.options = token_options,
		.run = run_token },
	{ .name = "app",
		.summary = "make and list applications (API key and secret)",
		.usage = "create --name NAME [--key KEY] [--json] [--data DIR]\n"
			 "       beck app list [--json | --first-key] [--data DIR]\n"
			 "       beck app rotate --key KEY [--keep-old] [--json] [--data DIR]",
		.more = "Works on the data folder, ./data unless given, whether a server runs on it or not.\n",
		.run = run_app },
	{ .name = "users",
		.summary = "list users",
		.usage = "[--filter JSON] [--limit N]",
		.options = query_options,
		.more = "With a secret and without --user the application asks, which sees everything.\n",
		.connects = true,
		.run = run_users },
	{ .name = "channels",
		.summary = "list channels",
		.usage = "[--filter JSON] [--limit N]",
		.options = query_options,
		.more = "With a secret and without --user the application asks, which sees everything.\n",
		.connects = true,
		.run = run_channels },
	{ .name = "doctor",
		.summary = "say why a connection does not work",
		.usage = "[--user ID]",
		.options = json_options,
		.more = "Goes through address, name, port, TLS, key, token, clock, WebSocket and long polling; says what to do "
			"about what fails.\n"
			"Fine (0) also when WebSocket is blocked and long polling works.\n",
		.connects = true,
		.run = run_doctor },
	{ .name = "load",
		.summary = "put load on a channel and measure it",
		.usage = "[--clients N] [--seconds S] [--rate R] CHANNEL",
		.options = load_options,
		.more = "With the secret each client is a user of its own, load-1 and so on, and all become members of the "
			"channel; with a\n"
			"token all are that user. Fine (0) when nothing was refused and everything was delivered to every "
			"client.\n",
		.connects = true,
		.min_words = 1,
		.max_words = 1,
		.words = "a channel, like messaging:general",
		.run = run_load },
	{ .name = "completion",
		.summary = "print completions for a shell",
		.usage = "bash|zsh|fish",
		.more = "For instance: source <(beck completion bash)\n",
		.min_words = 1,
		.max_words = 1,
		.words = "a shell: bash, zsh or fish",
		.run = run_completion },
	{ .name = NULL },
};

static int hand_to_beckd(const struct command *c, int argc, char **argv)
{
	if (argc < 3) return args_wrong(c, "app needs a command: create, list or rotate");
	if (strcmp(argv[2], "--help") == 0) {
		args_help(c);
		return EXIT_FINE;
	}
	exec_beckd(argv);
	return run_app(NULL);
}

static int run(const struct command *c, int argc, char **argv)
{
	struct args args;
	bool wants_help = false;
	if (c->run == run_app) return hand_to_beckd(c, argc, argv);
	int status = args_parse(c, argc - 2, argv + 2, &args, &wants_help);
	if (status != EXIT_FINE) return status;
	if (!wants_help) return c->run(&args);
	args_help(c);
	return EXIT_FINE;
}

int main(int argc, char **argv)
{
	if (argc < 2) return args_wrong(NULL, "a command is needed");
	if (strcmp(argv[1], "--help") == 0 || (strcmp(argv[1], "help") == 0 && argc == 2)) return args_overview(false);
	if (strcmp(argv[1], "--version") == 0) return puts("beck " BECK_VERSION) < 0;
	for (const struct command *c = commands; c->name; c++)
		if (strcmp(argv[1], c->name) == 0) return run(c, argc, argv);
	return args_wrong(NULL, "unknown command \"%s\"", argv[1]);
}
