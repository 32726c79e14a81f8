/** Asks the person whose code wants to read a secret of theirs that this notebook may not read yet. */

import { orderedIds } from "../../notebook/schema";
import { grantSecret } from "../../secrets_api";
import { element } from "../shared/element";
import { reasonOf } from "../shared/reason";
import type { NotebookBench } from "./bench";

let questions = 0;

/** True when the notebook may read it from now on. */
export function askForSecret(bench: NotebookBench, name: string, cellId: string): Promise<boolean> {
  const number = orderedIds(bench.session.notebook).indexOf(cellId) + 1;
  const before = document.activeElement;
  questions += 1;
  const heading = `secret-question-${questions}`;
  const problem = element("p", { class: "dialog-text", role: "alert" });
  const refuse = element("button", { type: "button", class: "button" }, ["Don't allow"]);
  const allow = element("button", { type: "button", class: "button button-primary" }, ["Allow for this notebook"]);
  const dialog = element("dialog", { class: "dialog dialog-small", role: "alertdialog", "aria-labelledby": heading }, [
    element("div", { class: "dialog-sheet" }, [
      element("header", { class: "dialog-head" }, [
        element("h2", { id: heading }, [`Let this notebook read your secret ${name}?`]),
      ]),
      element("p", { class: "dialog-text" }, [
        `Cell ${number}, which you ran, asks for it. Code of everybody who may edit this notebook could then use it when you run it.`,
      ]),
      problem,
      element("div", { class: "dialog-actions" }, [refuse, allow]),
    ]),
  ]);
  document.body.append(dialog);
  return new Promise((resolve) => {
    const close = (isGranted: boolean): void => {
      dialog.close();
      dialog.remove();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
      resolve(isGranted);
    };
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      close(false);
    });
    refuse.addEventListener("click", () => close(false));
    allow.addEventListener("click", () => {
      grantSecret(bench.session.id, name, true).then(
        () => close(true),
        (error: unknown) => {
          problem.textContent = reasonOf(error);
        },
      );
    });
    dialog.showModal();
    refuse.focus();
  });
}
