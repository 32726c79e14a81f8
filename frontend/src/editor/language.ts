/** What the source of a cell is written in: Python, Markdown, or nothing in particular. */
import { bracketMatching, indentUnit } from "@codemirror/language";
import { Compartment, EditorState, type Extension } from "@codemirror/state";
import { EditorView, ViewPlugin } from "@codemirror/view";
import type { CellType } from "../notebook/schema.ts";

export function language(type: CellType): Extension {
  switch (type) {
    case "code":
      return [whenLoaded(python), indentUnit.of("    "), EditorState.tabSize.of(4), bracketMatching()];
    case "markdown":
      return [whenLoaded(markdown), EditorView.lineWrapping, EditorState.tabSize.of(4)];
    case "raw":
      return [EditorView.lineWrapping];
  }
}

/** Grammars are a tenth of the page's code and more: each comes as a chunk of its own, once, and writing does not wait. */
interface Grammar {
  readonly name: string;
  readonly fetch: () => Promise<Extension>;
  loaded: Extension | null;
  loading: Promise<Extension> | null;
}

const python: Grammar = {
  name: "Python",
  fetch: () => import("@codemirror/lang-python").then((chunk) => chunk.python()),
  loaded: null,
  loading: null,
};
const markdown: Grammar = {
  name: "Markdown",
  fetch: () => import("./markdown_grammar.ts").then((chunk) => chunk.markdown()),
  loaded: null,
  loading: null,
};

export const loadPython = (): Promise<Extension> => load(python);
export const loadMarkdown = (): Promise<Extension> => load(markdown);

/** Rejects when the chunk cannot be had; the next call asks again. */
async function load(grammar: Grammar): Promise<Extension> {
  grammar.loading ??= grammar.fetch();
  try {
    grammar.loaded = await grammar.loading;
    return grammar.loaded;
  } catch (error) {
    grammar.loading = null;
    throw error;
  }
}

function whenLoaded(grammar: Grammar): Extension {
  if (grammar.loaded !== null) return grammar.loaded;
  const place = new Compartment();
  const waiting = ViewPlugin.define((view) => {
    let isGone = false;
    load(grammar).then(
      (loaded) => {
        if (!isGone) view.dispatch({ effects: place.reconfigure(loaded) });
      },
      (error: unknown) =>
        console.warn(`${grammar.name} is shown without colours, as its grammar cannot be loaded.`, error),
    );
    return {
      destroy() {
        isGone = true;
      },
    };
  });
  return [place.of([]), waiting];
}
