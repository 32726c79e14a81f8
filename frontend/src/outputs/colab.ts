/**
 * `google.colab` in the page: takes what frames ask of the kernel to the server, and what code of the kernel asks of this
 * tab to the frame of its cell (outputs.md section 10). The server looks at roles and at who was asked again.
 */
import * as Y from "yjs";
import type { ColabToPage } from "../../frame/colab/protocol";
import type { FrameMessage } from "../../frame/protocol";
import type { Event, Session } from "../session/session";
import type { CellFrame } from "./frame";
import type { Frames } from "./frames";
import { openPort } from "./ports";
import type { Relay } from "./relay";

const CALLS_AT_A_TIME = 8;
/** Until the document is as the cell was when it asked. */
const DOCUMENT_WITHIN_MS = 10_000;
const NO_ACCESS = "This output may not call the kernel; run its cell, or click into the output first.";

export type Asked = Extract<Event, { type: "colab_asked" }>;

export interface ColabRelay extends Relay {
  /** A question of the kernel's to this tab. */
  asked(event: Asked): void;
  destroy(): void;
}

export interface ColabOptions {
  session: Session;
  frames: Pick<Frames, "demand">;
  /** Code wants this to be a cell behind `cellId`. */
  addCell(cellId: string, code: string): void;
  /** Asks whether code may read the secret; true when it may from now on. */
  askForSecret(name: string, cellId: string): Promise<boolean>;
  mayEdit(): boolean;
}

export function relayColab({ session, frames, addCell, askForSecret, mayEdit }: ColabOptions): ColabRelay {
  /** Calls on their way, by the number of the command. */
  const calls = new Map<number, { frame: CellFrame; id: number }>();
  /** Scripts that run, by the server's number, and those whose frame has no document yet. */
  const evals = new Map<number, CellFrame>();
  const waiting = new Map<CellFrame, (() => void)[]>();

  const answer = (frame: CellFrame, id: number, value: string | null, error = ""): void =>
    frame.send({ v: 1, t: "colabAnswer", id, value, error });

  const reply = (number: number, outcome: { value: string } | { error: string }): void => {
    session.send({ type: "colab_reply", reply: number, ...outcome });
  };

  // -- what frames ask ---------------------------------------------------------------------------------------------

  const take = (message: ColabToPage, frame: CellFrame): void => {
    switch (message.t) {
      case "invoke":
        invoke(message, frame);
        return;
      case "evalResult":
        if (evals.get(message.id) !== frame) return;
        endEval(message.id);
        reply(message.id, message.value === null ? { error: message.error } : { value: message.value });
        return;
      case "proxyPort":
        if (frame.kind !== "live") answer(frame, message.id, null, NO_ACCESS);
        else
          openPort(session.id, message.port).then(
            (url) => answer(frame, message.id, JSON.stringify(url)),
            (error: unknown) => answer(frame, message.id, null, error instanceof Error ? error.message : String(error)),
          );
        return;
      case "viewFile":
        if (frame.isAccessAllowed) offerFile(message.path, frame);
        return;
      case "addCell":
        if (frame.kind === "live" && mayEdit()) offerCell(message.code, frame, () => undefined);
        return;
    }
  };

  const invoke = ({ id, name, args, kwargs }: Extract<ColabToPage, { t: "invoke" }>, frame: CellFrame): void => {
    if (!frame.isAccessAllowed) {
      answer(frame, id, null, NO_ACCESS);
      return;
    }
    if ([...calls.values()].filter((call) => call.frame === frame).length >= CALLS_AT_A_TIME) {
      answer(frame, id, null, "This output calls too much at once.");
      return;
    }
    calls.set(session.send({ type: "invoke", cell: frame.cellId, name, args, kwargs }), { frame, id });
  };

  const offerCell = (code: string, frame: CellFrame, done: (isAdded: boolean) => void): void => {
    const lines = code.split("\n").length;
    frame.ask(`This output wants to add a cell of ${lines === 1 ? "one line" : `${lines} lines`} below.`, [
      {
        label: "Add it",
        run: () => {
          addCell(frame.cellId, code);
          done(true);
        },
      },
      { label: "Don't", run: () => done(false) },
    ]);
  };

  const offerFile = (path: string, frame: CellFrame): void => {
    frame.ask(`The file is in the runtime at ${path}.`, [
      {
        label: "Copy the path",
        run: () => void navigator.clipboard.writeText(path).catch(() => undefined),
      },
      { label: "Close", run: () => undefined },
    ]);
  };

  const hear = (event: Event): void => {
    if (event.type !== "invoked" && event.type !== "refused") return;
    const call = event.request === null ? undefined : calls.get(event.request);
    if (call === undefined || event.request === null) return;
    calls.delete(event.request);
    if (event.type === "refused") answer(call.frame, call.id, null, event.reason);
    else if (event.status !== "ok") answer(call.frame, call.id, null, event.error);
    else answer(call.frame, call.id, `{"data":${event.data},"metadata":${event.metadata},"status":"ok"}`);
  };

  // -- what the kernel asks ----------------------------------------------------------------------------------------

  const endEval = (number: number): void => {
    const frame = evals.get(number);
    evals.delete(number);
    if (frame !== undefined) frame.scripts -= 1;
  };

  const evaluate = ({ number, cell, text }: Asked): void => {
    const frame = frames.demand(cell);
    if (frame === null || frame.kind !== "live" || frame.phase === "stopped" || frame.phase === "unmounted") {
      const why = frame?.phase === "stopped" ? "The output of this cell was stopped." : "The cell has no output here.";
      reply(number, { error: why });
      return;
    }
    evals.set(number, frame);
    frame.scripts += 1;
    const send = (): void => {
      if (evals.has(number)) frame.send({ v: 1, t: "eval", id: number, script: text });
    };
    if (frame.phase === "running") send();
    else waiting.set(frame, [...(waiting.get(frame) ?? []), send]);
  };

  const act = (event: Asked): void => {
    const { number, cell, kind, text } = event;
    switch (kind) {
      case "eval":
        evaluate(event);
        return;
      case "scratch_cell": {
        const frame = mayEdit() ? frames.demand(cell) : null;
        if (frame === null) reply(number, { error: "Only editors add cells." });
        else
          offerCell(text, frame, (isAdded) => reply(number, isAdded ? { value: "{}" } : { error: "It was declined." }));
        return;
      }
      case "secret":
        askForSecret(text, cell).then(
          (isGranted) => reply(number, { value: String(isGranted) }),
          () => reply(number, { error: "The question could not be shown." }),
        );
        return;
      default:
        reply(number, { error: "This page is older than the server; reload it." });
    }
  };

  const stops = [session.onEvent(hear)];

  return {
    take(message, frame) {
      if (!isColab(message)) return false;
      take(message, frame);
      return true;
    },
    started(frame) {
      const due = waiting.get(frame) ?? [];
      waiting.delete(frame);
      // Its outputs go to the document first, as soon as we return.
      queueMicrotask(() => {
        for (const send of due) send();
      });
    },
    ended(frame) {
      for (const [number, there] of [...evals]) {
        if (there !== frame) continue;
        endEval(number);
        reply(number, { error: "The output was drawn anew before its script had ended." });
      }
      for (const [request, call] of [...calls]) if (call.frame === frame) calls.delete(request);
    },
    asked(event) {
      whenDocumentHas(session, event.client, event.clock).then(
        () => act(event),
        () => undefined,
      );
    },
    destroy() {
      for (const stop of stops) stop();
    },
  };
}

function isColab(message: FrameMessage): message is ColabToPage {
  return ["evalResult", "invoke", "proxyPort", "viewFile", "addCell"].includes(message.t);
}

/** Resolves when the document has so many updates of that client, or after a while. */
function whenDocumentHas(session: Session, client: string, clock: number): Promise<void> {
  const { doc } = session.notebook;
  const isThere = (): boolean => Y.getState(doc.store, Number(client)) >= clock;
  if (isThere()) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      doc.off("update", look);
      resolve();
    };
    const look = (): void => {
      if (isThere()) done();
    };
    const timer = setTimeout(done, DOCUMENT_WITHIN_MS);
    doc.on("update", look);
  });
}
