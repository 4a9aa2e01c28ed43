-- Messages that a user deleted for himself alone: nobody else's view changes.
CREATE TABLE deleted_for_me (
  user_pk BIGINT NOT NULL, message_pk BIGINT NOT NULL,
  app BIGINT NOT NULL, channel_pk BIGINT NOT NULL, created_at BIGINT NOT NULL,
  PRIMARY KEY (user_pk, message_pk)) {{clustered}};
CREATE INDEX deleted_for_me_message ON deleted_for_me (message_pk);
CREATE INDEX deleted_for_me_channel ON deleted_for_me (channel_pk, user_pk, created_at);
