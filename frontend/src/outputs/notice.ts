/** One line with buttons beside an output: what happened or what an output asks for. Text only. */

export interface Choice {
  label: string;
  run(): void;
}

/** Any choice closes the notice, then runs. The caller may also remove the element. */
export function noticeElement(text: string, choices: Choice[]): HTMLElement {
  const element = document.createElement("div");
  element.className = "output-notice";
  element.setAttribute("role", "status");
  const words = document.createElement("span");
  words.textContent = text;
  element.append(words);
  for (const choice of choices) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = choice.label;
    button.addEventListener("click", () => {
      element.remove();
      choice.run();
    });
    element.append(button);
  }
  return element;
}
