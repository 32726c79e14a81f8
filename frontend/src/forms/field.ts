/** One field of a form: its label, its control, and a line that says why a value cannot stand. */

import { element, setAttribute, setText } from "../views/shared/element.ts";
import type { Control, Field } from "./form.ts";

export interface FieldView {
  readonly dom: HTMLElement;
  /** Whether this control can show the field, or another has to be made. */
  fits(field: Field): boolean;
  update(field: Field, refused: string | null): void;
}

/** Writes the value; gives a sentence when it cannot stand. `isFinal`: not in the middle of typing. */
export type Commit = (field: Field, value: string | boolean, isFinal: boolean) => string | null;

interface ControlView {
  /** What has the name of the field. */
  readonly input: HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;
  /** All of the control, the input included. */
  readonly dom: HTMLElement;
  /** Over what is being typed only when that was `taken`. */
  show(field: Field, taken?: boolean): void;
  read(): string | boolean;
}

let made = 0;

export function createField(first: Field, commit: Commit): FieldView {
  made += 1;
  const id = `form-field-${made}`;
  let field = first;
  let refusal: string | null = null;
  const control = createControl(first, id);
  const { input } = control;
  input.id = id;
  const label = element("label", { for: id, class: "form-label" }, [first.name]);
  const problem = element("p", { class: "form-problem", id: `${id}-problem`, hidden: true });
  const dom = element("div", { class: "form-field", "data-kind": kindOf(first) }, [label, control.dom, problem]);

  const say = (why: string | null): void => {
    problem.hidden = why === null;
    setText(problem, why ?? "");
    setAttribute(input, "aria-invalid", why === null ? null : "true");
    setAttribute(input, "aria-describedby", why === null ? null : problem.id);
  };

  const write = (isFinal: boolean): void => {
    if (refusal !== null) return;
    const value = control.read();
    // Some keyboards bring a character beyond the basic plane in halves: it is written when it is whole.
    if (!isFinal && typeof value === "string" && !value.isWellFormed()) return;
    const why = commit(field, value, isFinal);
    say(why);
    if (why === null && isFinal) control.show(field, true);
  };

  // Texts are written as they are typed, for everybody to see; all else when it is whole.
  if (first.control.kind === "text")
    input.addEventListener("input", (event) => {
      if (!(event instanceof InputEvent && event.isComposing)) write(false);
    });
  input.addEventListener("change", () => write(true));

  return {
    dom,
    fits: (next) => kindOf(next) === kindOf(first) && shape(next) === shape(first),
    update(next, refused) {
      field = next;
      refusal = next.value === null ? "set in the code" : refused;
      const isOff = refusal !== null;
      if (input instanceof HTMLSelectElement || ["checkbox", "range"].includes(input.type)) input.disabled = isOff;
      else if (!(input instanceof HTMLSelectElement)) input.readOnly = isOff;
      setAttribute(input, "aria-disabled", isOff ? "true" : null);
      dom.toggleAttribute("data-off", isOff);
      setAttribute(dom, "data-tip", refusal === null ? null : `${next.name}: ${refusal}`);
      control.show(next);
      // What somebody else wrote may be right again.
      if (!problem.hidden && document.activeElement !== input) say(null);
    },
  };
}

/** Code in place of a value has a control of its own, which only shows it. */
function kindOf(field: Field): string {
  if (field.value === null) return "code";
  if (field.control.kind === "text" && String(field.value).includes("\n")) return "lines";
  return field.control.kind;
}

function shape(field: Field): string {
  return field.control.kind === "choice" && field.control.isOpen ? "choice" : JSON.stringify(field.control);
}

function createControl(field: Field, id: string): ControlView {
  switch (kindOf(field)) {
    case "code":
      return plain(element("input", { type: "text", class: "form-code", readonly: true }), (next) => next.text);
    case "lines": {
      const area = element("textarea", { rows: 3, spellcheck: "false" });
      return plain(area, (next) => String(next.value));
    }
    default:
      return controlFor(field.control, id);
  }
}

function controlFor(control: Control, id: string): ControlView {
  switch (control.kind) {
    case "text":
      return textBox(control.placeholder);
    case "raw": {
      const view = textBox(control.placeholder);
      view.input.classList.add("form-code");
      return view;
    }
    case "date":
      return plain(element("input", { type: "date" }), (next) => String(next.value));
    case "checkbox":
      return checkbox();
    case "number":
      return plain(numberBox(control), (next) => String(next.value));
    case "slider":
      return slider(control);
    case "choice":
      return control.isOpen ? openChoice(control, id) : choice(control);
  }
}

type Box = HTMLInputElement | HTMLTextAreaElement;

/** What the reader types stays while they type: only another value than the one they see replaces it. */
function plain(input: Box, shown: (field: Field) => string): ControlView {
  let last: string | null = null;
  return {
    input,
    dom: input,
    show(field, taken = false) {
      const text = shown(field);
      const isBusy = !taken && document.activeElement === input && input.value !== (last ?? "");
      if (text !== input.value && !isBusy) setKeepingCaret(input, text);
      last = text;
    },
    read: () => input.value,
  };
}

/** Somebody else's change before the caret moves it along with its text. */
function setKeepingCaret(input: Box, text: string): void {
  const before = input.value;
  const isFocused = document.activeElement === input;
  const [start, end] = isFocused ? [input.selectionStart, input.selectionEnd] : [null, null];
  input.value = text;
  if (start === null || end === null) return;
  let head = 0;
  while (head < before.length && head < text.length && before[head] === text[head]) head += 1;
  const shift = (at: number): number => (at <= head ? at : Math.max(head, at + text.length - before.length));
  input.setSelectionRange(shift(start), shift(end));
}

function textBox(placeholder: string): ControlView {
  const box = element("input", { type: "text", autocomplete: "off", spellcheck: "false", placeholder });
  return {
    ...plain(box, (next) => String(next.value)),
    // A text that is being typed is in the document already: what others add to it belongs there.
    show(field) {
      const text = String(field.value);
      if (text !== box.value) setKeepingCaret(box, text);
    },
  };
}

function numberBox(control: Extract<Control, { kind: "number" }>): HTMLInputElement {
  const box = element("input", { type: "number", autocomplete: "off", placeholder: control.placeholder });
  box.step = control.step === null ? (control.isInteger ? "1" : "any") : String(control.step);
  if (control.min !== null) box.min = String(control.min);
  if (control.max !== null) box.max = String(control.max);
  return box;
}

function checkbox(): ControlView {
  const input = element("input", { type: "checkbox" });
  return {
    input,
    dom: input,
    show: (field) => {
      input.checked = field.value === true;
    },
    read: () => input.checked,
  };
}

function slider({ min, max, step }: Extract<Control, { kind: "slider" }>): ControlView {
  const input = element("input", { type: "range", min, max, step });
  // The slider says its value itself.
  const shown = element("span", { class: "form-amount", "aria-hidden": "true" });
  const dom = element("div", { class: "form-slider" }, [input, shown]);
  let dragged = false;
  input.addEventListener("input", () => {
    dragged = true;
    setText(shown, input.value);
  });
  input.addEventListener("change", () => {
    dragged = false;
  });
  return {
    input,
    dom,
    show(field) {
      if (dragged) return;
      input.value = String(field.value);
      // Beyond its ends a slider cannot stand: the number tells.
      setText(shown, String(field.value));
    },
    read: () => input.value,
  };
}

function choice({ choices }: Extract<Control, { kind: "choice" }>): ControlView {
  const input = element("select");
  return {
    input,
    dom: input,
    show(field) {
      const value = String(field.value);
      const known = choices.some((one) => one.value === value);
      const all = known ? choices : [{ label: value, value }, ...choices];
      const wanted = JSON.stringify(all);
      if (input.dataset["choices"] !== wanted) {
        input.replaceChildren(...all.map((one) => element("option", { value: one.value }, [one.label])));
        input.dataset["choices"] = wanted;
      }
      input.value = value;
    },
    read: () => input.value,
  };
}

/** One of them, or anything else: a text box that offers them. */
function openChoice(control: Extract<Control, { kind: "choice" }>, id: string): ControlView {
  const input = element("input", { type: "text", autocomplete: "off", spellcheck: "false", list: `${id}-choices` });
  if (control.isRaw) input.classList.add("form-code");
  const list = element("datalist", { id: `${id}-choices` });
  const dom = element("div", { class: "form-open" }, [input, list]);
  const view = plain(input, (next) => String(next.value));
  return {
    ...view,
    dom,
    show(field, taken) {
      if (field.control.kind === "choice") {
        const options = field.control.choices.map((one) => element("option", { value: one.value }));
        list.replaceChildren(...options);
      }
      view.show(field, taken);
    },
  };
}
