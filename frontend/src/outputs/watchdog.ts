/**
 * Asks every running frame whether it still answers (outputs.md L4). Frames of one site share a process: when one hangs
 * all of them fall silent, and the last that was active is the likely cause.
 */
import type { CellFrame } from "./frame";

const PING_EVERY_MS = 2_000;
const PONG_WITHIN_MS = 5_000;
const WAIT_MS = 15_000;

export interface Watchdog {
  /** There is something to watch. */
  wake(): void;
  /** The frame is gone. */
  forget(frame: CellFrame): void;
  destroy(): void;
}

export function createWatchdog(all: () => readonly CellFrame[], isLive: (frame: CellFrame) => boolean): Watchdog {
  let timer: number | null = null;
  let suspect: { frame: CellFrame; notice: HTMLElement } | null = null;
  let waitUntil = 0;

  // Pings go out while the tab is visible; one late answer may be the page's own doing, two ticks are not.
  const tick = (): void => {
    const now = performance.now();
    if (document.hidden) {
      for (const frame of all()) frame.pingAt = null;
      return;
    }
    const silent: CellFrame[] = [];
    for (const frame of all()) {
      if (frame.phase !== "running") continue;
      if (frame.pingAt === null) frame.ping(now);
      else if (now - frame.pingAt > PONG_WITHIN_MS && ++frame.missedTicks >= 2) silent.push(frame);
    }
    if (suspect !== null && !silent.includes(suspect.frame)) dropSuspect();
    if (silent.length > 0 && suspect === null && now > waitUntil) accuse(silent);
    if (!all().some(isLive)) sleep();
  };

  const sleep = (): void => {
    if (timer !== null) clearInterval(timer);
    timer = null;
  };

  const dropSuspect = (): void => {
    suspect?.notice.remove();
    suspect = null;
  };

  const accuse = (silent: CellFrame[]): void => {
    const [frame] = silent.sort((a, b) => b.activeAt - a.activeAt);
    if (frame === undefined) return;
    const wait = (): void => {
      suspect = null;
      waitUntil = performance.now() + WAIT_MS;
    };
    const stop = (): void => {
      suspect = null;
      const siblings = all().filter((other) => other !== frame && isLive(other) && other.kind === frame.kind);
      // A new frame on the site would time out while a frozen one lives, so all go first.
      frame.stop("Output stopped: it did not respond.", "Draw again");
      for (const other of siblings) other.unmount();
      for (const other of siblings) if (other.isNear) other.mount();
    };
    const notice = frame.ask("This output does not respond.", [
      { label: "Wait", run: wait },
      { label: "Stop", run: stop },
    ]);
    suspect = { frame, notice };
  };

  return {
    wake() {
      timer ??= window.setInterval(tick, PING_EVERY_MS);
    },
    forget(frame) {
      if (suspect?.frame === frame) dropSuspect();
    },
    destroy: sleep,
  };
}
