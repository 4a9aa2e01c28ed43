-- The core tables. Every table is keyed by application. Times are microseconds since the Unix epoch, 0 = never / not set.
-- Common subset of SQLite and PostgreSQL; what differs (rowid keys, tables in the order of their key) is written {{pk}} and {{clustered}}
-- and filled in by the driver.
-- `pk` columns are the integer names of rows: events, memberships and read state refer to them, ids stay the outside's matter.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE apps (
  pk {{pk}},
  name TEXT NOT NULL,
  key TEXT NOT NULL UNIQUE,
  settings TEXT NOT NULL,            -- JSON of PATCH /app and of the operator's switches
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL);
CREATE TABLE app_secrets (
  pk {{pk}},
  app BIGINT NOT NULL,
  secret TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  retired_at BIGINT NOT NULL DEFAULT 0);
CREATE INDEX app_secrets_app ON app_secrets (app);

CREATE TABLE channel_types (
  app BIGINT NOT NULL, name TEXT NOT NULL,
  config TEXT NOT NULL,              -- JSON: the documented fields
  grants TEXT NOT NULL,              -- JSON: role -> [permission]
  created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,
  PRIMARY KEY (app, name));

CREATE TABLE users (
  pk {{pk}},
  app BIGINT NOT NULL,
  id TEXT NOT NULL,
  role TEXT NOT NULL,
  name TEXT, image TEXT, language TEXT,
  teams TEXT, teams_role TEXT, custom TEXT,
  invisible INT NOT NULL DEFAULT 0,
  frozen_last_active BIGINT NOT NULL DEFAULT 0, -- what others see while invisible
  privacy_typing INT NOT NULL DEFAULT -1, privacy_read INT NOT NULL DEFAULT -1, privacy_delivery INT NOT NULL DEFAULT -1,
  banned INT NOT NULL DEFAULT 0, ban_expires BIGINT NOT NULL DEFAULT 0, shadow_banned INT NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, last_active BIGINT NOT NULL DEFAULT 0,
  deactivated_at BIGINT NOT NULL DEFAULT 0, deleted_at BIGINT NOT NULL DEFAULT 0,
  revoke_before BIGINT NOT NULL DEFAULT 0,
  name_folded TEXT,                  -- for enforce_unique_usernames and $autocomplete: lower case, white space and signs gone
  UNIQUE (app, id));
CREATE INDEX users_created ON users (app, created_at, id);
CREATE INDEX users_name ON users (app, name_folded);

CREATE TABLE devices (
  app BIGINT NOT NULL, id TEXT NOT NULL, user_pk BIGINT NOT NULL,
  push_provider TEXT NOT NULL, push_provider_name TEXT, created_at BIGINT NOT NULL,
  PRIMARY KEY (app, id));
CREATE INDEX devices_user ON devices (user_pk, created_at);

-- monthly active users
CREATE TABLE mau (app BIGINT NOT NULL, month INT NOT NULL, user_pk BIGINT NOT NULL, PRIMARY KEY (app, month, user_pk));
CREATE TABLE usage_peak (app BIGINT NOT NULL, month INT NOT NULL, concurrent_peak BIGINT NOT NULL, PRIMARY KEY (app, month));

CREATE TABLE channels (
  pk {{pk}},
  app BIGINT NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL,
  created_by BIGINT NOT NULL,
  team TEXT, custom TEXT, config_overrides TEXT, filter_tags TEXT,
  name_folded TEXT,
  frozen INT NOT NULL DEFAULT 0, disabled INT NOT NULL DEFAULT 0, cooldown_s INT NOT NULL DEFAULT 0,
  member_count BIGINT NOT NULL DEFAULT 0, message_count BIGINT NOT NULL DEFAULT 0,
  counted_seq BIGINT NOT NULL DEFAULT 0,     -- sequence of the newest message that counts as unread
  exception_seq BIGINT NOT NULL DEFAULT 0,   -- no exception (deleted, restricted, hole) lies above it
  floor_seq BIGINT NOT NULL DEFAULT 0,       -- counted sequences up to it are nobody's unread (truncated, deleted and made anew)
  last_created_at BIGINT NOT NULL DEFAULT 0, -- created_at of the newest message of any kind; the next one is later
  created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,
  last_message_at BIGINT NOT NULL DEFAULT 0, -- 0 = none
  sort_at BIGINT NOT NULL,                   -- max(last_message_at, created_at): the default order of channel lists
  deleted_at BIGINT NOT NULL DEFAULT 0,
  truncated_at BIGINT NOT NULL DEFAULT 0, truncated_by BIGINT NOT NULL DEFAULT 0,
  keep_history INT NOT NULL DEFAULT 0,       -- deleted with skip_truncate: history survives recreation
  UNIQUE (app, type, id));
CREATE INDEX channels_sort ON channels (app, sort_at, pk);
CREATE INDEX channels_type_sort ON channels (app, type, sort_at, pk);
CREATE INDEX channels_creator ON channels (created_by);
CREATE INDEX channels_gone ON channels (deleted_at) WHERE deleted_at <> 0;

CREATE TABLE members (
  channel_pk BIGINT NOT NULL, user_pk BIGINT NOT NULL, app BIGINT NOT NULL,
  channel_role TEXT NOT NULL,
  created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,
  -- unread = channels.counted_seq - read_seq - exceptions in between; -1 for a pending invite (nothing counts)
  read_seq BIGINT NOT NULL DEFAULT 0,
  own_seq BIGINT NOT NULL DEFAULT 0,   -- his own newest counted message: none of his own lies above it
  last_read BIGINT NOT NULL, last_read_message_id TEXT,
  last_delivered_at BIGINT NOT NULL DEFAULT 0, last_delivered_message_id TEXT,
  -- does anything below say more than nothing? Lists read the columns above, and the rest only where it does
  has_more INT GENERATED ALWAYS AS (CASE WHEN is_moderator <> 0 OR custom IS NOT NULL OR invited <> 0 OR invite_accepted_at <> 0
    OR invite_rejected_at <> 0 OR banned <> 0 OR ban_expires <> 0 OR shadow_banned <> 0 OR pinned_at <> 0 OR archived_at <> 0
    OR hidden <> 0 OR hide_before <> 0 OR muted <> 0 OR mute_expires_at <> 0 OR mute_seq <> 0
    OR first_unread_message_id IS NOT NULL THEN 1 ELSE 0 END) STORED,
  is_moderator INT NOT NULL DEFAULT 0, custom TEXT,
  invited INT NOT NULL DEFAULT 0, invite_accepted_at BIGINT NOT NULL DEFAULT 0, invite_rejected_at BIGINT NOT NULL DEFAULT 0,
  banned INT NOT NULL DEFAULT 0, ban_expires BIGINT NOT NULL DEFAULT 0, shadow_banned INT NOT NULL DEFAULT 0,
  pinned_at BIGINT NOT NULL DEFAULT 0, archived_at BIGINT NOT NULL DEFAULT 0,
  hidden INT NOT NULL DEFAULT 0, hide_before BIGINT NOT NULL DEFAULT 0,
  muted INT NOT NULL DEFAULT 0, mute_expires_at BIGINT NOT NULL DEFAULT 0, mute_seq BIGINT NOT NULL DEFAULT 0,
  first_unread_message_id TEXT,
  PRIMARY KEY (channel_pk, user_pk)) {{clustered}};
CREATE INDEX members_user ON members (user_pk, channel_pk);
CREATE INDEX members_order ON members (channel_pk, created_at, user_pk);
CREATE INDEX members_hidden ON members (channel_pk, hidden, muted) WHERE hidden = 1;

CREATE TABLE messages (
  pk {{pk}},
  app BIGINT NOT NULL, id TEXT NOT NULL,
  channel_pk BIGINT NOT NULL, user_pk BIGINT NOT NULL,
  type TEXT NOT NULL, text TEXT NOT NULL, html TEXT, mml TEXT,
  attachments TEXT, mentioned TEXT, custom TEXT, restricted TEXT,
  parent_pk BIGINT NOT NULL DEFAULT 0, show_in_channel INT NOT NULL DEFAULT 0, quoted_pk BIGINT NOT NULL DEFAULT 0,
  reply_count BIGINT NOT NULL DEFAULT 0, deleted_reply_count BIGINT NOT NULL DEFAULT 0,
  silent INT NOT NULL DEFAULT 0, shadowed INT NOT NULL DEFAULT 0,
  pinned INT NOT NULL DEFAULT 0, pinned_at BIGINT NOT NULL DEFAULT 0, pinned_by BIGINT NOT NULL DEFAULT 0,
  pin_expires BIGINT NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, text_updated_at BIGINT NOT NULL DEFAULT 0,
  deleted_at BIGINT NOT NULL DEFAULT 0,
  seq BIGINT NOT NULL DEFAULT 0,     -- counted sequence in its channel; 0 = does not count
  content_hash TEXT NOT NULL,        -- tells a retry from a different message with the same id
  UNIQUE (app, id));
-- the channel list: replies not shown in the channel stay out
CREATE INDEX messages_page ON messages (channel_pk, created_at, id) WHERE parent_pk = 0 OR show_in_channel = 1;
-- by author: for the end of users
CREATE INDEX messages_user ON messages (user_pk, pk);
CREATE INDEX messages_thread ON messages (parent_pk, created_at, id) WHERE parent_pk <> 0;
CREATE INDEX messages_pinned ON messages (channel_pk, pinned_at, id) WHERE pinned = 1;
CREATE INDEX messages_seq ON messages (channel_pk, seq, user_pk) WHERE seq <> 0;
CREATE INDEX messages_pin_expires ON messages (pin_expires) WHERE pin_expires > 0;
-- exceptions: counted once, no longer to be counted (deleted), or never for everybody (restricted)
CREATE INDEX messages_exceptions ON messages (channel_pk, seq) WHERE seq <> 0 AND (deleted_at <> 0 OR restricted IS NOT NULL);

-- Counted sequences whose message was erased: exceptions without a row.
CREATE TABLE seq_holes (channel_pk BIGINT NOT NULL, seq BIGINT NOT NULL, PRIMARY KEY (channel_pk, seq)) {{clustered}};
-- Slow mode: when a user last sent into a channel with a cooldown. Written only there.
CREATE TABLE slow_mode (channel_pk BIGINT NOT NULL, user_pk BIGINT NOT NULL, sent_at BIGINT NOT NULL, PRIMARY KEY (channel_pk, user_pk)) {{clustered}};

-- Sent, waiting for a commit: in no list and no count.
CREATE TABLE pending_messages (
  pk {{pk}},
  app BIGINT NOT NULL, id TEXT NOT NULL, channel_pk BIGINT NOT NULL, user_pk BIGINT NOT NULL,
  body TEXT NOT NULL, metadata TEXT, content_hash TEXT NOT NULL, created_at BIGINT NOT NULL,
  UNIQUE (app, id));
CREATE INDEX pending_messages_author ON pending_messages (user_pk, channel_pk, created_at, id);
CREATE INDEX pending_messages_channel ON pending_messages (channel_pk, created_at);

CREATE TABLE threads (
  parent_pk BIGINT PRIMARY KEY, channel_pk BIGINT NOT NULL, app BIGINT NOT NULL,
  reply_seq BIGINT NOT NULL DEFAULT 0, last_reply_at BIGINT NOT NULL, created_by BIGINT NOT NULL, created_at BIGINT NOT NULL);
CREATE TABLE thread_participants (
  parent_pk BIGINT NOT NULL, user_pk BIGINT NOT NULL, app BIGINT NOT NULL, channel_pk BIGINT NOT NULL,
  last_read BIGINT NOT NULL, last_read_message_id TEXT, created_at BIGINT NOT NULL,
  replied INT NOT NULL DEFAULT 0,      -- 0: takes part as author of the parent or as mentioned
  PRIMARY KEY (parent_pk, user_pk)) {{clustered}};
CREATE INDEX thread_participants_user ON thread_participants (user_pk);
CREATE INDEX thread_participants_seen ON thread_participants (parent_pk, created_at) WHERE replied = 1;

-- The event log: written in the transaction of the change. It holds what no table keeps; bodies are rendered at reading.
CREATE TABLE events (
  pos {{pk}},
  app BIGINT NOT NULL,
  type TEXT NOT NULL,
  channel_pk BIGINT NOT NULL DEFAULT 0,  -- audience: those who may read the channel ...
  user_pk BIGINT NOT NULL DEFAULT 0,     -- ... or this user's own stream when not 0
  context_pk BIGINT NOT NULL DEFAULT 0,  -- the channel an own-stream event speaks of
  actor_pk BIGINT NOT NULL DEFAULT 0,
  message_pk BIGINT NOT NULL DEFAULT 0,
  data TEXT,                             -- JSON: what no table keeps
  created_at BIGINT NOT NULL);
CREATE INDEX events_channel ON events (channel_pk, pos) WHERE channel_pk <> 0;
CREATE INDEX events_user ON events (user_pk, pos) WHERE user_pk <> 0;
CREATE INDEX events_age ON events (created_at);
-- what those who follow a user's presence get of his own stream, and who has gone (data begins with his id)
CREATE INDEX events_profile ON events (user_pk, pos) WHERE type IN ('user.updated', 'user.deleted');
CREATE INDEX events_gone ON events (app, data) WHERE type = 'user.deleted';

CREATE TABLE tasks (
  id TEXT PRIMARY KEY, app BIGINT NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL,
  input TEXT, result TEXT, error TEXT, cursor TEXT,
  created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL);
CREATE INDEX tasks_open ON tasks (status) WHERE status <> 'completed' AND status <> 'failed';

-- What must stay erased when an older backup is restored.
CREATE TABLE erasures (pk {{pk}}, app BIGINT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, at BIGINT NOT NULL);
