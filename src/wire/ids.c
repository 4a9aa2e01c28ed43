#include "wire/ids.h"

#include "base/limits.h"

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/* One to `max` characters of a word, or `also`. */
static bool made_of(struct span s, int64_t max, char also)
{
	if (s.n == 0 || s.n > (size_t)max) return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_word(s.p[i]) && s.p[i] != also) return false;
	return true;
}

bool user_id_valid(struct span id) { return made_of(id, LIMIT_USER_ID_BYTES, '@'); }
bool user_id_known_form(struct span id) { return user_id_valid(id) || span_is(id, "!anon"); }
bool channel_id_valid(struct span id) { return made_of(id, LIMIT_CHANNEL_ID_BYTES, '!'); }
bool channel_type_valid(struct span type) { return made_of(type, LIMIT_CHANNEL_ID_BYTES, '_'); }
bool message_id_valid(struct span id) { return made_of(id, LIMIT_MESSAGE_ID_BYTES, '_'); }

bool cid_split(struct span cid, struct span *type, struct span *id)
{
	size_t colon = span_find(cid, ':');
	struct span t = { cid.p, colon }, i = span_skip(cid, colon + 1);
	if (colon == cid.n || !channel_type_valid(t) || !channel_id_valid(i)) return false;
	*type = t;
	*id = i;
	return true;
}
