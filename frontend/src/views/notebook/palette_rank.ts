/** Which commands a few typed letters mean, best first. Pure. */

import type { Action } from "../../actions/action";

const GROUPS: Readonly<Record<string, string>> = {
  file: "File",
  edit: "Edit",
  cell: "Cell",
  select: "Select",
  view: "View",
  insert: "Insert",
  runtime: "Runtime",
  tools: "Tools",
  help: "Help",
};

export function groupOf(id: string): string {
  if (id.startsWith("edit.to")) return "Change to";
  if (id.startsWith("view.theme.")) return "Theme";
  if (id.startsWith("file.download")) return "Download";
  return GROUPS[id.split(".")[0] ?? ""] ?? "";
}

/** All words must occur, in the title or its group; those that begin words of the title come first. */
export function rank(query: string, actions: readonly Action[]): readonly Action[] {
  const words = query
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  if (words.length === 0) return actions;
  const scored = actions.flatMap((action) => {
    const title = action.title.toLowerCase();
    const text = `${groupOf(action.id).toLowerCase()} ${title}`;
    if (!words.every((word) => text.includes(word))) return [];
    const begins = words.filter((word) => title.split(/[\s.]+/).some((part) => part.startsWith(word))).length;
    return [{ action, score: begins * 2 + (title.startsWith(words[0] ?? "") ? 1 : 0) }];
  });
  return scored.sort((a, b) => b.score - a.score).map(({ action }) => action);
}
