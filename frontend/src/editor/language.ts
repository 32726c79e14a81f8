/** What the source of a cell is written in: Python, Markdown, or nothing in particular. */
import { bracketMatching, defineLanguageFacet, indentUnit, Language, LanguageSupport } from "@codemirror/language";
import { Compartment, EditorState, type Extension } from "@codemirror/state";
import { EditorView, ViewPlugin } from "@codemirror/view";
import { GFM, parser } from "@lezer/markdown";
import type { CellType } from "../notebook/schema.ts";

const markdownLanguage = new Language(defineLanguageFacet(), parser.configure(GFM), [], "markdown");

export function language(type: CellType): Extension {
  switch (type) {
    case "code":
      return [pythonWhenLoaded(), indentUnit.of("    "), EditorState.tabSize.of(4), bracketMatching()];
    case "markdown":
      return [new LanguageSupport(markdownLanguage), EditorView.lineWrapping, EditorState.tabSize.of(4)];
    case "raw":
      return [EditorView.lineWrapping];
  }
}

// The grammar is a tenth of the page's code: it comes as a chunk of its own, once, and writing does not wait for it.
let python: Extension | null = null;
let loading: Promise<Extension> | null = null;

/** Rejects when the chunk cannot be had; the next call asks again. */
export async function loadPython(): Promise<Extension> {
  loading ??= import("@codemirror/lang-python").then((chunk) => chunk.python());
  try {
    python = await loading;
    return python;
  } catch (error) {
    loading = null;
    throw error;
  }
}

function pythonWhenLoaded(): Extension {
  if (python !== null) return python;
  const grammar = new Compartment();
  const waiting = ViewPlugin.define((view) => {
    let isGone = false;
    loadPython().then(
      (loaded) => {
        if (!isGone) view.dispatch({ effects: grammar.reconfigure(loaded) });
      },
      (error: unknown) => console.warn("Python is shown without colours, as its grammar cannot be loaded.", error),
    );
    return {
      destroy() {
        isGone = true;
      },
    };
  });
  return [grammar.of([]), waiting];
}
