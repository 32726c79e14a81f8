/** What a frame needs of the page around it, and what it shows whose outputs it is given. */
import type { FrameClass, FrameKey, FrameMessage, Theme } from "../../frame/protocol";
import type { CellFrame } from "./frame";
import type { Placement } from "./placement";

export interface FrameHost {
  pageOrigin: string;
  theme(): Theme;
  placement(kind: FrameClass): Placement;
  load(blob: { sha256: string; mime: string }): Promise<string>;
  /** The remembered height of a cell's frame in px, or null. */
  height(cellId: string): number | null;
  setHeight(cellId: string, px: number): void;
  /** Whether this person may run code now. */
  mayRun(): boolean;
  /** Whether stored outputs may load from other hosts: their reader said so. */
  loadsRemote(): boolean;
  /** A stored output wanted to load from `where`, which its policy does not allow. */
  onBlocked(frame: CellFrame, where: string): void;
  /** The reader did something in the frame, as the frame says. */
  onActed(frame: CellFrame): void;
  onKey(cellId: string, key: FrameKey): void;
  onLog(cellId: string, level: string, text: string): void;
  /** Before a frame mounts: the host makes room. */
  onMount(frame: CellFrame): void;
  /** No hello came: true when the host will try another way. */
  onSilent(frame: CellFrame): boolean;
  /** What the frame itself does not handle: false when nobody does. */
  relay(message: FrameMessage, frame: CellFrame): boolean;
  onStart(frame: CellFrame): void;
  onEnd(frame: CellFrame): void;
}

/** Whose outputs a frame shows. */
export interface FrameRun {
  id: string;
  /** Whether this tab asked for it. */
  isOwn: boolean;
  /** Whether the kernel process that it ran in still runs. */
  isCurrent: boolean;
}
