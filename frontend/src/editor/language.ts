/** What the source of a cell is written in: Python, Markdown, or nothing in particular. */
import { python } from "@codemirror/lang-python";
import { bracketMatching, defineLanguageFacet, indentUnit, Language, LanguageSupport } from "@codemirror/language";
import { EditorState, type Extension } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { GFM, parser } from "@lezer/markdown";
import type { CellType } from "../notebook/schema.ts";

const markdownLanguage = new Language(defineLanguageFacet(), parser.configure(GFM), [], "markdown");

export function language(type: CellType): Extension {
  switch (type) {
    case "code":
      return [python(), indentUnit.of("    "), EditorState.tabSize.of(4), bracketMatching()];
    case "markdown":
      return [new LanguageSupport(markdownLanguage), EditorView.lineWrapping, EditorState.tabSize.of(4)];
    case "raw":
      return [EditorView.lineWrapping];
  }
}
