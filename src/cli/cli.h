/* The beck tool: a command per file on the public header of libbeck and libc alone, which proves that the library is enough.
 *
 * A command is a row of the table in main.c: its name, what --help says, its options, and the function that runs it and returns
 * the program's exit status. Options of all commands land in one struct args. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

/* Documented in --help and docs/tool.md. */
enum exit_status { EXIT_FINE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_NO_CONNECTION = 3 };

/* Texts are the command line's own or the environment's; NULL, 0 and false when not given. */
struct args {
	const struct command *command;
	const char *url, *key, *token, *token_file, *secret_file, *data, *user, *name, *ca_file, *proxy;
	const char *filter, *parent;
	long long expires_s, limit, clients, seconds, rate, timeout_ms, count;
	bool json, lines, server, join, no_fallback, insecure, health, verbose;
	const char *words[16]; /* what is no option */
	size_t word_count;
};

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER };

struct option {
	const char *name; /* "--user" */
	enum option_kind kind;
	size_t offset;     /* in struct args */
	const char *value; /* "ID"; NULL for flags */
	const char *help;
};

struct command {
	const char *name, *summary, *usage; /* usage: what follows "beck NAME" */
	const char *more;                   /* further text of --help; may be NULL */
	const struct option *options;       /* ends with a name of NULL */
	bool connects;                      /* takes the options of access_options as well */
	size_t min_words, max_words;
	const char *words; /* what is missing when there are fewer than min_words: "CHANNEL" */
	int (*run)(struct args *args);
};

extern const struct command commands[]; /* ends with a name of NULL */
extern const struct option access_options[];

#define CLI_PRINTF(text_at, args_at) __attribute__((format(printf, text_at, args_at)))

/* Reads the words after the command's name. EXIT_FINE, or EXIT_USAGE with everything said. *wants_help: --help was among them. */
int args_parse(const struct command *command, int argc, char **argv, struct args *args, bool *wants_help);
void args_help(const struct command *command);
int args_overview(bool is_error);
/* One line on stderr that says what is wrong, then the usage. Returns EXIT_USAGE. `command` may be NULL. */
int args_wrong(const struct command *command, const char *format, ...) CLI_PRINTF(2, 3);
/* "beck: ..." on stderr. Returns EXIT_REFUSED. */
int say_failed(const char *format, ...) CLI_PRINTF(1, 2);

int run_app(struct args *args);
int run_channels(struct args *args);
int run_chat(struct args *args);
int run_completion(struct args *args);
int run_doctor(struct args *args);
int run_listen(struct args *args);
int run_load(struct args *args);
int run_send(struct args *args);
int run_token(struct args *args);
int run_users(struct args *args);

#endif
