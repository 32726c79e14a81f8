/** What a frame can do beyond drawing outputs. Each feature is small; what is heavy in it loads when first needed. */
import type { OutputArea } from "./area";
import { colabFeature } from "./colab/colab";
import type { FrameMessage, PageMessage } from "./protocol";
import { widgetFeature } from "./widgets/channel";

export interface FrameContext {
  isLive: boolean;
  /** Whether scripts of this frame may call the kernel now; the server decides again. */
  isAccessAllowed(): boolean;
  send(message: FrameMessage, transfer?: Transferable[]): void;
  /** Where outputs are drawn, and the queue that draws them. */
  area: OutputArea;
}

export interface Feature {
  /** Whether the message was this feature's. */
  take(message: PageMessage): boolean;
  onAccess?(isAllowed: boolean): void;
}

export type CreateFeature = (context: FrameContext) => Feature;

export const FEATURES: CreateFeature[] = [widgetFeature, colabFeature];
