/**
 * A real Yjs peer for the fuzz, which edits and undoes with the page's own code: one JSON command per line on stdin, one
 * JSON answer per line on stdout.
 */
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import * as edits from "../../frontend/src/notebook/edits.ts";
import { TYPING } from "../../frontend/src/notebook/peers.ts";
import { cellOf, openNotebook, orderedIds } from "../../frontend/src/notebook/schema.ts";
import { createUndo } from "../../frontend/src/notebook/undo.ts";

// The very module that the page's code has: two copies of Yjs do not know each other's types.
const Y = await import(new URL("../../frontend/node_modules/yjs/dist/yjs.mjs", import.meta.url).href);
const { WebSocket } = createRequire(new URL("../../frontend/package.json", import.meta.url))("ws");

const [url, token] = process.argv.slice(2);
let nb;
let doc;
let cells;
let undo;
let epoch = null;
let socket = null;
let synced = false;
let sent = 0;
let acknowledged = 0;
let closed = null;
// How connections may end: cut, the Room closes, the server is busy, another epoch.
const DUE = [1000, 1001, 1005, 1006, 1012, 1013, 4409];
const refused = [];
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
  nb = openNotebook(doc);
  cells = nb.cells;
  undo = createUndo(nb);
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
        if (!DUE.includes(code)) refused.push(closed);
      }
      done(code === 4409 ? "other epoch" : joined);
    });
  });
}

const ordered = () =>
  [...cells.entries()]
    .map(([id, cell]) => ({
      id,
      position: cell.get("position") ?? null,
      source: cell.get("source").toString(),
      type: cell.get("type") ?? null,
      metadata: cell.get("metadata").toJSON(),
    }))
    .sort((a, b) => (a.position < b.position ? -1 : a.position > b.position ? 1 : a.id < b.id ? -1 : 1));

/** UTF-16 offset of the code point at `part` (0 to 1) of the text, never inside a token. */
function boundary(text, part) {
  const spots = [0];
  for (const match of text.matchAll(/⟦[^⟧]*⟧/gu)) spots.push(match.index, match.index + match[0].length);
  return spots[Math.min(spots.length - 1, Math.floor(part * spots.length))];
}

const TYPES = ["code", "markdown", "raw"];
const PIECES = ["x", "🙂", "\n", "e\u0301", "漢字", "pasted line\nand another\n"];

/** Whatever people do in the page to cells whose text nobody counts: `dice` (0 to 1 each) decide what. */
function mess(id, [what, where, how]) {
  const cell = cellOf(nb, id);
  if (cell === null) return false;
  const text = cell.source.toString();
  const points = [...text];
  const at = points.slice(0, Math.floor(where * points.length)).join("").length;
  const others = orderedIds(nb).filter((other) => !isCounted(other));
  const pick = (list) => list[Math.floor(how * list.length)];
  const anywhere = () => pick([...orderedIds(nb), null]);
  const some = others.slice(Math.floor(how * others.length)).slice(0, 3);
  const acts = [
    () => type(id, at, pick(PIECES), 0),
    () => type(id, at, "", [...text.slice(at)].slice(0, Math.floor(how * 4)).join("").length),
    () => edits.setType(nb, id, pick(TYPES)),
    () => edits.setCellMetadata(nb, id, "mess", Math.floor(how * 100)),
    () => edits.setCellMetadata(nb, id, "mess", undefined),
    () => edits.splitCell(nb, id, at),
    () => edits.mergeCells(nb, some),
    () => edits.moveCells(nb, some, anywhere()),
    () => edits.deleteCells(nb, [id]),
    () => edits.duplicateCells(nb, some),
    () => edits.pasteCells(nb, edits.copyCells(nb, some), anywhere()),
    () => edits.insertCell(nb, { type: pick(TYPES), source: "made", before: anywhere() }),
    () => undo.structure.undo(),
    () => undo.structure.undo(),
    () => undo.structure.redo(),
    () => undo.text(id)?.undo(),
    () => undo.text(id)?.redo(),
  ];
  acts[Math.floor(what * acts.length)]();
  return true;
}

/** Cells with tokens in them, and the one that prints. */
const isCounted = (id) => id.startsWith("cell-") || id === "prints";

function type(id, at, text, removed) {
  const cell = cellOf(nb, id);
  if (!isCounted(id)) undo.text(id)?.addTrackedOrigin(TYPING);
  doc.transact(() => {
    if (removed > 0) cell?.source.delete(at, removed);
    cell?.source.insert(at, text);
  }, TYPING);
  return true;
}

function made(position) {
  const cell = new Y.Map();
  const fields = { type: "code", source: new Y.Text(), position, metadata: new Y.Map(), attachments: new Y.Map() };
  for (const [key, value] of Object.entries(fields)) cell.set(key, value);
  return cell;
}

const commands = {
  connect,
  disconnect() {
    synced = false;
    socket?.terminate();
    return true;
  },
  insert({ cell, part, text }) {
    const source = cellOf(nb, cell)?.source;
    return source ? type(cell, boundary(source.toString(), part), text, 0) : false;
  },
  remove({ cell, text }) {
    const at = cellOf(nb, cell)?.source.toString().indexOf(text) ?? -1;
    return at < 0 ? false : type(cell, at, "", text.length);
  },
  create({ cell, position }) {
    doc.transact(() => cells.set(cell, made(position)));
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
  note({ cell, key, value }) {
    const metadata = cellOf(nb, cell)?.metadata;
    metadata?.set(key, value);
    return metadata !== undefined;
  },
  entitle({ title }) {
    edits.setTitle(nb, title);
    return true;
  },
  mess: ({ cell, dice }) => mess(cell, dice),
  state: () => ({
    cells: ordered(),
    title: nb.meta.get("title") ?? null,
    outputs: nb.outputs.toJSON(),
    runs: nb.runs.toJSON(),
    settled: synced && acknowledged === sent,
    connected: synced,
    recovered,
    closed,
    refused,
  }),
};

let queue = Promise.resolve();
createInterface({ input: process.stdin }).on("line", (line) => {
  queue = queue.then(async () => {
    const { op, ...rest } = JSON.parse(line);
    console.log(JSON.stringify((await commands[op](rest)) ?? null));
  });
}).on("close", () => process.exit(0));
