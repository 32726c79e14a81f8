/** Between two cells: the two buttons that insert there, shown on hover and focus. */

import { element, setAttribute } from "../shared/element.ts";
import { icon } from "../shared/icons.ts";

export interface Gap {
  readonly dom: HTMLElement;
  update(number: number, mayEdit: boolean): void;
}

export function createGap(onInsert: (type: "code" | "markdown") => void): Gap {
  const code = element("button", { class: "gap-button", type: "button" }, [icon("plus"), "Code"]);
  const text = element("button", { class: "gap-button", type: "button" }, [icon("plus"), "Text"]);
  code.addEventListener("click", () => onInsert("code"));
  text.addEventListener("click", () => onInsert("markdown"));
  const dom = element("div", { class: "gap" }, [code, text]);
  return {
    dom,
    update(number, mayEdit) {
      dom.toggleAttribute("inert", !mayEdit);
      const where = number === 0 ? "before cell 1" : `after cell ${number}`;
      setAttribute(code, "aria-label", `Add code cell ${where}`);
      setAttribute(text, "aria-label", `Add text cell ${where}`);
    },
  };
}
