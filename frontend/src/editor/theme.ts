/** How source looks, by the page's CSS variables, so that a change of theme needs no new editor. */
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import type { Extension } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";

/** Shared with the plain text that stands where no editor is, or the page would jump. */
export const METRICS = {
  fontFamily: "var(--mono)",
  fontSize: "var(--code)",
  lineHeight: "1.5",
  padding: "0.5rem 0.75rem",
} as const;

const look = EditorView.theme({
  "&": { color: "var(--editor-fg)", backgroundColor: "transparent", fontSize: METRICS.fontSize },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: METRICS.fontFamily, lineHeight: METRICS.lineHeight, overflowX: "auto" },
  ".cm-content": { padding: "0.5rem 0", caretColor: "var(--editor-cursor)", minHeight: "1.5em" },
  ".cm-line": { padding: "0 0.75rem" },
  ".cm-gutters": { backgroundColor: "transparent", border: "none", color: "var(--editor-gutter)" },
  // As wide as `widthOfNumbers` says.
  ".cm-lineNumbers .cm-gutterElement": { minWidth: "calc(3ch + 0.75rem)", padding: "0 0.25rem 0 0.5rem" },
  ".cm-cursor, .cm-dropCursor": { borderLeftColor: "var(--editor-cursor)", borderLeftWidth: "2px" },
  ".cm-selectionBackground": { backgroundColor: "var(--editor-selection)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground": {
    backgroundColor: "var(--editor-selection)",
  },
  ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": {
    backgroundColor: "color-mix(in srgb, var(--accent) 22%, transparent)",
    outline: "none",
  },
  ".cm-tooltip": {
    border: "1px solid var(--line-strong)",
    borderRadius: "var(--radius)",
    backgroundColor: "var(--surface)",
    color: "var(--text)",
    boxShadow: "0 2px 12px var(--shadow)",
    overflow: "hidden",
  },
  ".cm-tooltip-autocomplete > ul": { fontFamily: METRICS.fontFamily, fontSize: METRICS.fontSize, maxHeight: "16em" },
  ".cm-tooltip-autocomplete > ul > li": { padding: "0.125rem 0.5rem" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--surface)" },
  ".cm-completionDetail": { opacity: "0.75", fontStyle: "normal", marginLeft: "1em" },
  ".remote-selection": { opacity: "0.25", borderRadius: "2px" },
  ".remote-caret": { width: "2px !important", marginLeft: "-1px", zIndex: "5" },
  // Within the scroller on every side, or it would be cut off, or bring a scroll bar.
  ".remote-caret-name": {
    position: "absolute",
    bottom: "100%",
    left: "0",
    maxWidth: "10rem",
    overflow: "hidden",
    textOverflow: "ellipsis",
    padding: "0 0.375rem",
    borderRadius: "3px",
    color: "#fff",
    font: "600 0.6875rem/1.4 var(--sans)",
    whiteSpace: "nowrap",
    pointerEvents: "none",
    transition: "opacity 200ms",
    opacity: "0",
  },
  ".remote-caret[data-flipped] .remote-caret-name": { left: "auto", right: "0" },
  ".remote-caret[data-beside] .remote-caret-name": { bottom: "auto", top: "0", left: "100%" },
  ".remote-caret[data-beside][data-flipped] .remote-caret-name": { left: "auto", right: "100%" },
  ".remote-caret[data-moved] .remote-caret-name, .remote-caret:hover .remote-caret-name": { opacity: "1" },
  ".inspection": {
    maxHeight: "30em",
    maxWidth: "min(44rem, 90vw)",
    overflow: "auto",
    margin: "0",
    padding: "0.5rem 0.75rem",
    font: "0.75rem/1.5 var(--mono)",
    whiteSpace: "pre-wrap",
  },
});

const colors = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier, tags.self, tags.bool, tags.null], color: "var(--syntax-keyword)" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: "var(--syntax-string)" },
  { tag: [tags.number, tags.atom], color: "var(--syntax-number)" },
  { tag: [tags.comment, tags.quote], color: "var(--syntax-comment)", fontStyle: "italic" },
  {
    tag: [tags.function(tags.variableName), tags.function(tags.definition(tags.variableName)), tags.className],
    color: "var(--syntax-function)",
  },
  { tag: [tags.definition(tags.className), tags.link, tags.url], color: "var(--syntax-function)" },
  { tag: [tags.operator, tags.punctuation, tags.processingInstruction], color: "var(--syntax-operator)" },
  { tag: tags.heading, color: "var(--syntax-heading)", fontWeight: "700" },
  { tag: tags.strong, fontWeight: "700" },
  { tag: tags.emphasis, fontStyle: "italic" },
  { tag: tags.strikethrough, textDecoration: "line-through" },
  { tag: tags.monospace, color: "var(--syntax-string)" },
]);

export function theme(): Extension {
  return [look, syntaxHighlighting(colors)];
}
