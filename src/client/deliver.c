#include "client/deliver.h"

#include <stdarg.h>
#include <stdio.h>

#include "client/client.h"

void deliver(beck_client *c, struct delivery *d, void (*run)(beck_client *c, struct delivery *d),
	void (*free)(beck_client *c, struct delivery *d))
{
	d->run = run;
	d->free = free;
	list_push(&c->deliveries.waiting, &d->in);
	c->deliveries.count++;
	client_changed(c);
}

static struct delivery *shift(struct deliveries *all)
{
	struct list *l = list_shift(&all->waiting);
	if (!l) return NULL;
	all->count--;
	return BECK_CONTAINER(l, struct delivery, in);
}

int deliver_all(beck_client *c)
{
	int told = 0;
	for (size_t n = c->deliveries.count; n > 0; n--) {
		struct delivery *d = shift(&c->deliveries);
		if (!d) break;
		if (d->run) {
			client_unlock(c);
			d->run(c, d);
			client_lock(c);
			told++;
		}
		d->free(c, d);
	}
	return told;
}

void deliveries_free(beck_client *c)
{
	struct delivery *d;
	while ((d = shift(&c->deliveries)) != NULL) d->free(c, d);
}

struct log_line {
	struct delivery deliver;
	beck_log_level level;
	char text[400];
};

static void tell(beck_client *c, struct delivery *d)
{
	struct log_line *line = BECK_CONTAINER(d, struct log_line, deliver);
	c->set.log(c->set.log_ctx, line->level, line->text);
}

static void forget(beck_client *c, struct delivery *d)
{
	(void)c;
	mem_free(BECK_CONTAINER(d, struct log_line, deliver));
}

void client_log(beck_client *c, beck_log_level level, const char *fmt, ...)
{
	if (!c->set.log || level > (beck_log_level)c->set.log_level) return;
	struct log_line *line = mem_calloc(1, sizeof *line);
	if (!line) return;
	line->level = level;
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(line->text, sizeof line->text, fmt, ap);
	va_end(ap);
	deliver(c, &line->deliver, tell, forget);
}
