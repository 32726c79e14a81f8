/**
 * The outputs area of one cell: follows the document, at most once per animation frame. Everything up to the first
 * rich output is drawn here; that one and all after it are drawn by the cell's frame, so that their order holds.
 */
import "./outputs.css";
import type { FrameOutput } from "../../frame/protocol";
import { atLeast } from "../actions/role";
import { observeOrder, observeOutputs, observeRun } from "../notebook/observe";
import { type Output, orderedIds, outputsOf, type RunMark, runOf } from "../notebook/schema";
import type { Session } from "../session/session";
import { errorElement, imageElement, plainElement, rasterData, streamView } from "./drawing";
import type { CellFrame } from "./frame";
import type { FrameItem } from "./frame_item";
import { blobUrl, type Frames } from "./frames";
import { chooseMime, isRaster, needsFrame } from "./mimes";
import { mayNeedPrelude, preludeOf } from "./preludes";
import { isStillnessWanted } from "./stillness";

const HOLD_AFTER_RUN_MS = 1_500;
const HIDDEN_UPDATE_MS = 250;
/** Two frames. */
const QUIET_MS = 33;
/** More outputs than this scroll in a box of their own. */
const MANY = 40;

export interface OutputsOptions {
  parent: HTMLElement;
  session: Session;
  cellId: string;
  frames: Frames;
}

export interface OutputsView {
  /** The cell's frame, up to date, with a document even if the cell shows nothing in it yet. */
  demand(): CellFrame;
  destroy(): void;
}

interface Drawn {
  output: Output;
  dom: HTMLElement;
  /** Takes a changed output into the same node; false when it has to be drawn anew. */
  update(output: Output): boolean;
}

type DataOutput = Extract<Output, { kind: "data" }>;

export function mountOutputs({ parent, session, cellId, frames }: OutputsOptions): OutputsView {
  const { notebook } = session;
  const area = document.createElement("div");
  area.className = "outputs";
  area.hidden = true;
  const page = document.createElement("div");
  page.className = "outputs-page";
  area.append(page);
  parent.append(area);

  let drawn: Drawn[] = [];
  let frame: CellFrame | null = null;
  let planned: { cancel(): void } | null = null;
  let updatedAt = 0;
  let release: number | null = null;
  let count = 0;
  let wasRunning = false;
  /** The run whose code needs the frame. */
  let demandedBy = "";

  const openFrame = (): CellFrame => {
    if (frame !== null) return frame;
    frame = frames.open(cellId, area);
    frame.onSettled = () => {
      if (release !== null) dropHeight();
    };
    return frame;
  };

  const isDemanded = (): boolean => demandedBy !== "" && demandedBy === runId(runOf(notebook, cellId));

  const update = (): void => {
    planned = null;
    updatedAt = performance.now();
    const outputs = outputsOf(notebook, cellId);
    const run = runOf(notebook, cellId);
    const isRunning = run?.state === "running" || run?.state === "queued";
    // The first output of a run may come in the place of the last one's: its number alone does not tell.
    if (isRunning && (!wasRunning || outputs.length < count)) holdHeight();
    wasRunning = isRunning;
    count = outputs.length;
    const first = outputs.findIndex(isRich);
    const inPage = first === -1 ? outputs : outputs.slice(0, first);
    drawn = drawInto(page, drawn, inPage, session.id);
    page.classList.toggle("outputs-many", inPage.length > MANY);
    showFrame(first === -1 ? [] : outputs.slice(first), run);
    area.hidden = outputs.length === 0 && area.style.minHeight === "" && !isDemanded();
    if (!area.hidden) label();
    if (!isRunning) releaseHeight();
  };

  const showFrame = (outputs: Output[], run: RunMark | null): void => {
    if (frame === null && outputs.length === 0 && !isDemanded()) return;
    const shown = openFrame();
    const session_ = session.store.getState().runtime.session;
    const isCurrent = run !== null && run.session !== "" && run.session === session_;
    // What stays from before until a run's first output may have come with a file: it is not this kernel's.
    const isLive = isCurrent && !run.isStale;
    const mayAsk = atLeast(session.store.getState().role, "runner");
    const items = outputs.map((output) => ({
      ...frameItem(output, mayAsk),
      before: preludes(output, isLive ? session_ : null),
    }));
    shown.show(items, isLive ? "live" : "stored", {
      id: runId(run),
      isOwn: isLive && run.state !== "queued" && session.ranHere(cellId),
      isCurrent,
    });
  };

  const preludes = (output: Output, kernel: string | null): FrameItem["before"] => {
    if (output.kind !== "data" || !mayNeedPrelude(output)) return null;
    return () => preludeOf(notebook, cellId, output, kernel).map((before) => frameItem(before));
  };

  /** While a run clears and writes, the area keeps its height, so that what is below stays where it is. */
  const holdHeight = (): void => {
    if (release !== null) clearTimeout(release);
    release = null;
    const height = area.offsetHeight;
    if (height > 0) area.style.minHeight = `${height}px`;
  };

  const releaseHeight = (): void => {
    if (area.style.minHeight === "" || release !== null) return;
    const isSettled = frame === null || frame.isSettled;
    release = window.setTimeout(dropHeight, isSettled ? 0 : HOLD_AFTER_RUN_MS);
  };

  const dropHeight = (): void => {
    if (release !== null) clearTimeout(release);
    release = null;
    area.style.minHeight = "";
    area.hidden = count === 0 && !isDemanded();
  };

  const label = (): void => {
    frame?.setNumber(orderedIds(notebook).indexOf(cellId) + 1);
  };

  /** After a quiet time as soon as the document is whole, so that the next frame shows it; else once a frame. */
  const plan = (): void => {
    const isQuiet = performance.now() - updatedAt > QUIET_MS && !isStillnessWanted();
    planned ??= isQuiet ? atOnce(update) : nextFrame(update);
  };

  const unsubscribe = [
    observeOutputs(notebook, cellId, plan),
    observeRun(notebook, cellId, plan),
    observeOrder(notebook, () => {
      if (!area.hidden) label();
    }),
    session.store.subscribe((state, before) => {
      if (state.runtime.session !== before.runtime.session && frame !== null) plan();
    }),
  ];
  update();

  return {
    demand() {
      demandedBy = runId(runOf(notebook, cellId));
      planned?.cancel();
      update();
      const demanded = openFrame();
      demanded.demand();
      return demanded;
    },
    destroy() {
      for (const stop of unsubscribe) stop();
      planned?.cancel();
      if (release !== null) clearTimeout(release);
      if (frame !== null) frames.close(frame);
      area.remove();
    },
  };
}

function runId(run: RunMark | null): string {
  return `${run?.session}:${run?.started}`;
}

/** When what runs now is done: all that one message of the server changed is then there. */
function atOnce(act: () => void): { cancel(): void } {
  let isDue = true;
  queueMicrotask(() => {
    if (isDue) act();
  });
  return {
    cancel: () => {
      isDue = false;
    },
  };
}

/** The next animation frame, or soon where a hidden tab has none. */
function nextFrame(act: () => void): { cancel(): void } {
  if (document.hidden) {
    const timer = setTimeout(act, HIDDEN_UPDATE_MS);
    return { cancel: () => clearTimeout(timer) };
  }
  const handle = requestAnimationFrame(act);
  return { cancel: () => cancelAnimationFrame(handle) };
}

function mimeOf(output: DataOutput): string | null {
  return chooseMime([...output.data.keys(), ...output.blobs.keys()]);
}

function isRich(output: Output): boolean {
  if (output.kind !== "data") return false;
  const mime = mimeOf(output);
  return mime !== null && needsFrame(mime);
}

/** Brings the children of `page` in line with `outputs`; nodes of unchanged outputs stay. */
function drawInto(page: HTMLElement, before: Drawn[], outputs: Output[], notebookId: string): Drawn[] {
  const after: Drawn[] = [];
  for (const [index, output] of outputs.entries()) {
    const old = before[index];
    if (old !== undefined && (old.output === output || old.update(output))) {
      old.output = output;
      after.push(old);
      continue;
    }
    const fresh = drawOutput(output, notebookId);
    if (old === undefined) page.append(fresh.dom);
    else old.dom.replaceWith(fresh.dom);
    after.push(fresh);
  }
  for (const old of before.slice(outputs.length)) old.dom.remove();
  return after;
}

function drawOutput(output: Output, notebookId: string): Drawn {
  if (output.kind === "stream") return drawStream(output, notebookId);
  if (output.kind === "error") {
    const { ename, evalue, traceback } = output;
    const dom = errorElement(ename, evalue, traceback);
    const same = (next: Output): boolean =>
      next.kind === "error" &&
      next.ename === ename &&
      next.evalue === evalue &&
      next.traceback.join("\n") === traceback.join("\n");
    return { output, dom, update: same };
  }
  const item = frameItem(output);
  const isSame = (next: Output): boolean => next.kind === "data" && isSameData(item, frameItem(next));
  return { output, dom: dataElement(output, notebookId), update: isSame };
}

function drawStream(output: Extract<Output, { kind: "stream" }>, notebookId: string): Drawn {
  const dom = document.createElement("div");
  dom.className = "output-text";
  const view = streamView(output.name);
  dom.append(view.dom);
  let shownBlob = "";
  const set = (text: string, sha256: string, size: number): void => {
    view.set(text);
    if (sha256 === shownBlob) return;
    shownBlob = sha256;
    dom.querySelector(".show-all")?.remove();
    if (sha256 !== "") dom.append(wholeText(notebookId, sha256, size));
  };
  const update = (next: Output): boolean => {
    if (next.kind !== "stream" || next.name !== output.name) return false;
    const whole = next.blobs.get("text/plain");
    set(next.text, whole?.sha256 ?? "", whole?.size ?? 0);
    return true;
  };
  update(output);
  return { output, dom, update };
}

function wholeText(notebookId: string, sha256: string, size: number): HTMLElement {
  const link = document.createElement("a");
  link.className = "show-all";
  link.href = blobUrl(notebookId, { sha256, mime: "text/plain" }, "output.txt");
  link.download = "output.txt";
  link.textContent = `Output shortened. Show all (download, ${size < 1e6 ? `${Math.ceil(size / 1e3)} KB` : `${(size / 1e6).toFixed(1)} MB`})`;
  return link;
}

function dataElement(output: DataOutput, notebookId: string): HTMLElement {
  const mime = mimeOf(output);
  const plain = output.data.get("text/plain") ?? "";
  if (mime !== null && isRaster(mime)) {
    const blob = output.blobs.get(mime);
    const source =
      blob === undefined
        ? rasterData(mime, output.data.get(mime) ?? "")
        : blobUrl(notebookId, { sha256: blob.sha256, mime });
    if (source !== null) return imageElement(source, mime, plain, output.metadata);
  }
  const blob = output.blobs.get("text/plain");
  if (mime === "text/plain" && blob !== undefined) {
    const dom = document.createElement("div");
    dom.className = "output-text";
    dom.append(plainElement(plain), wholeText(notebookId, blob.sha256, blob.size));
    return dom;
  }
  return plainElement(plain);
}

function isSameData(a: FrameItem, b: FrameItem): boolean {
  const [x, y] = [a.output, b.output];
  if (x.kind !== "data" || y.kind !== "data" || a.blob?.sha256 !== b.blob?.sha256) return false;
  return x.mime === y.mime && x.value === y.value && x.plain === y.plain && x.metadata === y.metadata;
}

function frameItem(output: Output, mayAsk = false): FrameItem {
  return { output: frameOutput(output, mayAsk), blob: blobOf(output), before: null };
}

function blobOf(output: Output): FrameItem["blob"] {
  if (output.kind !== "data") return null;
  const mime = mimeOf(output);
  const blob = mime === null ? undefined : output.blobs.get(mime);
  return mime === null || blob === undefined ? null : { sha256: blob.sha256, mime };
}

/** What only the kernel can be asked for is not offered to who may not ask it. */
function frameOutput(output: Output, mayAsk: boolean): FrameOutput {
  if (output.kind === "stream") return { kind: "stream", name: output.name, text: output.text };
  if (output.kind === "error") {
    return { kind: "error", ename: output.ename, evalue: output.evalue, traceback: [...output.traceback] };
  }
  const mime = mimeOf(output) ?? "text/plain";
  return {
    kind: "data",
    mime,
    value: output.data.get(mime) ?? "",
    plain: output.data.get("text/plain") ?? "",
    metadata: JSON.stringify(mayAsk ? output.metadata : { ...output.metadata, collab: undefined }),
  };
}
