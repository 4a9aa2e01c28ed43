/* As much as people really have. */
import assert from "node:assert/strict";
import { after } from "node:test";
import { Server, client, test, uid } from "./support.mjs";

const server = await new Server().start();
after(() => server.destroy());

test("a list goes on behind its first thousand channels, to the last", async (t) => {
  const [ann] = await server.users(uid("ann"));
  const made = [];
  while (made.length < 1065) made.push(...(await Promise.all(Array.from({ length: 71 }, () => server.channel(ann, [ann])))));
  const chat = client(t, server, { timeout: 20_000 });
  await chat.connectUser({ id: ann }, server.token(ann));
  const list = chat.channelList({ members: { $in: [ann] } }, {}, { watch: false, message_limit: 1, member_limit: 1 });
  await list.load();
  for (let pages = 0; list.hasMore && pages < 60; pages++) await list.loadMore();
  assert.equal(new Set(list.channels.map((c) => c.id)).size, made.length);
  assert.equal(list.channels.length, made.length, "none is there twice");
  const times = list.channels.map((c) => c.data.created_at);
  assert.deepEqual(times, [...times].sort().reverse(), "and they stand in order");
}, 120_000);
