/** The prompt of a cell that waits for input: runners answer it, everybody sees it. */

import type { RunMark } from "../../notebook/schema.ts";
import { element } from "../shared/element.ts";

export interface InputPrompt {
  readonly dom: HTMLElement;
  update(prompt: RunMark["prompt"], number: number, mayAnswer: boolean): void;
}

export function createInputPrompt(onAnswer: (value: string) => void): InputPrompt {
  const dom = element("div", { class: "cell-input", hidden: true });
  let shown = "";

  return {
    dom,
    update(prompt, number, mayAnswer) {
      const key = prompt === null ? "" : JSON.stringify([prompt, number, mayAnswer]);
      if (key === shown) return;
      shown = key;
      dom.hidden = prompt === null;
      if (prompt === null) {
        dom.replaceChildren();
        return;
      }
      const question = element("span", { class: "input-question" }, [prompt.text === "" ? "Input:" : prompt.text]);
      if (!mayAnswer) {
        dom.replaceChildren(question, element("span", { class: "hint" }, ["Waiting for somebody who may run code."]));
        return;
      }
      const field = element("input", {
        type: prompt.password ? "password" : "text",
        "aria-label": `Input for cell ${number}`,
        autocomplete: "off",
        spellcheck: "false",
      });
      const form = element("form", {}, [
        question,
        field,
        element("button", { class: "button", type: "submit" }, ["Send"]),
      ]);
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        onAnswer(field.value);
        field.disabled = true;
      });
      dom.replaceChildren(form);
    },
  };
}
