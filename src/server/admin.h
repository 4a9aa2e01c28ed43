/* Subcommands of beckd on a data folder: backup, restore, check, app. */
#ifndef BECK_SERVER_ADMIN_H
#define BECK_SERVER_ADMIN_H

/* argv[0] is the subcommand's name. Returns the exit status: 0 done, 1 failed, 2 wrong usage. */
int admin_main(int argc, char **argv);

#endif
