-- Earlier versions of messages: one row for each that was replaced, written with the change that replaced it.
CREATE TABLE message_history (
  pk {{pk}},
  app BIGINT NOT NULL, message_pk BIGINT NOT NULL,
  text TEXT NOT NULL, attachments TEXT, custom TEXT,
  is_deleted INT NOT NULL DEFAULT 0,
  written_by BIGINT NOT NULL, written_at BIGINT NOT NULL,
  replaced_by BIGINT NOT NULL, replaced_at BIGINT NOT NULL); -- what the next version was written by, and when
CREATE INDEX message_history_message ON message_history (message_pk, pk);
