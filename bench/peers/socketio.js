// A peer to stand beside: node with `socket.io`. Clients speak Engine.IO 4 over WebSocket and are sent everything posted as the event
// "message". POST: 201 at once, and a text of BYTES (the event's name and brackets included) to every client.
//   node socketio.js PORT BYTES
const http = require("http");
const { Server } = require("socket.io");

const [port, bytes] = process.argv.slice(2).map(Number);
const server = http.createServer();
const io = new Server(server, { transports: ["websocket"], perMessageDeflate: false, serveClient: false, pingInterval: 3600e3 });
// socket.io answers what is under /socket.io/ itself
server.on("request", (request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    response.writeHead(201, { "Content-Type": "application/json", "Content-Length": 2 });
    response.end("{}");
    // without quotes, which would be escaped and make the frame longer
    const text = Buffer.concat(parts).toString().replaceAll('"', "'");
    io.emit("message", text.padEnd(bytes - '42["message",""]'.length));
  });
});
server.listen(port, "127.0.0.1", 4096, () => console.log("peer ready"));
