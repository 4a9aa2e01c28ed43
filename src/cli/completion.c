/* beck completion: what a shell needs to complete commands and options, from the same tables as --help. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static void each_option(const struct command *c, void (*show)(const struct command *c, const struct option *o))
{
	for (const struct option *o = c->options; o && o->name; o++) show(c, o);
	for (const struct option *o = c->connects ? access_options : NULL; o && o->name; o++) show(c, o);
}

static void show_name(const struct command *c, const struct option *o)
{
	(void)c;
	printf(" %s", o->name);
}

static void show_names(void)
{
	for (const struct command *c = commands; c->name; c++) printf("%s%s", c == commands ? "" : " ", c->name);
}

static void bash(void)
{
	printf("_beck() {\n\tlocal word=${COMP_WORDS[COMP_CWORD]} words\n\tcase $COMP_CWORD:${COMP_WORDS[1]} in\n\t1:*) words='");
	show_names();
	printf("' ;;\n");
	for (const struct command *c = commands; c->name; c++) {
		printf("\t*:%s) words='--help", c->name);
		each_option(c, show_name);
		printf("' ;;\n");
	}
	printf("\tesac\n\t[[ $COMP_CWORD == 1 || $word == -* ]] && COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\n"
	       "complete -o default -F _beck beck\n");
}

static void zsh(void)
{
	printf("#compdef beck\n_beck() {\n\tif (( CURRENT == 2 )); then\n\t\tcompadd -- ");
	show_names();
	printf("\n\t\treturn\n\tfi\n\tcase $words[2] in\n");
	for (const struct command *c = commands; c->name; c++) {
		printf("\t%s) [[ $PREFIX == -* ]] && compadd -- --help", c->name);
		each_option(c, show_name);
		printf(" ;;\n");
	}
	printf("\tesac\n\t[[ $PREFIX == -* ]] || _files\n}\ncompdef _beck beck\n");
}

static void show_fish(const struct command *c, const struct option *o)
{
	printf("complete -c beck -n '__fish_seen_subcommand_from %s' -l %s%s\n", c->name, o->name + 2, o->value ? " -r" : "");
}

static void fish(void)
{
	for (const struct command *c = commands; c->name; c++) {
		printf("complete -c beck -n __fish_use_subcommand -f -a %s -d '%s'\n", c->name, c->summary);
		each_option(c, show_fish);
	}
}

int run_completion(struct args *g)
{
	static const struct {
		const char *name;
		void (*show)(void);
	} shells[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };
	for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
		if (strcmp(shells[i].name, g->words[0]) != 0) continue;
		shells[i].show();
		return EXIT_FINE;
	}
	return args_wrong(g->command, "there is no completion for \"%s\"", g->words[0]);
}
