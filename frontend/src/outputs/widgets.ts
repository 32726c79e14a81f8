/**
 * Relays comm messages between frames and the notebook's socket. A frame gets what the models that it shows do, and
 * drives them only if its reader may run and has acted in it (outputs.md W11, W13); the server looks at the role again.
 */
import { putInto } from "../../frame/widgets/buffers";
import type { CommToFrame, CommToPage, Fields, FrameModel, Path } from "../../frame/widgets/protocol";
import { MAX_COMM_BYTES } from "../../frame/widgets/protocol";
import type { CommEvent, Large, Models, Parts } from "../session/comms";
import type { Session } from "../session/session";
import type { CellFrame } from "./frame";
import { createLargeValues } from "./large_values";
import type { Relay } from "./relay";

/** A view may come before its model: the output by the document, the model by another way. */
const LATE_MS = 10_000;
const MAX_SENT = 2_000;
const MAX_TARGETS = 100;
const MAX_PENDING = 200;
const DRIVING_ROLES: readonly string[] = ["runner", "editor", "owner"];

interface Shown {
  /** Models and comms that this frame knows. */
  known: Set<string>;
  targets: Set<string>;
  pending: number;
  /** Messages to it go in order, also behind what has to be fetched. */
  chain: Promise<void>;
  isEnded: boolean;
}

export interface WidgetRelay extends Relay {
  destroy(): void;
}

export function relayWidgets(session: Session): WidgetRelay {
  const { comms, store } = session;
  const frames = new Map<CellFrame, Shown>();
  const sent = new Map<string, CellFrame>();
  const late = new Map<string, Set<() => void>>();
  const large = createLargeValues(`/api/notebooks/${encodeURIComponent(session.id)}/widgets/`);

  const mayDrive = (): boolean => DRIVING_ROLES.includes(store.getState().role ?? "");

  const post = (frame: CellFrame, make: () => Promise<CommToFrame> | CommToFrame): void => {
    const shown = frames.get(frame);
    if (shown === undefined) return;
    shown.chain = shown.chain
      .then(make)
      .then((message) => {
        if (!shown.isEnded) frame.send(message);
      })
      .catch(() => {
        // What could not be fetched any more has been replaced meanwhile.
        if (!shown.isEnded) void showAgain(frame);
      });
  };

  // -- from frames -----------------------------------------------------------------------------------------------

  const take = (message: CommToPage, frame: CellFrame, shown: Shown): void => {
    switch (message.t) {
      case "models":
        void answer(frame, shown, message.request, message.ids);
        return;
      case "commToKernel":
        drive(message, frame, shown);
        return;
      case "commTarget":
        if (frame.kind === "live" && shown.targets.size < MAX_TARGETS) shown.targets.add(message.target);
        return;
      case "widgetModule": {
        const { name } = message;
        post(frame, async () => ({ v: 1, t: "widgetModule", name, source: await fetchModule(session.id, name) }));
        return;
      }
    }
  };

  const drive = (message: Extract<CommToPage, { t: "commToKernel" }>, frame: CellFrame, shown: Shown): void => {
    const { kind, comm, id, target, data, buffers } = message;
    const reason = whyNot(frame, buffers);
    const isSent = reason === "" && comms.send({ kind, comm, id, cell: frame.cellId, target, data, buffers });
    if (!isSent) {
      post(frame, () => ({ v: 1, t: "commRefused", parent: id, reason: reason || "You are offline." }));
      return;
    }
    if (kind === "comm_open") shown.known.add(comm);
    if (kind === "comm_close") shown.known.delete(comm);
    sent.set(id, frame);
    if (sent.size > MAX_SENT) for (const oldest of [...sent.keys()].slice(0, MAX_SENT / 2)) sent.delete(oldest);
  };

  const whyNot = (frame: CellFrame, buffers: readonly ArrayBuffer[]): string => {
    if (frame.kind !== "live") return "Stored outputs cannot call the kernel: run the cell again.";
    if (!mayDrive()) return "Using widgets needs the role runner.";
    if (!frame.isAccessAllowed) return "Widgets call the kernel once somebody has clicked into them.";
    const bytes = buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0);
    return bytes > MAX_COMM_BYTES ? `A widget can send ${MAX_COMM_BYTES >> 20} MB at once; this was more.` : "";
  };

  const answer = async (frame: CellFrame, shown: Shown, request: number, ids: string[]): Promise<void> => {
    if (shown.pending >= MAX_PENDING) return;
    shown.pending += 1;
    try {
      const models = await askFor(ids, shown);
      for (const id of Object.keys(models.models)) shown.known.add(id);
      post(frame, async () => ({ v: 1, t: "models", request, ...(await modelsMessage(models)) }));
    } finally {
      shown.pending -= 1;
    }
  };

  /** Waits for models that are late, and asks again when the connection was lost. */
  const askFor = async (ids: string[], shown: Shown): Promise<Models> => {
    const until = performance.now() + LATE_MS;
    for (;;) {
      const found = await comms.models(ids).catch(() => null);
      const left = until - performance.now();
      if (found !== null && (found.missing.length === 0 || left <= 0)) return found;
      if (shown.isEnded) return { models: {}, missing: ids, paths: [], buffers: [], large: [] };
      await news(found?.missing ?? [], found === null ? LATE_MS : left);
    }
  };

  /** Until one of these is opened, something was missed, or the time is over. */
  const news = (ids: readonly string[], ms: number): Promise<void> =>
    new Promise((resolve) => {
      const keys = [...ids, ""];
      const done = (): void => {
        clearTimeout(timer);
        for (const key of keys) late.get(key)?.delete(done);
        resolve();
      };
      const timer = setTimeout(done, Math.max(0, ms));
      for (const key of keys) {
        const waiting = late.get(key) ?? new Set();
        late.set(key, waiting);
        waiting.add(done);
      }
    });

  const tellNews = (id: string): void => {
    for (const done of [...(late.get(id) ?? [])]) done();
    late.delete(id);
  };

  // -- from the server -------------------------------------------------------------------------------------------

  const hear = (event: CommEvent): void => {
    switch (event.type) {
      case "opened":
        tellNews(event.comm);
        return;
      case "update":
        for (const frame of audience(event)) {
          post(frame, async () => updateMessage(event, await filled(event.state, event)));
          if (event.by !== null) showHand(frame, event.comm, event.by);
        }
        return;
      case "comm_open":
      case "comm_msg":
      case "comm_close":
        for (const frame of listeners(event)) post(frame, () => commMessage(event, frame));
        return;
      case "idle": {
        const frame = sent.get(event.parent);
        if (frame !== undefined) post(frame, () => ({ v: 1, t: "commIdle", parent: event.parent }));
        return;
      }
      case "refused": {
        const frame = sent.get(event.parent);
        const { parent, reason } = event;
        if (frame !== undefined) post(frame, () => ({ v: 1, t: "commRefused", parent, reason }));
        return;
      }
      case "session":
      case "gap":
        tellNews("");
        for (const frame of frames.keys()) void showAgain(frame);
        return;
    }
  };

  /** An echo is for who sent what it echoes, and for everyone else when it is news to them. */
  const audience = (event: Extract<CommEvent, { type: "update" }>): CellFrame[] => {
    const author = event.parent === "" ? undefined : sent.get(event.parent);
    return [...frames]
      .filter(([frame, shown]) => {
        if (!shown.known.has(event.comm)) return false;
        if (!event.echo) return true;
        return event.own ? frame === author : frame !== author;
      })
      .map(([frame]) => frame);
  };

  const listeners = (event: Extract<CommEvent, { data: Fields }>): CellFrame[] =>
    [...frames]
      .filter(
        ([, shown]) => shown.known.has(event.comm) || (event.type === "comm_open" && shown.targets.has(event.target)),
      )
      .map(([frame]) => frame);

  const commMessage = async (event: Extract<CommEvent, { data: Fields }>, frame: CellFrame): Promise<CommToFrame> => {
    const { type: kind, comm, target, parent, data } = event;
    const shown = frames.get(frame);
    if (kind === "comm_open") shown?.known.add(comm);
    if (kind === "comm_close") shown?.known.delete(comm);
    const buffers = [...event.buffers];
    for (const part of event.large) {
      const [index] = part.path;
      if (typeof index === "number") buffers[index] = await large.bytes(part);
    }
    return { v: 1, t: "commFromKernel", kind, comm, target, parent, data, buffers };
  };

  const showHand = (frame: CellFrame, comm: string, by: { id: string; name: string; color: string }): void => {
    if (by.id === store.getState().user?.id) return;
    post(frame, () => ({ v: 1, t: "hand", comm, name: by.name, color: by.color }));
  };

  /** What a frame shows, as it is now. */
  const showAgain = async (frame: CellFrame): Promise<void> => {
    const shown = frames.get(frame);
    if (shown === undefined || shown.known.size === 0) return;
    const models = await comms.models([...shown.known]).catch(() => null);
    if (models === null || shown.isEnded) return;
    post(frame, async () => ({ v: 1, t: "models", request: 0, ...(await modelsMessage(models)) }));
  };

  const filled = async (
    state: Fields,
    parts: Parts,
  ): Promise<{ state: Fields; paths: Path[]; buffers: ArrayBuffer[] }> => {
    const paths = parts.paths.map((path) => [...path]);
    const buffers = [...parts.buffers];
    const whole: Fields = parts.large.length === 0 ? state : structuredClone(state);
    for (const part of parts.large) {
      const value = await large.value(part);
      if (typeof value === "string") putInto(whole, [...part.path], value);
      else {
        paths.push([...part.path]);
        buffers.push(value);
      }
    }
    return { state: whole, paths, buffers };
  };

  const modelsMessage = async (found: Models): Promise<{ models: FrameModel[]; missing: string[] }> => {
    const models: FrameModel[] = [];
    for (const [id, { name, module, version, live, state }] of Object.entries(found.models)) {
      const parts = await filled(state, partsOf(id, found));
      models.push({ id, name, module, version, isLive: live, ...parts });
    }
    return { models, missing: [...found.missing] };
  };

  const tellUsable = (frame: CellFrame): void =>
    post(frame, () => ({ v: 1, t: "widgetsUsable", isUsable: frame.kind === "live" && mayDrive() }));

  const stop = [
    comms.onEvent(hear),
    store.subscribe((state, before) => {
      if (state.role !== before.role) for (const frame of frames.keys()) tellUsable(frame);
    }),
  ];

  return {
    take(message, frame) {
      if (!isCommToPage(message)) return false;
      const shown = frames.get(frame);
      if (shown !== undefined) take(message, frame, shown);
      return true;
    },
    started(frame) {
      frames.set(frame, { known: new Set(), targets: new Set(), pending: 0, chain: Promise.resolve(), isEnded: false });
      tellUsable(frame);
    },
    ended(frame) {
      const shown = frames.get(frame);
      if (shown !== undefined) shown.isEnded = true;
      frames.delete(frame);
    },
    destroy() {
      for (const end of stop) end();
    },
  };
}

function isCommToPage(message: { t: string }): message is CommToPage {
  return ["models", "commToKernel", "commTarget", "widgetModule"].includes(message.t);
}

function updateMessage(
  { comm, parent, echo }: Extract<CommEvent, { type: "update" }>,
  parts: { state: Fields; paths: Path[]; buffers: ArrayBuffer[] },
): CommToFrame {
  return { v: 1, t: "modelUpdate", comm, parent, isEcho: echo, ...parts };
}

/** Of all parts those of one model, whose id their paths begin with. */
function partsOf(id: string, found: Models): Parts {
  const paths: Path[] = [];
  const buffers: ArrayBuffer[] = [];
  for (const [index, path] of found.paths.entries()) {
    const buffer = found.buffers[index];
    if (path[0] !== id || buffer === undefined) continue;
    paths.push(path.slice(1));
    buffers.push(buffer);
  }
  const large: Large[] = found.large
    .filter((part) => part.path[0] === id)
    .map((part) => ({ ...part, path: part.path.slice(1) }));
  return { paths, buffers, large };
}

/** A widget's JavaScript from the kernel's environment; null when it has none of that name. */
async function fetchModule(notebook: string, name: string): Promise<string | null> {
  const url = `/api/notebooks/${encodeURIComponent(notebook)}/widget-modules?name=${encodeURIComponent(name)}`;
  const answer = await fetch(url).catch(() => null);
  return answer?.ok === true ? answer.text() : null;
}
