#include "chat/people.h"

void people_init(struct people *p, struct chat_ctx *c) { *p = (struct people){ .c = c }; }

/* Fibonacci hashing: keys are small row numbers of our own making. */
static size_t place(int64_t pk, size_t slot_count)
{
	return (size_t)(((uint64_t)pk * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (slot_count - 1);
}

static struct people_slot *find(const struct people *p, int64_t pk)
{
	size_t i = place(pk, p->slot_count);
	while (p->slots[i].pk != 0 && p->slots[i].pk != pk) i = (i + 1) & (p->slot_count - 1);
	return &p->slots[i];
}

static bool grow(struct people *p)
{
	size_t cap = p->cap ? p->cap * 2 : 64;
	int64_t *pks = arena_realloc(p->c->arena, p->pks, p->cap * sizeof *pks, cap * sizeof *pks);
	struct people_slot *slots = arena_array(p->c->arena, struct people_slot, cap * 2);
	if (pks == NULL || slots == NULL) return false;
	p->pks = pks;
	p->slots = slots;
	p->slot_count = cap * 2;
	p->cap = cap;
	for (size_t i = 0; i < p->n; i++) *find(p, pks[i]) = (struct people_slot){ pks[i], i };
	return true;
}

void people_want(struct people *p, int64_t pk)
{
	if (pk == 0 || (p->n == p->cap && !grow(p))) return;
	struct people_slot *s = find(p, pk);
	if (s->pk != 0) return;
	*s = (struct people_slot){ pk, p->n };
	p->pks[p->n++] = pk;
}

enum err people_load(struct people *p)
{
	if (arena_failed(p->c->arena)) return chat_store_fail(p->c, ERR_UNAVAILABLE);
	if (p->loaded == p->n) return ERR_OK;
	struct user *users = arena_array(p->c->arena, struct user, p->n);
	if (users == NULL) return chat_store_fail(p->c, ERR_UNAVAILABLE);
	if (p->loaded > 0) memcpy(users, p->users, p->loaded * sizeof *users);
	enum err e = store_users_get_pk(p->c->tx, p->pks + p->loaded, p->n - p->loaded, p->c->arena, users + p->loaded);
	if (e != ERR_OK) return chat_store_fail(p->c, e);
	for (size_t i = p->loaded; i < p->n; i++)
		if (users[i].pk != 0) chat_user_for_viewer(p->c, &users[i]);
	p->users = users;
	p->loaded = p->n;
	return ERR_OK;
}

const struct user *people_get(const struct people *p, int64_t pk)
{
	if (pk == 0 || p->n == 0) return NULL;
	const struct people_slot *s = find(p, pk);
	return s->pk != 0 && s->index < p->loaded && p->users[s->index].pk != 0 ? &p->users[s->index] : NULL;
}

void people_fill(const struct people *p, struct user *u)
{
	const struct user *found = people_get(p, u->pk);
	if (found != NULL)
		*u = *found;
	else
		*u = (struct user){ .pk = u->pk, .id = SPAN("deleted-user"), .role = SPAN("user"), .privacy_typing = TRI_UNSET,
			.privacy_read = TRI_UNSET, .privacy_delivery = TRI_UNSET };
}
