/** Rows of the Edit menu: cells cut, moved, joined and changed. Text inside a cell is the editor's own affair. */

import {
  copyCells,
  deleteCells,
  duplicateCells,
  mergeCells,
  moveCells,
  pasteCells,
  setType,
  splitCell,
} from "../notebook/edits.ts";
import { orderedIds } from "../notebook/schema.ts";
import { STRUCTURE } from "../notebook/undo.ts";
import { type Action, cell, command, edit } from "./action.ts";
import { setHeading } from "./heading.ts";
import { step } from "./history.ts";
import { everything, neighbour, only, prune } from "./selection.ts";
import { setSelection, type Workbench } from "./workbench.ts";

const order = (bench: Workbench): readonly string[] => orderedIds(bench.session.notebook);
const chosen = (bench: Workbench): readonly string[] => bench.view.getState().selection.ids;

const noCell = (bench: Workbench): string | null => (chosen(bench).length === 0 ? "no cell is selected" : null);
const emptyClipboard = (bench: Workbench): string | null =>
  bench.view.getState().clipboard.length === 0 ? "nothing was copied" : null;

/** The id after the last selected cell; null at the end. */
function after(bench: Workbench): string | null {
  const ids = order(bench);
  return ids[ids.indexOf(chosen(bench).at(-1) ?? "") + 1] ?? null;
}

function select(bench: Workbench, ids: readonly string[]): void {
  const last = ids.at(-1);
  if (last === undefined) return;
  bench.cells.focus(last);
  setSelection(bench, { active: last, anchor: ids[0] ?? last, ids });
}

function remove(bench: Workbench): void {
  const ids = chosen(bench);
  const before = order(bench);
  deleteCells(bench.session.notebook, ids);
  const next = prune(before, order(bench), bench.view.getState().selection);
  setSelection(bench, next);
  if (next.active !== null) bench.cells.focus(next.active);
}

function copy(bench: Workbench): void {
  bench.view.setState({ clipboard: copyCells(bench.session.notebook, chosen(bench)) });
}

/** Merges neighbours of `ids`, which are in display order. */
function merge(bench: Workbench, ids: readonly string[]): void {
  if (ids.length < 2) return;
  const kept = mergeCells(bench.session.notebook, ids);
  bench.cells.focus(kept);
}

/** Moves the selection over its neighbour above (-1) or below (1). */
function move(bench: Workbench, direction: -1 | 1): void {
  const ids = order(bench);
  const moving = new Set(chosen(bench));
  const places = ids.flatMap((id, place) => (moving.has(id) ? [place] : []));
  const first = places[0];
  const last = places.at(-1);
  if (first === undefined || last === undefined) return;
  if (direction === -1) {
    const above = ids[first - 1];
    if (above !== undefined) moveCells(bench.session.notebook, [...moving], above);
  } else if (last + 1 < ids.length) {
    moveCells(bench.session.notebook, [...moving], ids[last + 2] ?? null);
  }
  const { active } = bench.view.getState().selection;
  if (active !== null) bench.cells.scrollTo(active);
}

/** Changes every selected cell in one step of the history. */
function together(bench: Workbench, write: (id: string) => void): void {
  bench.session.notebook.doc.transact(() => {
    for (const id of chosen(bench)) write(id);
  }, STRUCTURE);
}

function change(bench: Workbench, type: "code" | "markdown" | "raw"): void {
  together(bench, (id) => setType(bench.session.notebook, id, type));
}

const headings: readonly Action[] = [1, 2, 3, 4, 5, 6].map((level) => ({
  id: `edit.toHeading${level}`,
  title: `Heading ${level}`,
  role: "editor",
  keys: command(String(level)),
  when: noCell,
  run: (bench) => together(bench, (id) => setHeading(bench.session.notebook, id, level)),
}));

export const editActions: readonly Action[] = [
  {
    id: "edit.undo",
    title: "Undo",
    role: "editor",
    keys: [...command("Z", "Mod+Z"), ...cell("Leader Z")],
    run: (bench) => step(bench, "undo"),
  },
  {
    id: "edit.redo",
    title: "Redo",
    role: "editor",
    keys: command("Shift+Z", "Mod+Shift+Z", "Ctrl+Y"),
    run: (bench) => step(bench, "redo"),
  },
  {
    id: "edit.selectAll",
    title: "Select all cells",
    role: "viewer",
    keys: [...command("Mod+A"), ...cell("Mod+Shift+A")],
    run: (bench) => {
      bench.cells.leave();
      setSelection(bench, everything(order(bench), bench.view.getState().selection));
    },
  },
  {
    id: "edit.deselect",
    title: "Deselect",
    role: "viewer",
    keys: [],
    run: (bench) => {
      const { active } = bench.view.getState().selection;
      if (active !== null) setSelection(bench, only(active));
    },
  },
  {
    id: "edit.cut",
    title: "Cut",
    role: "editor",
    keys: [...command("X"), ...cell("Leader X")],
    when: noCell,
    run: (bench) => {
      copy(bench);
      remove(bench);
    },
  },
  {
    id: "edit.copy",
    title: "Copy",
    role: "viewer",
    keys: [...command("C"), ...cell("Leader C")],
    when: noCell,
    run: (bench) => {
      copy(bench);
      const count = chosen(bench).length;
      bench.say(count === 1 ? "1 cell copied." : `${count} cells copied.`);
    },
  },
  {
    id: "edit.pasteBelow",
    title: "Paste below",
    role: "editor",
    keys: [...command("V"), ...cell("Leader V")],
    when: emptyClipboard,
    run: (bench) => {
      select(bench, pasteCells(bench.session.notebook, [...bench.view.getState().clipboard], after(bench)));
    },
  },
  {
    id: "edit.pasteAbove",
    title: "Paste above",
    role: "editor",
    keys: command("Shift+V"),
    when: emptyClipboard,
    run: (bench) => {
      const before = chosen(bench)[0] ?? null;
      select(bench, pasteCells(bench.session.notebook, [...bench.view.getState().clipboard], before));
    },
  },
  {
    id: "edit.duplicate",
    title: "Duplicate",
    role: "editor",
    keys: [],
    when: noCell,
    run: (bench) => {
      select(bench, duplicateCells(bench.session.notebook, [...chosen(bench)]));
    },
  },
  {
    id: "edit.delete",
    title: "Delete",
    role: "editor",
    keys: [...command("D D"), ...cell("Leader D")],
    when: noCell,
    run: (bench) => {
      const count = chosen(bench).length;
      remove(bench);
      bench.say(`${count === 1 ? "Cell" : `${count} cells`} deleted. Press Z to undo.`);
    },
  },
  {
    id: "edit.moveUp",
    title: "Move up",
    role: "editor",
    keys: cell("Ctrl+Shift+ArrowUp", "Leader K"),
    when: noCell,
    run: (bench) => move(bench, -1),
  },
  {
    id: "edit.moveDown",
    title: "Move down",
    role: "editor",
    keys: cell("Ctrl+Shift+ArrowDown", "Leader J"),
    when: noCell,
    run: (bench) => move(bench, 1),
  },
  {
    id: "edit.split",
    title: "Split at cursor",
    role: "editor",
    keys: [...edit("Ctrl+Shift+-"), ...cell("Leader -")],
    when: (bench) => {
      const { active } = bench.view.getState().selection;
      return active === null || bench.cells.caret(active) === null ? "open a cell first" : null;
    },
    run: (bench) => {
      const { active } = bench.view.getState().selection;
      const caret = active === null ? null : bench.cells.caret(active);
      if (active === null || caret === null) return;
      const fresh = splitCell(bench.session.notebook, active, caret);
      bench.cells.edit(fresh, "start");
    },
  },
  {
    id: "edit.mergeSelected",
    title: "Merge selected",
    role: "editor",
    keys: [...command("Shift+M"), ...cell("Leader /")],
    when: noCell,
    run: (bench) => {
      const ids = chosen(bench);
      const following = after(bench);
      merge(bench, ids.length > 1 || following === null ? ids : [...ids, following]);
    },
  },
  {
    id: "edit.mergeAbove",
    title: "Merge above",
    role: "editor",
    keys: command("Ctrl+Backspace"),
    when: noCell,
    run: (bench) => {
      const ids = chosen(bench);
      const all = order(bench);
      const above = all[all.indexOf(ids[0] ?? "") - 1];
      if (above !== undefined) merge(bench, [above, ...ids]);
    },
  },
  {
    id: "edit.mergeBelow",
    title: "Merge below",
    role: "editor",
    keys: command("Ctrl+Shift+M"),
    when: noCell,
    run: (bench) => {
      const following = after(bench);
      if (following !== null) merge(bench, [...chosen(bench), following]);
    },
  },
  {
    id: "edit.toCode",
    title: "Code",
    role: "editor",
    keys: [...command("Y"), ...cell("Leader Y")],
    when: noCell,
    run: (bench) => change(bench, "code"),
  },
  {
    id: "edit.toMarkdown",
    title: "Text",
    role: "editor",
    // Ctrl+M, M is the leader twice; the second one only has to be pressed without Ctrl.
    keys: [...command("M"), ...cell("Leader M")],
    when: noCell,
    run: (bench) => change(bench, "markdown"),
  },
  {
    id: "edit.toRaw",
    title: "Raw",
    role: "editor",
    keys: [...command("R"), ...cell("Leader R")],
    when: noCell,
    run: (bench) => change(bench, "raw"),
  },
  ...headings,
  {
    id: "edit.clearOutput",
    title: "Clear selected output",
    role: "editor",
    keys: [],
    when: noCell,
    run: (bench) => {
      bench.session.send({ type: "clear_outputs", cells: [...chosen(bench)] });
    },
  },
  {
    id: "edit.clearAllOutputs",
    title: "Clear all outputs",
    role: "editor",
    keys: [],
    run: (bench) => {
      bench.session.send({ type: "clear_outputs", cells: "all" });
    },
  },
  {
    id: "cell.edit",
    title: "Edit source",
    role: "editor",
    keys: command("Enter"),
    when: noCell,
    run: (bench) => {
      const { active } = bench.view.getState().selection;
      if (active !== null) bench.cells.edit(active);
    },
  },
  {
    id: "cell.leave",
    title: "Leave the editor",
    role: "viewer",
    keys: cell("Leader Escape"),
    run: (bench) => bench.cells.leave(),
  },
  {
    id: "cell.copyLink",
    title: "Copy link to cell",
    role: "viewer",
    keys: [],
    when: noCell,
    run: async (bench) => {
      const { active } = bench.view.getState().selection;
      await navigator.clipboard.writeText(`${location.origin}/n/${bench.session.id}#cell=${active ?? ""}`);
      bench.say("Link to the cell copied. It opens for people who may read the notebook.");
    },
  },
  {
    id: "select.previous",
    title: "Previous cell",
    role: "viewer",
    keys: [...command("ArrowUp", "K"), ...cell("Leader P")],
    run: (bench) => {
      const id = neighbour(order(bench), bench.view.getState().selection, -1);
      if (id !== null) bench.cells.focus(id);
    },
  },
  {
    id: "select.next",
    title: "Next cell",
    role: "viewer",
    keys: [...command("ArrowDown", "J"), ...cell("Leader N")],
    run: (bench) => {
      const id = neighbour(order(bench), bench.view.getState().selection, 1);
      if (id !== null) bench.cells.focus(id);
    },
  },
];
