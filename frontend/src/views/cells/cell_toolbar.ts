/** The small toolbar of the active or hovered cell. One tab stop, arrows inside. */

import { element, setAttribute } from "../shared/element.ts";
import { type IconName, icon } from "../shared/icons.ts";

export interface CellToolbar {
  readonly dom: HTMLElement;
  /** `refused` says why its cell cannot be edited, or is null. */
  update(number: number, isText: boolean, editing: boolean, refused: string | null): void;
}

const BUTTONS: readonly { readonly action: string; readonly name: string; readonly sign: IconName }[] = [
  { action: "cell.edit", name: "Edit", sign: "pencil" },
  { action: "edit.moveUp", name: "Move up", sign: "up" },
  { action: "edit.moveDown", name: "Move down", sign: "down" },
  { action: "edit.duplicate", name: "Duplicate", sign: "copy" },
  { action: "cell.copyLink", name: "Copy link to cell", sign: "link" },
  { action: "edit.delete", name: "Delete", sign: "trash" },
];
const FREE = new Set(["cell.copyLink"]);

export function createCellToolbar(onAction: (id: string) => void): CellToolbar {
  const handle = element("button", { class: "icon-button drag-handle", type: "button", tabindex: 0 }, [icon("grip")]);
  const acts = BUTTONS.map(({ action, name, sign }) => {
    const button = element(
      "button",
      { class: "icon-button", type: "button", "aria-label": name, "data-action": action, tabindex: -1 },
      [icon(sign)],
    );
    button.addEventListener("click", () => {
      if (button.getAttribute("aria-disabled") !== "true")
        onAction(action === "cell.edit" && finishing ? "runtime.run" : action);
    });
    return button;
  });
  const buttons = [handle, ...acts];
  let finishing = false;
  const dom = element("div", { class: "cell-toolbar", role: "toolbar" }, buttons);
  dom.addEventListener("keydown", (event) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    const shown = buttons.filter((button) => !button.hidden);
    const at = shown.findIndex((button) => button === document.activeElement);
    const next = shown[(at + step + shown.length) % shown.length];
    if (next === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
    next.focus();
  });

  return {
    dom,
    update(number, isText, editing, refused) {
      setAttribute(dom, "aria-label", `Actions for cell ${number}`);
      setAttribute(handle, "aria-label", `Move cell ${number}`);
      setAttribute(handle, "aria-disabled", refused === null ? null : "true");
      setAttribute(handle, "data-tip", refused === null ? "Drag to move, or use Up and Down here" : `Move: ${refused}`);
      for (const button of acts) {
        const action = button.dataset["action"] ?? "";
        const name = button.getAttribute("aria-label") ?? "";
        const disabled = refused !== null && !FREE.has(action);
        setAttribute(button, "aria-disabled", disabled ? "true" : null);
        if (action === "cell.edit") {
          button.hidden = !isText;
          if (finishing !== editing) button.replaceChildren(icon(editing ? "check" : "pencil"));
          finishing = editing;
          setAttribute(button, "aria-label", editing ? "Done" : "Edit");
        }
        setAttribute(button, "data-tip", disabled ? `${name}: ${refused}` : (button.getAttribute("aria-label") ?? ""));
      }
    },
  };
}
