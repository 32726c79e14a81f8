/** The place of one widget in an output: what it may be used for, and the line that says so. */
import type { Channel } from "./channel";

const DRIVING = [
  "pointerdown",
  "mousedown",
  "touchstart",
  "click",
  "dblclick",
  "keydown",
  "beforeinput",
  "change",
  "drop",
];
const FREE_KEYS = ["Tab", "Escape", "Shift", "Control", "Alt", "Meta"];
const VIEW_ONLY = "View only: using widgets needs the role runner.";
const GONE = "Not connected to a runtime: this is the last state. Run the cell again to use it.";

export interface WidgetRoot {
  readonly dom: HTMLElement;
  /** The widget's kernel process is there, or gone. */
  show(isConnected: boolean): void;
  /** In place of the widget. */
  fail(reason: string): void;
  destroy(): void;
}

export function createRoot(parent: HTMLElement, channel: Channel): WidgetRoot {
  const dom = document.createElement("div");
  dom.className = "widget-root";
  const note = document.createElement("p");
  note.className = "widget-note";
  note.setAttribute("role", "note");
  note.hidden = true;
  // What an Output widget shows is said once, of the whole.
  const isInner = parent.closest(".widget-root") !== null;
  parent.append(dom, note);
  let isConnected = true;

  const update = (): void => {
    if (isInner) return;
    const isViewOnly = isConnected && !channel.isUsable();
    dom.classList.toggle("is-gone", !isConnected);
    dom.classList.toggle("is-view-only", isViewOnly);
    note.hidden = isConnected && !isViewOnly;
    note.textContent = note.hidden ? "" : isConnected ? VIEW_ONLY : GONE;
  };

  // Widgets that bring their own view may be turned and zoomed by anybody: what they send is refused.
  const onDrive = (event: Event): void => {
    if (!dom.classList.contains("is-view-only")) return;
    if (event instanceof KeyboardEvent && FREE_KEYS.includes(event.key)) return;
    if (event.target instanceof Element && event.target.closest(".widget-foreign") !== null) return;
    event.stopImmediatePropagation();
    event.preventDefault();
  };
  for (const type of DRIVING) dom.addEventListener(type, onDrive, { capture: true, passive: false });
  channel.listen((message) => {
    if (message.t === "widgetsUsable") update();
  });

  return {
    dom,
    show(isNow) {
      isConnected = isNow;
      update();
    },
    fail(reason) {
      dom.replaceChildren();
      note.hidden = false;
      note.textContent = reason;
    },
    destroy() {
      dom.remove();
      note.remove();
    },
  };
}
