// Talks to an echo server with the `ws` package and says on standard output, as one JSON line, what came back changed.
//   node echo.js URL [--deflate]
const WebSocket = require("ws");
const crypto = require("crypto");

const url = process.argv[2];
const deflate = process.argv.includes("--deflate");
const sizes = [0, 1, 125, 126, 127, 128, 1000, 65535, 65536, 65537, 300000, 1000000];
const texts = ["", "é", "日本語", "👩‍👩‍👧", "\u0000\u007f", "x".repeat(70000), "é".repeat(33000)];

function once(socket, event) {
  return new Promise((resolve, reject) => {
    socket.once(event, (...args) => resolve(args));
    socket.once("error", reject);
    if (event !== "close") socket.once("close", (code) => reject(new Error(`closed with ${code} before ${event}`)));
  });
}

async function echo(socket, data, options) {
  const back = once(socket, "message");
  socket.send(data, options);
  const [got, isBinary] = await back;
  const sent = Buffer.isBuffer(data) ? data : Buffer.from(data);
  return sent.equals(got) && isBinary === Buffer.isBuffer(data);
}

// The message in pieces of `step` bytes, with a ping between two of them.
async function fragments(socket, data, step) {
  const back = once(socket, "message");
  for (let at = 0; at < data.length; at += step) {
    socket.send(data.subarray(at, at + step), { fin: at + step >= data.length, binary: true });
    if (at === 0) socket.ping("between");
  }
  const [got] = await back;
  return data.equals(got);
}

(async () => {
  const wrong = [];
  let done = 0;
  const check = (what, ok) => { done++; if (!ok) wrong.push(what); };
  const socket = new WebSocket(url, { perMessageDeflate: deflate, maxPayload: 0 });
  socket.setMaxListeners(0);
  let pongs = 0;
  socket.on("pong", () => pongs++);
  await once(socket, "open");
  check("extension", socket.extensions.includes("permessage-deflate") === deflate);
  for (const n of sizes) {
    check(`random ${n}`, await echo(socket, crypto.randomBytes(n)));
    check(`zeros ${n}`, await echo(socket, Buffer.alloc(n)));
  }
  for (const t of texts) check(`text of ${t.length}`, await echo(socket, t));
  for (const step of [1, 2, 125, 126, 4096]) check(`fragments of ${step}`, await fragments(socket, crypto.randomBytes(step * 9 + 3), step));
  check("pongs", pongs === 5);
  const closed = once(socket, "close");
  socket.close(1000, "enough");
  check("close code", (await closed)[0] === 1000);
  console.log(JSON.stringify({ done, wrong }));
})().catch((e) => { console.log(JSON.stringify({ done: 0, wrong: [String(e)] })); });
