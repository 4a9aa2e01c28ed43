// A peer to stand beside: node with the `ws` package, doing what bench_baseline does. GET with Upgrade: a WebSocket that is sent
// everything posted. POST: 201 at once, and a frame of BYTES to every WebSocket.
//   node ws.js PORT BYTES
const http = require("http");
const WebSocket = require("ws");

const [port, bytes] = process.argv.slice(2).map(Number);
const sockets = new WebSocket.Server({ noServer: true, perMessageDeflate: false });
const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    response.writeHead(201, { "Content-Type": "application/json", "Content-Length": 2 });
    response.end("{}");
    const frame = Buffer.concat(parts).toString().padEnd(bytes);
    for (const socket of sockets.clients) socket.send(frame);
  });
});
server.on("upgrade", (request, socket, head) => sockets.handleUpgrade(request, socket, head, (ws) => ws.send('{"type":"health.check"}')));
server.listen(port, "127.0.0.1", 4096, () => console.log("peer ready"));
