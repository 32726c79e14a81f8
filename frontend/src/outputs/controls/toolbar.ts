/** What can be done with the outputs of a cell: buttons over their corner, shown where somebody points or tabs. */
import "./controls.css";
import { element, setAttribute } from "../../views/shared/element.ts";
import { type IconName, icon } from "../../views/shared/icons.ts";
import type { OutputView } from "./views.ts";

export interface OutputToolbar {
  readonly dom: HTMLElement;
  /** `refused` says why this person cannot clear, or is null. */
  update(number: number, view: OutputView | null, refused: string | null): void;
}

interface Row {
  readonly action: string;
  readonly name: string;
  readonly sign: IconName;
  /** Pressed while the outputs are shown like this. */
  readonly view?: OutputView;
}

const ROWS: readonly Row[] = [
  { action: "edit.copyOutput", name: "Copy output", sign: "copy" },
  { action: "file.downloadOutput", name: "Download output", sign: "download" },
  { action: "view.scrollOutput", name: "Scroll output", sign: "scroll", view: "scrolled" },
  { action: "view.outputAsText", name: "Read output as text", sign: "text", view: "text" },
  { action: "view.outputFullScreen", name: "Output full screen", sign: "expand" },
  { action: "edit.clearOutput", name: "Clear output", sign: "close" },
];

export function createOutputToolbar(onAction: (id: string) => void): OutputToolbar {
  const buttons = ROWS.map(({ action, name, sign, view }) => {
    const button = element("button", { class: "icon-button", type: "button", "aria-label": name, tabindex: -1 }, [
      icon(sign),
    ]);
    button.dataset["view"] = view ?? "";
    button.dataset["action"] = action;
    button.addEventListener("click", () => {
      if (button.getAttribute("aria-disabled") !== "true") onAction(action);
    });
    return button;
  });
  const bar = element("div", { class: "output-toolbar", role: "toolbar" }, buttons);
  const dom = element("div", { class: "output-controls" }, [bar]);
  const stop = (at: number): void => {
    for (const [place, button] of buttons.entries()) button.tabIndex = place === at ? 0 : -1;
  };
  stop(0);
  bar.addEventListener("keydown", (event) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    const at = buttons.findIndex((button) => button === document.activeElement);
    const next = (at + step + buttons.length) % buttons.length;
    event.preventDefault();
    event.stopPropagation();
    stop(next);
    buttons[next]?.focus();
  });

  return {
    dom,
    update(number, view, refused) {
      setAttribute(bar, "aria-label", `Output actions for cell ${number}`);
      for (const button of buttons) {
        const shown = button.dataset["view"];
        const name = button.getAttribute("aria-label") ?? "";
        if (shown !== "") setAttribute(button, "aria-pressed", String(shown === view));
        const isOff = button.dataset["action"] === "edit.clearOutput" && refused !== null;
        setAttribute(button, "aria-disabled", isOff ? "true" : null);
        setAttribute(button, "data-tip", isOff ? `${name}: ${refused}` : name);
      }
    },
  };
}
