/** A real Yjs peer for the fuzz: one JSON command per line on stdin, one JSON answer per line on stdout. */
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(new URL("../../frontend/package.json", import.meta.url));
const Y = require("yjs");
const { WebSocket } = require("ws");

const [url, token] = process.argv.slice(2);
const doc = new Y.Doc();
const cells = doc.getMap("cells");
let socket = null;
let synced = false;
let sent = 0;
let acknowledged = 0;

const varuint = (number) => {
  const out = [];
  while (number > 127) {
    out.push(128 | (number & 127));
    number = Math.floor(number / 128);
  }
  return [...out, number];
};
const frame = (kind, sub, data) => Uint8Array.from([kind, sub, ...varuint(data.length), ...data]);
const payload = (data, at) => {
  let length = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = data[at++];
    length += (byte & 127) * scale;
    if (byte < 128) return data.subarray(at, at + length);
  }
};

doc.on("update", (update, origin) => {
  if (origin === "server" || !synced) return;
  sent += 1;
  socket.send(frame(0, 2, update));
});

function receive(data) {
  if (data[0] === 101) {
    const event = JSON.parse(Buffer.from(payload(data, 1)).toString());
    if (event.type === "acknowledged") acknowledged = event.frames;
  }
  if (data[0] !== 0) return;
  const body = payload(data, 2);
  if (data[1] === 0) {
    sent += 1;
    socket.send(frame(0, 1, Y.encodeStateAsUpdate(doc, body)));
    synced = true; // from here on every local update follows by itself
  } else Y.applyUpdate(doc, body, "server");
}

function connect() {
  return new Promise((done) => {
    sent = acknowledged = 0;
    socket = new WebSocket(url, { headers: { authorization: `Bearer ${token}` } });
    let joined = false;
    const mine = socket;
    socket.on("open", () => mine.send(frame(0, 0, Y.encodeStateVector(doc))));
    socket.on("message", (data) => {
      const bytes = new Uint8Array(data);
      receive(bytes);
      if (bytes[0] === 0 && bytes[1] === 1 && !joined) {
        joined = true;
        done(true);
      }
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      if (mine === socket) synced = false;
      done(joined);
    });
  });
}

const ordered = () =>
  [...cells.entries()]
    .map(([id, cell]) => ({ id, position: cell.get("position"), source: cell.get("source").toString() }))
    .sort((a, b) => (a.position < b.position ? -1 : a.position > b.position ? 1 : a.id < b.id ? -1 : 1));

/** UTF-16 offset of the code point at `part` (0 to 1) of the text, never inside a token. */
function boundary(text, part) {
  const spots = [0];
  for (const match of text.matchAll(/⟦[^⟧]*⟧/gu)) spots.push(match.index, match.index + match[0].length);
  return spots[Math.min(spots.length - 1, Math.floor(part * spots.length))];
}

const commands = {
  connect,
  disconnect() {
    synced = false;
    socket?.terminate();
    return true;
  },
  insert({ cell, part, text }) {
    const source = cells.get(cell)?.get("source");
    if (!source) return false;
    source.insert(boundary(source.toString(), part), text);
    return true;
  },
  remove({ cell, text }) {
    const source = cells.get(cell)?.get("source");
    const at = source ? source.toString().indexOf(text) : -1;
    if (at < 0) return false;
    source.delete(at, text.length);
    return true;
  },
  create({ cell, position }) {
    doc.transact(() => {
      const made = new Y.Map();
      for (const [key, value] of Object.entries({ type: "code", source: new Y.Text(), position, metadata: new Y.Map(), attachments: new Y.Map() }))
        made.set(key, value);
      cells.set(cell, made);
    });
    return true;
  },
  move({ cell, position }) {
    const moved = cells.get(cell);
    if (moved) moved.set("position", position);
    return Boolean(moved);
  },
  drop({ cell }) {
    const there = cells.has(cell);
    cells.delete(cell);
    return there;
  },
  state: () => ({ cells: ordered(), settled: synced && acknowledged === sent, connected: synced }),
};

let queue = Promise.resolve();
createInterface({ input: process.stdin }).on("line", (line) => {
  queue = queue.then(async () => {
    const { op, ...rest } = JSON.parse(line);
    console.log(JSON.stringify((await commands[op](rest)) ?? null));
  });
}).on("close", () => process.exit(0));
