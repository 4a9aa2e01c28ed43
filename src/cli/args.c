/* Options from tables, and the help that is made from the same tables. */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct option access_options[] = {
	{ "--url", OPTION_TEXT, offsetof(struct args, url), "URL", "the server (BECK_URL; http://127.0.0.1:8800)" },
	{ "--key", OPTION_TEXT, offsetof(struct args, key), "KEY",
		"the API key (BECK_API_KEY; the first one of the data folder)" },
	{ "--user", OPTION_TEXT, offsetof(struct args, user), "ID", "who you are; by default whom the token is for" },
	{ "--name", OPTION_TEXT, offsetof(struct args, name), "NAME", "sets the user's name" },
	{ "--token-file", OPTION_TEXT, offsetof(struct args, token_file), "FILE",
		"holds a token; read again when one has expired" },
	{ "--token", OPTION_TEXT, offsetof(struct args, token), "TOKEN",
		"a token (BECK_TOKEN); other users of the machine can see it here" },
	{ "--secret-file", OPTION_TEXT, offsetof(struct args, secret_file), "FILE",
		"makes tokens itself (BECK_API_SECRET; api_secret in the data folder)" },
	{ "--data", OPTION_TEXT, offsetof(struct args, data), "DIR",
		"a server's data folder on this machine (BECK_DATA; ./data)" },
	{ "--no-fallback", OPTION_FLAG, offsetof(struct args, no_fallback), NULL, "WebSocket only, no long polling" },
	{ "--timeout", OPTION_NUMBER, offsetof(struct args, timeout_ms), "MS", "how long a call may take (6000)" },
	{ "--ca-file", OPTION_TEXT, offsetof(struct args, ca_file), "FILE", "certificates to trust instead of the system's" },
	{ "--insecure", OPTION_FLAG, offsetof(struct args, insecure), NULL, "accepts any certificate: for tests only" },
	{ "--proxy", OPTION_TEXT, offsetof(struct args, proxy), "URL", "a proxy (http_proxy and https_proxy)" },
	{ "--verbose", OPTION_FLAG, offsetof(struct args, verbose), NULL, "tells on stderr what the connection does" },
	{ NULL, OPTION_FLAG, 0, NULL, NULL },
};

static const char exits[] = "Exit status: 0 fine, 1 refused or failed, 2 wrong usage, 3 no connection.\n";

/* ---- help ---- */

static void show_options(const struct option *options, FILE *out)
{
	for (const struct option *o = options; o && o->name; o++) {
		char left[64];
		(void)snprintf(left, sizeof left, "%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
		(void)fprintf(out, "  %-20s %s\n", left, o->help);
	}
}

void args_help(const struct command *c)
{
	printf("beck %s: %s\n\nusage: beck %s %s\n", c->name, c->summary, c->name, c->usage);
	if (c->more) printf("\n%s", c->more);
	if (c->options && c->options->name) printf("\n");
	show_options(c->options, stdout);
	if (c->connects) {
		printf("\nThe connection, with the environment's name and the default in brackets:\n");
		show_options(access_options, stdout);
	}
	printf("\n%s", exits);
}

int args_overview(bool is_error)
{
	FILE *out = is_error ? stderr : stdout;
	(void)fputs("beck " BECK_VERSION "\n\nusage: beck COMMAND ...\n\n", out);
	for (const struct command *c = commands; c->name; c++) (void)fprintf(out, "  %-12s %s\n", c->name, c->summary);
	(void)fprintf(out, "\n`beck COMMAND --help` has more.\n%s", exits);
	return is_error ? EXIT_USAGE : EXIT_FINE;
}

int say_failed(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	(void)fputs("beck: ", stderr);
	(void)vfprintf(stderr, format, args);
	(void)fputs("\n", stderr);
	va_end(args);
	return EXIT_REFUSED;
}

int args_wrong(const struct command *command, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	(void)fputs("beck: ", stderr);
	(void)vfprintf(stderr, format, args);
	(void)fputs("\n\n", stderr);
	va_end(args);
	if (!command) return args_overview(true);
	(void)fprintf(stderr, "usage: beck %s %s\n`beck %s --help` has more.\n", command->name, command->usage, command->name);
	return EXIT_USAGE;
}

/* ---- parsing ---- */

static const struct option *find_in(const struct option *options, const char *name, size_t n)
{
	for (const struct option *o = options; o && o->name; o++)
		if (strlen(o->name) == n && strncmp(o->name, name, n) == 0) return o;
	return NULL;
}

static const struct option *find(const struct command *command, const char *name, size_t n)
{
	const struct option *own = find_in(command->options, name, n);
	return own || !command->connects ? own : find_in(access_options, name, n);
}

static int set_number(const struct command *command, const struct option *o, const char *text, long long *out)
{
	char *end = NULL;
	errno = 0;
	long long n = strtoll(text, &end, 10);
	if (errno || end == text || *end || n < 1)
		return args_wrong(command, "%s: \"%s\" is not a number%s above 0", o->name, text,
			strcmp(o->value, "SECONDS") == 0 ? " of seconds" : "");
	*out = n;
	return EXIT_FINE;
}

/* An option at argv[*at], "--name value" or "--name=value". */
static int take_option(const struct command *command, int argc, char **argv, int *at, struct args *args)
{
	const char *word = argv[*at], *equals = strchr(word, '='), *value = equals ? equals + 1 : NULL;
	const struct option *o = find(command, word, equals ? (size_t)(equals - word) : strlen(word));
	if (!o) return args_wrong(command, "unknown option %s", word);
	void *to = (char *)args + o->offset;
	if (o->kind == OPTION_FLAG) {
		if (value) return args_wrong(command, "%s takes no value", o->name);
		*(bool *)to = true;
		return EXIT_FINE;
	}
	if (!value && *at + 1 >= argc) return args_wrong(command, "%s needs a value", o->name);
	if (!value) value = argv[++*at];
	if (o->kind == OPTION_NUMBER) return set_number(command, o, value, to);
	*(const char **)to = value;
	return EXIT_FINE;
}

static int take_word(const struct command *command, const char *word, struct args *args)
{
	if (args->word_count >= command->max_words) return args_wrong(command, "unexpected argument \"%s\"", word);
	args->words[args->word_count++] = word;
	return EXIT_FINE;
}

int args_parse(const struct command *command, int argc, char **argv, struct args *args, bool *wants_help)
{
	bool only_words = false;
	*args = (struct args){ .command = command };
	for (int i = 0; i < argc; i++) {
		int status = EXIT_FINE;
		if (!only_words && strcmp(argv[i], "--help") == 0) {
			*wants_help = true;
			return EXIT_FINE;
		}
		if (!only_words && strcmp(argv[i], "--") == 0)
			only_words = true;
		else if (!only_words && argv[i][0] == '-' && argv[i][1])
			status = take_option(command, argc, argv, &i, args);
		else
			status = take_word(command, argv[i], args);
		if (status != EXIT_FINE) return status;
	}
	if (args->word_count < command->min_words) return args_wrong(command, "%s needs %s", command->name, command->words);
	return EXIT_FINE;
}
