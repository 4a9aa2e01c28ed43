/* Configuration of beckd. Later wins: built-in defaults, the INI file (--config, else <data>/beckd.ini when it is there),
 * environment (BECK_<OPTION> in capitals, '-' as '_'), flags. Secrets come from files or the environment only, never from flags.
 */
#ifndef BECK_SERVER_CONFIG_H
#define BECK_SERVER_CONFIG_H

#include <stdint.h>

#include "base/arena.h"

struct config {
	struct span listen_host;
	uint16_t listen_port;
	struct span metrics_host; /* not given = no listener of its own */
	uint16_t metrics_port;
	struct span data;    /* folder */
	struct span api_key; /* of the first application; not given = made */
	struct span
		api_secret; /* BECK_API_SECRET or the content of api-secret-file; not given = made and kept in the data folder */
	struct span tls_cert, tls_key;
	struct span trusted_proxies, cors_origins, error_page;
	bool proxy_v2, deflate, is_dev, http_log;
	int loops, readers;
	int log_level;
	int time_scale; /* test option, --dev only: protocol timers run so many times faster */
	int64_t max_connections_per_address;
	int guests_per_address; /* 0 = the built-in limit */
};

/* One line per option: this table is flags, environment, INI keys, --help and docs/operations.md alike. */
struct config_option {
	const char *name;  /* "tls-cert" */
	const char *value; /* "FILE"; NULL = a switch */
	const char *fallback;
	const char *help;
};
extern const struct config_option config_options[]; /* ended by a NULL name */

/* argv from the first option on. Everything in the arena. False with *why. --help and --version are main's business. */
bool config_load(struct config *c, struct arena *a, int argc, char **argv, struct span *why);

#endif
