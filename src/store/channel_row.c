#include "store/channel_row.h"

#include "base/compiler.h"

static struct span cid_of(struct arena *a, struct span type, struct span id)
{
	char *p = arena_alloc(a, type.n + id.n + 2);
	if (p == NULL) return SPAN_NONE;
	memcpy(p, type.p, type.n);
	p[type.n] = ':';
	memcpy(p + type.n + 1, id.p, id.n);
	p[type.n + 1 + id.n] = '\0';
	return span_make(p, type.n + 1 + id.n);
}

void channel_row_read(struct sql_stmt *s, int first_column, struct arena *a, struct channel *out)
{
	int i = first_column;
	struct channel c = { .pk = sql_col_int(s, i++) };
	c.type = sql_col_text(s, a, i++);
	c.id = sql_col_text(s, a, i++);
	if (span_given(c.type) && span_given(c.id)) c.cid = cid_of(a, c.type, c.id);
	c.created_by.pk = sql_col_int(s, i++);
	c.team = sql_col_text(s, a, i++);
	c.custom = sql_col_text(s, a, i++);
	c.config_overrides = sql_col_text(s, a, i++);
	c.filter_tags = sql_col_text(s, a, i++);
	c.frozen = sql_col_int(s, i++) != 0;
	c.disabled = sql_col_int(s, i++) != 0;
	c.cooldown_s = sql_col_int(s, i++);
	c.member_count = sql_col_int(s, i++);
	c.message_count = sql_col_int(s, i++);
	c.counted_seq = sql_col_int(s, i++);
	c.exception_seq = sql_col_int(s, i++);
	c.floor_seq = sql_col_int(s, i++);
	c.created_at = sql_col_int(s, i++);
	c.updated_at = sql_col_int(s, i++);
	c.last_message_at = sql_col_int(s, i++);
	c.deleted_at = sql_col_int(s, i++);
	c.truncated_at = sql_col_int(s, i++);
	c.truncated_by.pk = sql_col_int(s, i++);
	c.keep_history = sql_col_int(s, i++) != 0;
	BECK_ASSERT(i == first_column + CHANNEL_COLUMN_COUNT);
	*out = c;
}

void member_row_read(struct sql_stmt *s, int first_column, struct arena *a, struct member *m)
{
	int i = first_column;
	*m = (struct member){ .channel_pk = sql_col_int(s, i++) };
	m->user_pk = m->user.pk = sql_col_int(s, i++);
	m->channel_role = sql_col_text(s, a, i++);
	m->is_moderator = sql_col_int(s, i++) != 0;
	m->custom = sql_col_text(s, a, i++);
	m->invited = sql_col_int(s, i++) != 0;
	m->invite_accepted_at = sql_col_int(s, i++);
	m->invite_rejected_at = sql_col_int(s, i++);
	m->banned = sql_col_int(s, i++) != 0;
	m->ban_expires = sql_col_int(s, i++);
	m->shadow_banned = sql_col_int(s, i++) != 0;
	m->pinned_at = sql_col_int(s, i++);
	m->archived_at = sql_col_int(s, i++);
	m->hidden = sql_col_int(s, i++) != 0;
	m->hide_before = sql_col_int(s, i++);
	m->muted = sql_col_int(s, i++) != 0;
	m->mute_expires_at = sql_col_int(s, i++);
	m->mute_seq = sql_col_int(s, i++);
	m->created_at = sql_col_int(s, i++);
	m->updated_at = sql_col_int(s, i++);
	m->read_seq = sql_col_int(s, i++);
	m->own_seq = sql_col_int(s, i++);
	m->last_read = sql_col_int(s, i++);
	m->last_read_message_id = sql_col_text(s, a, i++);
	m->first_unread_message_id = sql_col_text(s, a, i++);
	m->last_delivered_at = sql_col_int(s, i++);
	m->last_delivered_message_id = sql_col_text(s, a, i++);
	BECK_ASSERT(i == first_column + MEMBER_COLUMN_COUNT);
}

bool member_brief_read(struct sql_stmt *s, struct arena *a, struct member *m)
{
	*m = (struct member){ .channel_pk = sql_col_int(s, 0) };
	m->user_pk = m->user.pk = sql_col_int(s, 1);
	m->channel_role = sql_col_text(s, a, 2);
	m->created_at = sql_col_int(s, 3);
	m->updated_at = sql_col_int(s, 4);
	m->read_seq = sql_col_int(s, 5);
	m->own_seq = sql_col_int(s, 6);
	m->last_read = sql_col_int(s, 7);
	m->last_read_message_id = sql_col_text(s, a, 8);
	m->last_delivered_at = sql_col_int(s, 9);
	m->last_delivered_message_id = sql_col_text(s, a, 10);
	return sql_col_int(s, 11) != 0;
}
