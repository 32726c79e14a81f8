/**
 * All output frames of one page: which may live, and the page's guards around them. One hello listener, one
 * watchdog, one guard of the keyboard; `frame.ts` is the single frame.
 */
import type { FrameClass, FrameKey, Theme } from "../../frame/protocol";
import { guardFocus } from "./focus_guard";
import { CellFrame } from "./frame";
import type { FrameHost } from "./frame_host";
import { openHeights } from "./heights";
import { isBase64 } from "./mimes";
import { type Placement, placeFrame } from "./placement";
import type { Relay } from "./relay";
import { createRemoteContent } from "./remote_content";
import { createWatchdog } from "./watchdog";

const MOST_LIVE = 30;
const NEAR = "150% 0px";

export interface FramesOptions {
  notebookId: string;
  labels: { live: string; stored: string };
  /** `http://{label}.localhost:8888`; empty where frames come from the page's own host. */
  originTemplate: string;
  pageOrigin: string;
  /** The operator says that the template's hosts are of another site than the page's, whatever their names look like. */
  isCrossSite?: boolean;
  /** Whether this person may run code now; without it nobody may. */
  mayRun?(): boolean;
  /** A key that a frame passes back: Escape leaves it, the others are the page's own actions. */
  onKey?(cellId: string, key: FrameKey): void;
  /** Something the reader should be told that belongs to no single output. */
  onNotice?(text: string): void;
  onLog?(cellId: string, level: string, text: string): void;
  relays?: readonly Relay[];
}

export interface Frames {
  open(cellId: string, parent: HTMLElement): CellFrame;
  close(frame: CellFrame): void;
  /** What `mayRun` says may have changed. */
  roleChanged(): void;
  /** Whoever shows a cell opens its frame on demand, until the returned function is called. */
  provide(cellId: string, demand: () => CellFrame): () => void;
  /** The frame of a cell, with all that its outputs are by now; null where no such cell is shown. */
  demand(cellId: string): CellFrame | null;
  destroy(): void;
}

export function createFrames(options: FramesOptions): Frames {
  const frames = new Map<Element, CellFrame>();
  const providers = new Map<string, () => CellFrame>();
  const heights = openHeights(options.notebookId, sessionStorage);
  const page = new URL(options.pageOrigin);
  // Emptied when `{label}.localhost` does not answer in this browser; frames then come from the page's own host.
  let template = options.originTemplate;
  let hasAnswered = false;
  const relays = options.relays ?? [];

  const host: FrameHost = {
    pageOrigin: options.pageOrigin,
    theme,
    placement: (kind: FrameClass): Placement => placeFrame(template, options.labels[kind], page, options.isCrossSite),
    load: (blob) => loadBlob(options.notebookId, blob),
    height: (cellId) => heights.get(cellId),
    setHeight: (cellId, px) => heights.set(cellId, px),
    mayRun: () => options.mayRun?.() ?? false,
    loadsRemote: () => remote.isAllowed,
    onBlocked: (frame, where) => remote.blocked(frame, where),
    onActed: (frame) => focusGuard.acted(frame),
    onKey(cellId, key) {
      if (key === "Escape") leaveFrame(cellId);
      options.onKey?.(cellId, key);
    },
    onLog: (cellId, level, text) => options.onLog?.(cellId, level, text),
    onMount(frame) {
      makeRoom(frame);
      watchdog.wake();
    },
    onSilent(frame) {
      if (hasAnswered || template === "") return false;
      template = "";
      frame.unmount();
      frame.mount();
      return true;
    },
    relay: (message, frame) => relays.some((relay) => relay.take(message, frame)),
    onStart: (frame) => {
      for (const relay of relays) relay.started?.(frame);
    },
    onEnd: (frame) => {
      for (const relay of relays) relay.ended?.(frame);
    },
  };

  const all = (): CellFrame[] => [...frames.values()];
  const isLive = (frame: CellFrame): boolean => frame.phase === "loading" || frame.phase === "running";

  /** At most 30 documents: the one seen longest ago goes first, never one in view or with the focus. */
  const makeRoom = (newcomer: CellFrame): void => {
    const others = all().filter((frame) => frame !== newcomer && isLive(frame));
    const leaving = others
      .filter((frame) => !frame.isNear && frame.scripts === 0 && frame.iframe !== document.activeElement)
      .sort((a, b) => a.seenAt - b.seenAt)
      .slice(0, Math.max(0, others.length + 1 - MOST_LIVE));
    for (const frame of leaving) frame.unmount();
  };

  const observerOptions = { rootMargin: NEAR, scrollMargin: NEAR };
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const frame = frames.get(entry.target);
      if (frame === undefined) continue;
      frame.isNear = entry.isIntersecting;
      frame.seenAt = performance.now();
      if (entry.isIntersecting && frame.phase === "unmounted") frame.mount();
    }
  }, observerOptions);

  const onMessage = (event: MessageEvent): void => {
    if (event.source === null || event.source === window) return;
    // Also of frames that an output made inside its own: their noise is the output's.
    const source = childOfPage(event.source);
    const frame = all().find((candidate) => candidate.window === source);
    if (frame === undefined) return;
    frame.receiveWindowMessage(event);
    if (frame.phase === "running") hasAnswered = true;
  };
  window.addEventListener("message", onMessage);

  const themeObserver = new MutationObserver(() => {
    for (const frame of all()) frame.setTheme(theme());
  });
  themeObserver.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const onScheme = (): void => {
    for (const frame of all()) frame.setTheme(theme());
  };
  scheme.addEventListener("change", onScheme);

  const told = new Set<string>();
  const onViolation = (event: SecurityPolicyViolationEvent): void => {
    if (event.effectiveDirective !== "frame-src") return;
    const where = URL.canParse(event.blockedURI)
      ? new URL(event.blockedURI).host || event.blockedURI
      : event.blockedURI;
    if (told.has(where)) return;
    told.add(where);
    options.onNotice?.(`An output tried to open ${where.slice(0, 100)}. That was blocked.`);
  };
  document.addEventListener("securitypolicyviolation", onViolation);

  const focusGuard = guardFocus(all, (frame) => frame.grantAccess());
  const watchdog = createWatchdog(all, isLive);
  const remote = createRemoteContent(() => {
    for (const frame of all().filter((candidate) => candidate.kind === "stored" && isLive(candidate))) {
      frame.unmount();
      frame.mount();
    }
  });

  const leaveFrame = (cellId: string): void => {
    const frame = all().find((candidate) => candidate.cellId === cellId);
    if (frame?.iframe == null || frame.iframe !== document.activeElement) return;
    frame.iframe.blur();
    const shell = frame.element.closest<HTMLElement>("[tabindex]");
    shell?.focus({ preventScroll: true });
  };

  return {
    open(cellId, parent) {
      const frame = new CellFrame(cellId, host);
      parent.append(frame.element);
      frames.set(frame.element, frame);
      observer.observe(frame.element);
      return frame;
    },
    close(frame) {
      observer.unobserve(frame.element);
      frames.delete(frame.element);
      watchdog.forget(frame);
      remote.forget(frame);
      frame.destroy();
    },
    provide(cellId, demand) {
      providers.set(cellId, demand);
      return () => providers.delete(cellId);
    },
    demand: (cellId) => providers.get(cellId)?.() ?? null,
    roleChanged() {
      for (const frame of all()) frame.lookAtAccess();
    },
    destroy() {
      for (const frame of all()) this.close(frame);
      watchdog.destroy();
      observer.disconnect();
      themeObserver.disconnect();
      scheme.removeEventListener("change", onScheme);
      window.removeEventListener("message", onMessage);
      document.removeEventListener("securitypolicyviolation", onViolation);
      focusGuard.destroy();
      heights.destroy();
    },
  };
}

/** The window of the page's own iframe that holds `source`, however deep. */
function childOfPage(source: MessageEventSource): MessageEventSource | null {
  if (!("parent" in source)) return null;
  let at: Window = source;
  while (at.parent !== window) {
    if (at.parent === null || at.parent === at) return null; // a frame that is gone; a window that is none of ours
    at = at.parent;
  }
  return at;
}

function theme(): Theme {
  const chosen = document.documentElement.dataset.theme;
  if (chosen === "light" || chosen === "dark") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

async function loadBlob(notebookId: string, blob: { sha256: string; mime: string }): Promise<string> {
  const response = await fetch(blobUrl(notebookId, blob));
  if (!response.ok) throw new Error(`The server answered ${response.status}.`);
  if (!isBase64(blob.mime)) return response.text();
  const bytes = new Uint8Array(await response.arrayBuffer());
  let binary = "";
  // In pieces: one call with millions of arguments is too many.
  for (let at = 0; at < bytes.length; at += 0x8000) binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(binary);
}

export function blobUrl(notebookId: string, blob: { sha256: string; mime: string }, name?: string): string {
  const url = `/api/notebooks/${encodeURIComponent(notebookId)}/blobs/${encodeURIComponent(blob.sha256)}`;
  const query = new URLSearchParams({ type: blob.mime });
  if (name !== undefined) query.set("name", name);
  return `${url}?${query}`;
}
