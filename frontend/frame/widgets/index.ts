/** Draws a widget: the manager of this frame and its view of the model. Loaded with the first widget. */
import { MessageLoop } from "@lumino/messaging";
import { Widget } from "@lumino/widgets";
import "./styles";
import type { DrawContext, Drawn } from "../draw";
import { theChannel } from "./channel";
import { Manager } from "./manager";
import { createRoot } from "./root";

let manager: Manager | null = null;

/** The widget of `application/vnd.jupyter.widget-view+json`. Rejects with a sentence when there is no such model. */
export async function drawWidget(parent: HTMLElement, modelId: string, context: DrawContext): Promise<Drawn> {
  manager ??= new Manager(theChannel(), context);
  const mine = manager;
  const root = createRoot(parent, theChannel());
  try {
    const model = await mine.get_model(modelId);
    const view = await mine.create_view(model);
    // Lumino's own attach sends what views wait for before they measure themselves.
    const widget: Widget = view.luminoWidget;
    Widget.attach(widget, root.dom);
    const isShown = (): void => root.show(mine.isConnected(modelId));
    isShown();
    const stop = mine.onState(isShown);
    return {
      destroy() {
        stop();
        MessageLoop.postMessage(widget, Widget.Msg.CloseRequest);
        view.remove();
        root.destroy();
      },
    };
  } catch (error) {
    root.fail(error instanceof Error ? error.message : String(error));
    return { destroy: root.destroy };
  }
}
