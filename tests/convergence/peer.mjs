/** A real Yjs peer for the fuzz: one JSON command per line on stdin, one JSON answer per line on stdout. */
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(new URL("../../frontend/package.json", import.meta.url));
const Y = require("yjs");
const { WebSocket } = require("ws");

const [url, token] = process.argv.slice(2);
let doc;
let cells;
let undo;
let epoch = null;
let socket = null;
let synced = false;
let sent = 0;
let acknowledged = 0;
let closed = null;
// Texts that the server gave back when it merged what was written in an earlier epoch.
const recovered = [];

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

function begin() {
  doc = new Y.Doc();
  cells = doc.getMap("cells");
  // As the page does: a cell without its type or position is none.
  const deleteFilter = (item) => !(item.parent instanceof Y.Map && item.parent.parent === cells);
  undo = new Y.UndoManager(cells, { trackedOrigins: new Set(["mess"]), captureTimeout: 0, deleteFilter });
  doc.on("update", (update, origin) => {
    if (origin === "server" || !synced) return;
    sent += 1;
    socket.send(frame(0, 2, update));
  });
}
begin();

function receive(data) {
  if (data[0] === 101) {
    const event = JSON.parse(Buffer.from(payload(data, 1)).toString());
    if (event.type === "acknowledged") acknowledged = event.frames;
    if (event.type === "joined") epoch = event.epoch;
  }
  if (data[0] !== 0) return;
  const body = payload(data, 2);
  if (data[1] === 0) {
    sent += 1;
    socket.send(frame(0, 1, Y.encodeStateAsUpdate(doc, body)));
    synced = true; // from here on every local update follows by itself
  } else Y.applyUpdate(doc, body, "server");
}

/** What was written in an epoch that is over goes to be merged by content; the document begins anew. */
async function rejoin() {
  const answer = await fetch(`${url.replace(/^ws/, "http").replace(/socket$/, "merge")}?epoch=${epoch}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: Y.encodeStateAsUpdate(doc),
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  recovered.push(...(await answer.json()).unmerged.map(({ source }) => source));
  begin();
  epoch = null;
}

async function connect() {
  const joined = await connectOnce();
  if (joined !== "other epoch") return joined;
  await rejoin();
  return (await connectOnce()) === true;
}

function connectOnce() {
  return new Promise((done) => {
    socket?.terminate();
    sent = acknowledged = 0;
    synced = false;
    closed = null;
    socket = new WebSocket(epoch === null ? url : `${url}?epoch=${epoch}`, { headers: { authorization: `Bearer ${token}` } });
    let joined = false;
    const mine = socket;
    socket.on("open", () => mine.send(frame(0, 0, Y.encodeStateVector(doc))));
    socket.on("message", (data) => {
      // What an earlier connection acknowledges late says nothing of this one.
      if (mine !== socket) return;
      const bytes = new Uint8Array(data);
      receive(bytes);
      if (bytes[0] === 0 && bytes[1] === 1 && !joined) {
        joined = true;
        done(true);
      }
    });
    socket.on("error", () => undefined);
    socket.on("close", (code, reason) => {
      if (mine === socket) {
        synced = false;
        closed = `${code} ${reason}`;
      }
      done(code === 4409 ? "other epoch" : joined);
    });
  });
}

const ordered = () =>
  [...cells.entries()]
    .map(([id, cell]) => ({
      id,
      position: cell.get("position"),
      source: cell.get("source").toString(),
      type: cell.get("type"),
      metadata: JSON.stringify(cell.get("metadata").get("mess") ?? null),
    }))
    .sort((a, b) => (a.position < b.position ? -1 : a.position > b.position ? 1 : a.id < b.id ? -1 : 1));

/** UTF-16 offset of the code point at `part` (0 to 1) of the text, never inside a token. */
function boundary(text, part) {
  const spots = [0];
  for (const match of text.matchAll(/⟦[^⟧]*⟧/gu)) spots.push(match.index, match.index + match[0].length);
  return spots[Math.min(spots.length - 1, Math.floor(part * spots.length))];
}

const TYPES = ["code", "markdown", "raw"];

/** Whatever people do to a cell whose text nobody counts: `dice` (0 to 1 each) decide what. */
function mess(id, [what, where, how]) {
  const cell = cells.get(id);
  const source = cell?.get("source");
  if (!source) return false;
  const text = source.toString();
  const at = [...text].slice(0, Math.floor(where * [...text].length)).join("").length;
  const acts = [
    () => source.insert(at, ["x", "🙂", "\n", "e\u0301", "漢字"][Math.floor(how * 5)]),
    () => source.delete(at, [...text.slice(at)].slice(0, Math.floor(how * 4)).join("").length),
    () => cell.set("type", TYPES[Math.floor(how * 3)]),
    () => cell.get("metadata").set("mess", Math.floor(how * 100)),
    () => {
      // Splitting: the tail goes into a new cell, as one step.
      const made = cellOf(cell.get("position"));
      cells.set(`${id}-${Math.floor(how * 1e6)}`.slice(0, 60), made);
      cells.get(`${id}-${Math.floor(how * 1e6)}`.slice(0, 60))?.get("source").insert(0, text.slice(at));
      source.delete(at, text.length - at);
    },
    () => {
      // Merging with another of these cells, which goes.
      const others = [...cells.keys()].filter((other) => other.startsWith("scratch") && other !== id).sort();
      const other = others[Math.floor(how * others.length)];
      if (other === undefined) return;
      source.insert(text.length, cells.get(other).get("source").toString());
      cells.delete(other);
    },
  ];
  const chosen = Math.floor(what * (acts.length + 2));
  if (chosen === acts.length) undo.undo();
  else if (chosen === acts.length + 1) undo.redo();
  else doc.transact(acts[chosen], "mess");
  return true;
}

function cellOf(position) {
  const made = new Y.Map();
  const fields = { type: "code", source: new Y.Text(), position, metadata: new Y.Map(), attachments: new Y.Map() };
  for (const [key, value] of Object.entries(fields)) made.set(key, value);
  return made;
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
    doc.transact(() => cells.set(cell, cellOf(position)));
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
  mess: ({ cell, dice }) => mess(cell, dice),
  state: () => ({ cells: ordered(), settled: synced && acknowledged === sent, connected: synced, recovered, closed }),
};

let queue = Promise.resolve();
createInterface({ input: process.stdin }).on("line", (line) => {
  queue = queue.then(async () => {
    const { op, ...rest } = JSON.parse(line);
    console.log(JSON.stringify((await commands[op](rest)) ?? null));
  });
}).on("close", () => process.exit(0));
