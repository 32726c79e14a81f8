/**
 * A cell's form on the page. Follows the source, whoever writes there: a field keeps its node while its line keeps its
 * name, so that nobody's edit elsewhere takes away what somebody is typing.
 */
import "./forms.css";
import { observeCell } from "../notebook/observe.ts";
import { cellOf } from "../notebook/schema.ts";
import { renderMarkdown } from "../outputs/markdown.ts";
import type { Session } from "../session/session.ts";
import { element, setAttribute, setText } from "../views/shared/element.ts";
import { changeOf, write } from "./change.ts";
import { editSource } from "./edit.ts";
import { createField, type FieldView } from "./field.ts";
import { type Field, type Form, type Note, readForm } from "./form.ts";

export interface FormOptions {
  readonly parent: HTMLElement;
  readonly session: Session;
  readonly cellId: string;
  readonly onAction: (action: string) => void;
  /** The form came or went, as the source has one or not. */
  readonly onShown: () => void;
}

export interface FormView {
  /** `refused` says why fields cannot be changed, or is null. */
  update(number: number, refused: string | null, isCodeHidden: boolean): void;
  destroy(): void;
}

export function mountForm({ parent, session, cellId, onAction, onShown }: FormOptions): FormView {
  const { notebook } = session;
  const title = element("h3", { class: "form-title" });
  const toggle = element("button", { class: "button button-quiet form-toggle", type: "button" });
  const head = element("div", { class: "form-head" }, [title, toggle]);
  const items = element("div", { class: "form-items" });
  parent.append(head, items);
  toggle.addEventListener("click", () => onAction("view.toggleSource"));
  const fields = new Map<string, FieldView>();
  const notes: { readonly dom: HTMLElement; markdown: string }[] = [];
  let form: Form | null = null;
  let refusal: string | null = null;
  let number = 0;
  let isCodeHidden = false;

  const commit = (field: Field, value: string | boolean, isFinal: boolean): string | null => {
    const cell = cellOf(notebook, cellId);
    if (cell === null || refusal !== null) return refusal;
    const written = write(field, value);
    if (written.kind === "refused") return written.why;
    const change = changeOf(cell.source.toString(), field.key, written.text, field.control.kind === "text");
    if (change !== null) editSource(session, cellId, change);
    if (isFinal && form?.isAuto === true) onAction("runtime.run");
    return null;
  };

  const note = (at: number): HTMLElement => {
    const made = notes[at]?.dom ?? element("div", { class: "form-note" });
    notes[at] ??= { dom: made, markdown: "" };
    return made;
  };

  const drawNote = (at: number, { markdown }: Note): HTMLElement => {
    const dom = note(at);
    const known = notes[at];
    if (known === undefined || known.markdown === markdown) return dom;
    known.markdown = markdown;
    renderMarkdown(dom, markdown, new Map()).catch(() => setText(dom, markdown));
    return dom;
  };

  const drawField = (field: Field): HTMLElement => {
    let view = fields.get(field.key);
    if (view === undefined || !view.fits(field)) {
      view = createField(field, commit);
      fields.set(field.key, view);
    }
    view.update(field, refusal);
    return view.dom;
  };

  const draw = (): void => {
    const cell = cellOf(notebook, cellId);
    form = cell?.type === "code" ? readForm(cell.source.toString()) : null;
    const isGone = form === null;
    if (parent.hidden !== isGone) {
      parent.hidden = isGone;
      onShown();
    }
    if (form === null) return;
    setAttribute(parent, "aria-label", `Form of cell ${number}`);
    setText(title, form.title ?? "");
    setText(toggle, isCodeHidden ? "Show code" : "Hide code");
    setAttribute(toggle, "aria-label", `${isCodeHidden ? "Show" : "Hide"} code of cell ${number}`);
    const keys = new Set(form.items.map((item) => (item.kind === "field" ? item.key : "")));
    for (const key of fields.keys()) if (!keys.has(key)) fields.delete(key);
    let at = -1;
    const wanted = form.items.map((item) => {
      if (item.kind === "field") return drawField(item);
      at += 1;
      return drawNote(at, item);
    });
    notes.length = at + 1;
    place(items, wanted);
  };

  const keys = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || event.isComposing || !(event.shiftKey || event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    event.stopPropagation();
    // What is being typed is a change first.
    if (event.target instanceof HTMLElement) event.target.dispatchEvent(new Event("change", { bubbles: true }));
    onAction(event.shiftKey ? "runtime.runNext" : "runtime.run");
  };
  parent.addEventListener("keydown", keys);
  const stop = observeCell(notebook, cellId, draw);
  draw();

  return {
    update(next, refused, isHidden) {
      if (next === number && refused === refusal && isHidden === isCodeHidden) return;
      number = next;
      refusal = refused;
      isCodeHidden = isHidden;
      draw();
    },
    destroy() {
      stop();
      parent.removeEventListener("keydown", keys);
      parent.replaceChildren();
    },
  };
}

/** Brings the children in this order and moves no more than it must: a moved node loses the focus. */
function place(parent: HTMLElement, wanted: readonly HTMLElement[]): void {
  const there = new Set<Element>(wanted);
  for (const child of [...parent.children]) if (!there.has(child)) child.remove();
  wanted.forEach((node, at) => {
    if (parent.children[at] !== node) parent.insertBefore(node, parent.children[at] ?? null);
  });
}
