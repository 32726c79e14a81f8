/**
 * Whether scripts of one frame may call the kernel (outputs.md W13): while drawing only in the tab that ran the cell,
 * for everybody else who may run from their first act inside the output on. The server looks at the role again.
 */
import type { FrameClass } from "../../frame/protocol";

export interface FrameAccess {
  readonly isAllowed: boolean;
  /** What the frame shows now: its class, whether this tab ran it, and whether that kernel still runs. */
  show(state: { kind: FrameClass; isOwnRun: boolean; isCurrent: boolean }): void;
  /** A document begins; one that loaded itself anew (L2) waits for an act of its reader like anybody's. What it may is
   * in its first message. */
  start(isSelfMade: boolean): void;
  /** Another run is drawn into the same document. */
  startRun(): void;
  /** The reader clicked into the output, or pressed a key in it. */
  grant(): void;
  /** The role changed: tells the frame if that changes anything. */
  look(): void;
}

export function createAccess(mayRun: () => boolean, tell: (isAllowed: boolean) => void): FrameAccess {
  let kind: FrameClass = "stored";
  let isOwnRun = false;
  let isCurrent = false;
  let isGranted = false;
  let told = false;

  const isAllowed = (): boolean => kind === "live" && isCurrent && isGranted && mayRun();
  const look = (): void => {
    const now = isAllowed();
    if (now === told) return;
    told = now;
    tell(now);
  };

  return {
    get isAllowed() {
      return isAllowed();
    },
    show(state) {
      ({ kind, isOwnRun, isCurrent } = state);
      look();
    },
    start(isSelfMade) {
      isGranted = isOwnRun && !isSelfMade;
      told = isAllowed();
    },
    startRun() {
      isGranted = isOwnRun;
      look();
    },
    grant() {
      isGranted = true;
      look();
    },
    look,
  };
}
