#!/usr/bin/env node
// Makes John, Jane and a channel with both in it, on a server that has no users yet.
//   tools/first-people URL API_KEY    the server-side token comes in BECK_TOKEN
const [url, key] = process.argv.slice(2);

async function call(method, path, body) {
  const answer = await fetch(`${url}${path}${path.includes("?") ? "&" : "?"}api_key=${encodeURIComponent(key)}`, {
    method,
    headers: { Authorization: process.env.BECK_TOKEN, "Stream-Auth-Type": "jwt", "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const reply = await answer.json();
  if (!answer.ok) throw new Error(`first-people: ${reply.message}`);
  return reply;
}

const filter = encodeURIComponent(JSON.stringify({ filter_conditions: {}, limit: 1 }));
const { users } = await call("GET", `/users?payload=${filter}`);
if (users.length === 0) {
  await call("POST", "/users", { users: { john: { id: "john", name: "John" }, jane: { id: "jane", name: "Jane" } } });
  await call("POST", "/channels/messaging/lobby/query", { data: { name: "Lobby", members: ["john", "jane"], created_by_id: "john" } });
}
