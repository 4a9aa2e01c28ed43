/* Every route: an input is a few requests, parted by a line "--". The first line of each is `METHOD /target who`, where who is a
 * letter of world.h's table; the rest is the body (of GET and DELETE: the query parameter `payload`, to be encoded). Key and
 * token are added, so that what is behind them is reached. All run one after the other through the HTTP parser, api_prepare,
 * api_run with its reruns, api_finish; then background tasks. No answer may be an internal error, every answer and event must be
 * JSON. */
#include "world.h"

static struct span line_of(struct span *in)
{
	size_t end = span_find(*in, '\n');
	struct span line = span_make(in->p, end);
	*in = end < in->n ? span_skip(*in, end + 1) : span_make("", 0);
	return line;
}

static struct span word_of(struct span *line)
{
	size_t end = span_find(*line, ' ');
	struct span word = span_make(line->p, end);
	*line = end < line->n ? span_skip(*line, end + 1) : span_make("", 0);
	return word;
}

static struct span request_of(struct span *in)
{
	const char *end = in->n ? memmem(in->p, in->n, "\n--\n", 4) : NULL;
	struct span one = end ? span_make(in->p, (size_t)(end - in->p)) : *in;
	*in = end ? span_skip(*in, one.n + 4) : span_make("", 0);
	return one;
}

static void run_request(struct span text)
{
	struct span line = line_of(&text), method = word_of(&line), target = word_of(&line);
	size_t who = 0;
	while (who < PEOPLE && !(line.n && line.p[0] == people[who].key)) who++;
	if (method.n && target.n) request(method, target, who % PEOPLE, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { size ? (const char *)data : "", size };
	if (!world.store) open_world();
	world_begin();
	for (int n = 0; n < 8 && in.n; n++) run_request(request_of(&in));
	run_tasks();
	world_end(false);
	return 0;
}
