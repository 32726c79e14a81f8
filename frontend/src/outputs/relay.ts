/** Who in the page takes what a frame asks beyond drawing: comms, widgets, `google.colab`. */
import type { FrameMessage } from "../../frame/protocol";
import type { CellFrame } from "./frame";

export interface Relay {
  /** Whether the message was this relay's. The message is parsed, and as trustworthy as any output: check the role and the frame's class. */
  take(message: FrameMessage, frame: CellFrame): boolean;
  /** The frame has a new document, and with it a new port. */
  started?(frame: CellFrame): void;
  /** The frame's document is gone: whatever waited for it never gets an answer. */
  ended?(frame: CellFrame): void;
}
