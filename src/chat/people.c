#include "chat/people.h"

#include "base/limits.h"

void people_init(struct people *p, struct chat_ctx *c)
{
	*p = (struct people){ .c = c };
	p->t = c->people != NULL ? c->people : &p->own;
}

void people_share(struct chat_ctx *c, struct people_table *t) { c->people = t; }
void people_unshare(struct chat_ctx *c) { c->people = NULL; }

/* Fibonacci hashing: keys are small row numbers of our own making. */
static size_t place(int64_t pk, size_t slot_count)
{
	return (size_t)(((uint64_t)pk * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (slot_count - 1);
}

static struct people_slot *find(const struct people_table *t, int64_t pk)
{
	size_t i = place(pk, t->slot_count);
	while (t->slots[i].pk != 0 && t->slots[i].pk != pk) i = (i + 1) & (t->slot_count - 1);
	return &t->slots[i];
}

static bool grow(struct people_table *t, struct arena *a)
{
	size_t cap = t->cap ? t->cap * 2 : 32;
	int64_t *pks = arena_realloc(a, t->pks, t->cap * sizeof *pks, cap * sizeof *pks);
	struct people_slot *slots = arena_array(a, struct people_slot, cap * 2);
	if (pks == NULL || slots == NULL) return false;
	t->pks = pks;
	t->slots = slots;
	t->slot_count = cap * 2;
	t->cap = cap;
	for (size_t i = 0; i < t->n; i++) *find(t, pks[i]) = (struct people_slot){ pks[i], i };
	return true;
}

void people_want(struct people *p, int64_t pk)
{
	struct people_table *t = p->t;
	if (pk == 0 || (t->n == t->cap && !grow(t, p->c->arena))) return;
	struct people_slot *s = find(t, pk);
	if (s->pk != 0) return;
	*s = (struct people_slot){ pk, t->n };
	t->pks[t->n++] = pk;
}

/* The text is written once and copied wherever the user appears. */
static void render(struct chat_ctx *c, struct user *u, struct buf *scratch)
{
	struct jsonw w;
	buf_clear(scratch);
	jsonw_init(&w, scratch);
	user_write(&w, c->dialect, USER_VIEW_COMMON, u);
	u->rendered = scratch->failed ? SPAN_NONE : arena_dup(c->arena, buf_span(scratch));
	u->rendered_as = c->dialect;
}

static void make_fit(struct people *p, size_t from)
{
	struct buf scratch;
	buf_init(&scratch, (size_t)LIMIT_BODY_BYTES);
	for (size_t i = from; i < p->t->n; i++) {
		struct user *u = &p->t->users[i];
		if (u->pk == 0) continue;
		chat_user_for_viewer(p->c, u);
		if (p->t != &p->own) render(p->c, u, &scratch);
	}
	buf_deinit(&scratch);
}

enum err people_load(struct people *p)
{
	struct people_table *t = p->t;
	struct arena *a = p->c->arena;
	if (t->room < t->n && !arena_failed(a)) {
		struct user *users = arena_realloc(a, t->users, t->loaded * sizeof *users, t->cap * sizeof *users);
		if (users != NULL) {
			t->users = users;
			t->room = t->cap;
		}
	}
	if (arena_failed(a)) return chat_store_fail(p->c, ERR_UNAVAILABLE);
	if (t->loaded == t->n) return ERR_OK;
	enum err e = store_users_get_pk(p->c->tx, t->pks + t->loaded, t->n - t->loaded, a, t->users + t->loaded);
	if (e != ERR_OK) return chat_store_fail(p->c, e);
	make_fit(p, t->loaded);
	t->loaded = t->n;
	return ERR_OK;
}

const struct user *people_get(const struct people *p, int64_t pk)
{
	const struct people_table *t = p->t;
	if (pk == 0 || t->n == 0) return NULL;
	const struct people_slot *s = find(t, pk);
	return s->pk != 0 && s->index < t->loaded && t->users[s->index].pk != 0 ? &t->users[s->index] : NULL;
}

void people_fill(const struct people *p, struct user *u)
{
	const struct user *found = people_get(p, u->pk);
	if (found != NULL)
		*u = *found;
	else
		*u = (struct user){ .pk = u->pk,
			.id = SPAN("deleted-user"),
			.role = SPAN("user"),
			.privacy_typing = TRI_UNSET,
			.privacy_read = TRI_UNSET,
			.privacy_delivery = TRI_UNSET };
}

const struct member *people_member(const struct chat_ctx *c, int64_t channel_pk, int64_t user_pk, bool *known)
{
	const struct people_table *t = c->people;
	*known = t != NULL && t->members_of != 0 && t->members_of == channel_pk;
	for (size_t i = 0; *known && i < t->member_count; i++)
		if (t->members[i].user_pk == user_pk) return &t->members[i];
	return NULL;
}
