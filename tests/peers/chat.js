// A session with the `ws` package: prints each event as one line, and answers lines on standard input:
//   health     sends a health check        end     closes with 1000
//   node chat.js URL
const WebSocket = require("ws");
const readline = require("readline");

const socket = new WebSocket(process.argv[2]);
socket.on("message", (data) => process.stdout.write(data + "\n"));
socket.on("close", (code) => { process.stdout.write(JSON.stringify({ type: "closed", code }) + "\n"); process.exit(0); });
socket.on("error", (e) => { process.stdout.write(JSON.stringify({ type: "failed", why: String(e) }) + "\n"); });
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  if (line === "health") socket.send(JSON.stringify([{ type: "health.check" }]));
  if (line === "end") socket.close(1000);
});
