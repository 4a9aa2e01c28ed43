#include "chat/permissions.h"

#include <stdio.h>

static bool list_has(yyjson_val *list, struct span id)
{
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach(list, i, n, v)
	{
		if (span_eq(json_span(v), id)) return true;
	}
	return false;
}

static bool role_has(yyjson_val *grants, struct span role, struct span id)
{
	if (role.n == 0) return false;
	return list_has(yyjson_obj_getn(grants, role.p, role.n), id);
}

/* The role of his in the channel's team, for applications with several tenants. */
static struct span team_role(const struct chat_ctx *c, const struct channel *ch)
{
	if (!c->app->multi_tenant_enabled || ch == NULL || !span_given(ch->team) || !span_given(c->me.teams_role))
		return SPAN_NONE;
	const char *why;
	size_t at;
	yyjson_val *roles = json_parse(c->arena, c->me.teams_role, &why, &at);
	return json_span(yyjson_obj_getn(roles, ch->team.p, ch->team.n));
}

struct roles {
	struct span items[4];
	size_t n;
};

static bool any_role_has(const struct roles *r, yyjson_val *grants, struct span id)
{
	for (size_t i = 0; i < r->n; i++)
		if (role_has(grants, r->items[i], id)) return true;
	return false;
}

static bool allowed(const struct roles *r, yyjson_val *grants, const char *permission, bool is_owner)
{
	if (any_role_has(r, grants, span_str(permission))) return true;
	if (!is_owner) return false;
	char twin[96];
	int n = snprintf(twin, sizeof twin, "%s-owner", permission);
	BECK_ASSERT(n > 0 && (size_t)n < sizeof twin);
	return any_role_has(r, grants, span_make(twin, (size_t)n));
}

static bool goes_unchecked(const struct chat_ctx *c)
{
	return c->caller == CALLER_SERVER || (c->app->disable_permissions_checks && c->caller != CALLER_NOBODY);
}

bool chat_may_own(const struct chat_ctx *c, const char *permission, bool is_owner)
{
	if (goes_unchecked(c)) return true;
	struct roles r = { .items = { c->me.role }, .n = 1 };
	return allowed(&r, c->app->grants, permission, is_owner);
}

bool chat_may(const struct chat_ctx *c, const char *permission) { return chat_may_own(c, permission, false); }

bool chat_may_in(const struct chat_ctx *c, const struct channel_type *t, const struct channel *ch, const struct member *m,
	const char *permission, bool is_owner)
{
	if (goes_unchecked(c)) return true;
	struct roles r = { .items = { c->me.role, team_role(c, ch) }, .n = 2 };
	if (m != NULL) {
		r.items[r.n++] = m->channel_role;
		if (m->is_moderator) r.items[r.n++] = SPAN("channel_moderator");
	}
	return allowed(&r, t->grants, permission, is_owner);
}

/* ---- what there is ---- */

enum permission_scope { SCOPE_APP, SCOPE_CHANNEL };
static const struct {
	enum permission_scope scope;
	struct span id;
} permissions[] = {
#define PERMISSION(scope_, id_) { SCOPE_##scope_, { id_, sizeof(id_) - 1 } },
#define GRANT(type_, role_, ids_)
#include "grants.def"
#undef PERMISSION
#undef GRANT
};

static const struct {
	struct span type, role, ids;
} grants[] = {
#define PERMISSION(scope_, id_)
#define GRANT(type_, role_, ids_) { { type_, sizeof(type_) - 1 }, { role_, sizeof(role_) - 1 }, { ids_, sizeof(ids_) - 1 } },
#include "grants.def"
#undef PERMISSION
#undef GRANT
};

bool permission_known(struct span id)
{
	static const struct span owner = { "-owner", 6 };
	if (id.n > owner.n && span_eq(span_skip(id, id.n - owner.n), owner)) id.n -= owner.n;
	for (size_t i = 0; i < BECK_COUNT(permissions); i++)
		if (span_eq(permissions[i].id, id)) return true;
	return false;
}

static const char *const user_roles[] = { "user", "guest", "anonymous", "admin", "moderator", "global_moderator",
	"global_admin" };
static const char *const channel_roles[] = { "channel_member", "channel_moderator" };

bool role_known(struct span role, bool for_users)
{
	for (size_t i = 0; i < BECK_COUNT(user_roles); i++)
		if (span_is(role, user_roles[i])) return true;
	for (size_t i = 0; !for_users && i < BECK_COUNT(channel_roles); i++)
		if (span_is(role, channel_roles[i])) return true;
	return false;
}

static enum err check_ids(struct chat_ctx *c, yyjson_val *list)
{
	size_t i, n;
	yyjson_val *id;
	if (!yyjson_is_arr(list)) return chat_fail(c, ERR_INPUT, "grants", "grants of a role must be an array of permission ids");
	yyjson_arr_foreach(list, i, n, id)
	{
		if (!yyjson_is_str(id))
			return chat_fail(c, ERR_INPUT, "grants", "grants of a role must be an array of permission ids");
		if (!permission_known(json_span(id)))
			return chat_fail(c, ERR_INPUT, "grants", "permission %.*s does not exist", SPAN_FMT(json_span(id)));
	}
	return ERR_OK;
}

enum err grants_check(struct chat_ctx *c, yyjson_val *sent, bool of_app)
{
	size_t i, n;
	yyjson_val *role, *list;
	if (!yyjson_is_obj(sent)) return chat_fail(c, ERR_INPUT, "grants", "grants must be an object");
	yyjson_obj_foreach(sent, i, n, role, list)
	{
		if (!role_known(json_span(role), of_app))
			return chat_fail(c, ERR_INPUT, "grants", "role %.*s does not exist", SPAN_FMT(json_span(role)));
		enum err e = check_ids(c, list);
		if (e != ERR_OK) return e;
	}
	return ERR_OK;
}

static void write_ids(struct jsonw *w, struct span ids)
{
	jsonw_arr_begin(w);
	while (ids.n > 0) {
		size_t end = span_find(ids, ' ');
		if (end > 0) jsonw_str(w, span_make(ids.p, end));
		ids = span_skip(ids, end + 1);
	}
	jsonw_arr_end(w);
}

static void write_all(struct jsonw *w, const char *role, enum permission_scope scope)
{
	jsonw_key(w, role);
	jsonw_arr_begin(w);
	for (size_t i = 0; i < BECK_COUNT(permissions); i++)
		if (permissions[i].scope == scope && !span_is(permissions[i].id, "use-frozen-channel"))
			jsonw_str(w, permissions[i].id);
	jsonw_arr_end(w);
}

void default_grants_write(struct jsonw *w, struct span type)
{
	enum permission_scope scope = span_is(type, ".app") ? SCOPE_APP : SCOPE_CHANNEL;
	jsonw_obj_begin(w);
	for (size_t i = 0; i < BECK_COUNT(grants); i++) {
		if (!span_eq(grants[i].type, type)) continue;
		jsonw_key_span(w, grants[i].role);
		write_ids(w, grants[i].ids);
	}
	write_all(w, "admin", scope);
	write_all(w, "global_admin", scope);
	jsonw_obj_end(w);
}
