/** The grammar of text cells: a chunk of its own, as most pages are read before anybody writes in one. */
import { defineLanguageFacet, Language, LanguageSupport } from "@codemirror/language";
import { GFM, parser } from "@lezer/markdown";

export function markdown(): LanguageSupport {
  return new LanguageSupport(new Language(defineLanguageFacet(), parser.configure(GFM), [], "markdown"));
}
