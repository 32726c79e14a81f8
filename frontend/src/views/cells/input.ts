/** The prompt of a cell that waits for input: runners answer it, everybody sees it. */

import type { RunMark } from "../../notebook/schema.ts";
import { element, setAttribute } from "../shared/element.ts";

export interface InputPrompt {
  readonly dom: HTMLElement;
  /** `isOwn`: this person ran the cell, and is the one who is asked first. */
  update(prompt: RunMark["prompt"], number: number, mayAnswer: boolean, isOwn: boolean): void;
}

/** The same question may come again without a moment in between: then the field opens again by itself. */
const ANSWERED_MS = 600;

export function createInputPrompt(onAnswer: (value: string) => void): InputPrompt {
  const dom = element("div", { class: "cell-input", hidden: true });
  let shown = "";
  let field: HTMLInputElement | null = null;

  const ask = (prompt: NonNullable<RunMark["prompt"]>, question: HTMLElement): HTMLInputElement => {
    const input = element("input", {
      type: prompt.password ? "password" : "text",
      autocomplete: "off",
      spellcheck: "false",
    });
    const form = element("form", {}, [
      question,
      input,
      element("button", { class: "button", type: "submit" }, ["Send"]),
    ]);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (input.readOnly) return;
      onAnswer(input.value);
      input.readOnly = true;
      setTimeout(() => {
        input.readOnly = false;
        input.value = "";
      }, ANSWERED_MS);
    });
    dom.replaceChildren(form);
    return input;
  };

  const close = (): void => {
    const hadFocus = dom.contains(document.activeElement);
    dom.hidden = true;
    dom.replaceChildren();
    field = null;
    if (hadFocus) dom.closest<HTMLElement>(".cell")?.focus({ preventScroll: true });
  };

  return {
    dom,
    update(prompt, number, mayAnswer, isOwn) {
      const key = prompt === null ? "" : JSON.stringify([prompt, mayAnswer]);
      if (key !== shown) {
        const isNew = shown === "";
        shown = key;
        if (prompt === null) {
          close();
          return;
        }
        dom.hidden = false;
        const question = element("span", { class: "input-question" }, [prompt.text === "" ? "Input:" : prompt.text]);
        if (mayAnswer) field = ask(prompt, question);
        else
          dom.replaceChildren(question, element("span", { class: "hint" }, ["Waiting for somebody who may run code."]));
        // Whoever is writing somewhere goes on writing there.
        const busy = document.activeElement?.closest(".cm-editor, input, select, textarea, dialog, [role='menu']");
        if (isOwn && isNew && busy == null && document.hasFocus()) field?.focus();
      }
      if (field !== null) setAttribute(field, "aria-label", `Input for cell ${number}`);
    },
  };
}
