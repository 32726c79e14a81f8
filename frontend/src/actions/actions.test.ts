/** The action table itself: ids, roles, keys and menus as ui.md has them. */
import { describe, expect, test } from "vitest";
import { ACTIONS, actionOf, LINE, MENUS, type MenuEntry } from "../actions.ts";
import type { Place } from "./action.ts";
import { type Chord, parseKeys, sameChord } from "./keys.ts";
import type { Role } from "./role.ts";

const keysOf = (id: string, place: Place): string[] =>
  actionOf(id)
    .keys.filter(({ keys, places }) => places.includes(place) && !keys.startsWith("Leader"))
    .map(({ keys }) => keys);
const leaderOf = (id: string): string[] =>
  actionOf(id)
    .keys.filter(({ keys }) => keys.startsWith("Leader "))
    .map(({ keys }) => keys.slice(7));
const words = (text: string): string[] => (text === "" ? [] : text.split(", "));

test("ids are of one kind and never twice; every row has a title for people", () => {
  const ids = ACTIONS.map(({ id }) => id);
  expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([]);
  for (const { id, title } of ACTIONS) {
    expect(id).toMatch(/^(file|edit|cell|select|view|insert|runtime|tools|help)(\.[a-zA-Z0-9]+)+$/);
    expect(title).toMatch(/^[A-Z.]/);
  }
  expect(() => actionOf("no.such")).toThrow("no.such");
});

test("every action needs the role that the table of menus gives it", () => {
  const roles: Readonly<Record<Role, string>> = {
    viewer:
      "file.copy, file.save, file.share, file.copyLink, file.downloadIpynb, file.downloadClean, file.downloadPy, file.downloadMd, file.downloadHtml, file.print, edit.selectAll, edit.deselect, edit.copy, cell.leave, cell.copyLink, select.previous, select.next, select.extendUp, select.extendDown, select.extendFirst, select.extendLast, view.toggleSource, view.toggleOutput, view.toggleAllSources, view.toggleAllOutputs, edit.copyOutput, file.downloadOutput, view.scrollOutput, view.outputAsText, view.outputFullScreen, view.lineNumbersCell, view.lineNumbers, view.resources, view.executions, view.secrets, view.nextPart, view.previousPart, runtime.renderText, runtime.goToLastRun",
    commenter: "",
    runner:
      "file.closeShutdown, runtime.connect, runtime.runAll, runtime.runBefore, runtime.run, runtime.runNext, runtime.runBelow, runtime.runStale, runtime.interrupt, runtime.cancelMine, runtime.restart, runtime.restartRunAll, runtime.extendIdle, runtime.shutdown",
    editor:
      "file.rename, edit.undo, edit.redo, edit.cut, edit.pasteBelow, edit.pasteAbove, edit.duplicate, edit.delete, edit.moveUp, edit.moveDown, edit.split, edit.mergeSelected, edit.mergeAbove, edit.mergeBelow, edit.toCode, edit.toMarkdown, edit.toRaw, edit.toHeading1, edit.toHeading2, edit.toHeading3, edit.toHeading4, edit.toHeading5, edit.toHeading6, edit.clearOutput, edit.clearAllOutputs, cell.edit, insert.codeAbove, insert.codeBelow, insert.markdownAbove, insert.markdownBelow, insert.headingAbove, insert.headingBelow, insert.raw, insert.formField, cell.formOnly, edit.omitOutputs, runtime.runInsert, runtime.restartClear, runtime.changeType",
    owner: "file.trash, runtime.attach, runtime.reset, runtime.resetAll",
  };
  const anyone =
    "file.new, file.open, file.recovered, view.theme.system, view.theme.light, view.theme.dark, view.tabFocus, tools.palette, tools.shortcuts, help.about";
  const expected = [...Object.entries(roles), ["anyone", anyone] as const].flatMap(([role, ids]) =>
    words(ids).map((id): [string, string] => [id, role]),
  );
  expect(Object.fromEntries(ACTIONS.map(({ id, role }) => [id, role ?? "anyone"]))).toEqual(
    Object.fromEntries(expected),
  );
});

describe("keys", () => {
  // Section 5 of ui.md, as far as these actions go.
  test.each([
    { id: "cell.edit", command: "Enter", edit: "", leader: "" },
    { id: "cell.leave", command: "", edit: "", leader: "Escape" },
    { id: "runtime.run", command: "Mod+Enter, Ctrl+Enter", edit: "Mod+Enter, Ctrl+Enter", leader: "" },
    { id: "runtime.runNext", command: "Shift+Enter", edit: "Shift+Enter", leader: "" },
    { id: "runtime.runInsert", command: "Alt+Enter", edit: "Alt+Enter", leader: "" },
    { id: "runtime.runAll", command: "Mod+F9", edit: "Mod+F9", leader: "" },
    { id: "runtime.runBefore", command: "Mod+F8", edit: "Mod+F8", leader: "" },
    { id: "runtime.runBelow", command: "Mod+F10", edit: "Mod+F10", leader: "" },
    { id: "runtime.interrupt", command: "I I", edit: "", leader: "I" },
    { id: "runtime.restart", command: "0 0", edit: "", leader: "." },
    { id: "insert.codeAbove", command: "A", edit: "", leader: "A" },
    { id: "insert.codeBelow", command: "B", edit: "", leader: "B" },
    { id: "insert.headingAbove", command: "Shift+A", edit: "", leader: "" },
    { id: "insert.headingBelow", command: "Shift+B", edit: "", leader: "" },
    { id: "edit.toCode", command: "Y", edit: "", leader: "Y" },
    { id: "edit.toMarkdown", command: "M", edit: "", leader: "M" },
    { id: "edit.toRaw", command: "R", edit: "", leader: "R" },
    { id: "edit.toHeading1", command: "1", edit: "", leader: "" },
    { id: "edit.toHeading6", command: "6", edit: "", leader: "" },
    { id: "edit.delete", command: "D D", edit: "", leader: "D" },
    { id: "edit.undo", command: "Z, Mod+Z", edit: "", leader: "Z" },
    { id: "edit.redo", command: "Shift+Z, Mod+Shift+Z, Ctrl+Y", edit: "", leader: "" },
    { id: "edit.cut", command: "X", edit: "", leader: "X" },
    { id: "edit.copy", command: "C", edit: "", leader: "C" },
    { id: "edit.pasteBelow", command: "V", edit: "", leader: "V" },
    { id: "edit.pasteAbove", command: "Shift+V", edit: "", leader: "" },
    { id: "edit.selectAll", command: "Mod+A, Mod+Shift+A", edit: "Mod+Shift+A", leader: "" },
    { id: "select.extendUp", command: "Shift+ArrowUp, Shift+K", edit: "", leader: "" },
    { id: "select.extendDown", command: "Shift+ArrowDown, Shift+J", edit: "", leader: "" },
    { id: "select.extendFirst", command: "Shift+Home", edit: "", leader: "" },
    { id: "select.extendLast", command: "Shift+End", edit: "", leader: "" },
    { id: "select.previous", command: "ArrowUp, K", edit: "", leader: "P" },
    { id: "select.next", command: "ArrowDown, J", edit: "", leader: "N" },
    { id: "edit.moveUp", command: "Ctrl+Shift+ArrowUp", edit: "Ctrl+Shift+ArrowUp", leader: "K" },
    { id: "edit.moveDown", command: "Ctrl+Shift+ArrowDown", edit: "Ctrl+Shift+ArrowDown", leader: "J" },
    { id: "edit.split", command: "", edit: "Ctrl+Shift+-", leader: "-" },
    { id: "edit.mergeSelected", command: "Shift+M", edit: "", leader: "/" },
    { id: "edit.mergeAbove", command: "Ctrl+Backspace", edit: "", leader: "" },
    { id: "edit.mergeBelow", command: "Ctrl+Shift+M", edit: "", leader: "" },
    { id: "view.toggleOutput", command: "O", edit: "", leader: "O" },
    { id: "view.lineNumbersCell", command: "L", edit: "", leader: "L" },
    { id: "view.lineNumbers", command: "Shift+L", edit: "", leader: "" },
    { id: "file.save", command: "Mod+S", edit: "Mod+S", leader: "" },
    { id: "file.open", command: "Mod+O", edit: "Mod+O", leader: "" },
    { id: "file.print", command: "Mod+P", edit: "Mod+P", leader: "" },
    { id: "tools.palette", command: "Mod+Shift+P, F1, Mod+Shift+C", edit: "Mod+Shift+P, F1, Mod+Shift+C", leader: "" },
    { id: "tools.shortcuts", command: "H, ?, Mod+Shift+H", edit: "Mod+Shift+H", leader: "H" },
    { id: "view.executions", command: "Ctrl+Alt+H", edit: "Ctrl+Alt+H", leader: "" },
    { id: "view.nextPart", command: "F6", edit: "F6", leader: "" },
    { id: "view.previousPart", command: "Shift+F6", edit: "Shift+F6", leader: "" },
    { id: "view.tabFocus", command: "Alt+Shift+M", edit: "Alt+Shift+M", leader: "" },
  ])("$id", ({ id, command, edit, leader }) => {
    expect({ command: keysOf(id, "command"), edit: keysOf(id, "edit"), leader: leaderOf(id) }).toEqual({
      command: words(command),
      edit: words(edit),
      leader: words(leader),
    });
  });

  const bound = (place: Place | "leader"): { readonly id: string; readonly chords: readonly Chord[] }[] =>
    ACTIONS.flatMap(({ id, keys }) =>
      keys
        .filter((binding) =>
          place === "leader"
            ? binding.keys.startsWith("Leader")
            : !binding.keys.startsWith("Leader") && binding.places.includes(place),
        )
        .map((binding) => ({ id, chords: parseKeys(binding.keys) })),
    );

  test.each(["command", "edit", "page", "leader"] as const)("none is bound twice, nor begins another: %s", (place) => {
    const all = bound(place);
    const clashes = all.flatMap((one, at) =>
      all
        .slice(at + 1)
        .filter(({ id, chords }) => {
          const shorter = Math.min(chords.length, one.chords.length);
          const isSame = Array.from({ length: shorter }, (_, nth) => nth).every((nth) => {
            const [a, b] = [chords[nth], one.chords[nth]];
            return a !== undefined && b !== undefined && (sameChord(a, b) || sameChord(b, a));
          });
          // Mod+Enter and Ctrl+Enter are one key but on macOS, and mean the same.
          return isSame && id !== one.id;
        })
        .map(({ id }) => `${one.id} and ${id}`),
    );
    expect(clashes).toEqual([]);
  });

  test("[conflict 4] none is a key that browsers keep", () => {
    const kept = [
      "Mod+N",
      "Mod+T",
      "Mod+W",
      "Mod+Shift+N",
      "Mod+Shift+T",
      "F11",
      "Mod+1",
      "Mod+9",
      "Ctrl+N",
      "Ctrl+T",
      "Ctrl+W",
    ];
    const all = ACTIONS.flatMap(({ keys }) => keys.map((binding) => binding.keys));
    expect(all.filter((keys) => kept.includes(keys) || /^(Mod|Ctrl)\+[1-9]$/.test(keys))).toEqual([]);
    // Developer tools have Ctrl+Shift+C: an alias, never what is shown.
    expect(actionOf("tools.palette").keys[0]?.keys).not.toContain("Shift+C");
  });

  test("[conflict 5] on macOS none hides the page, types a character or selects text", () => {
    const all = ACTIONS.flatMap(({ keys }) => keys.map((binding) => binding.keys));
    expect(all.filter((keys) => /^(Mod\+H|Alt\+[0-9]|Mod\+Shift\+Arrow(Up|Down))$/.test(keys))).toEqual([]);
    // Ctrl with arrows may belong to the desktop: moving has another way.
    for (const id of ["edit.moveUp", "edit.moveDown"]) expect(leaderOf(id)).toHaveLength(1);
  });

  test("[conflict 7] a single letter or digit counts on a cell only", () => {
    for (const { id, keys } of ACTIONS) {
      for (const binding of keys) {
        const first = binding.keys.split(" ")[0] ?? "";
        if (/^(Shift\+)?[A-Z0-9?]$/.test(first)) expect([id, binding.places]).toEqual([id, ["command"]]);
      }
    }
  });
});

describe("menus", () => {
  const idsIn = (entries: readonly MenuEntry[]): string[] =>
    entries.flatMap((entry) => (typeof entry === "string" ? (entry === LINE ? [] : [entry]) : idsIn(entry.entries)));

  test("are the seven of the page, in order, without Tools", () => {
    expect(MENUS.map(({ label }) => label)).toEqual(["File", "Edit", "View", "Insert", "Runtime", "Help"]);
  });

  test("name actions that are there, each once", () => {
    const ids = MENUS.flatMap(({ entries }) => idsIn(entries));
    expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([]);
    for (const id of ids) actionOf(id);
  });

  test("hold every action but those that belong to a cell and its keys", () => {
    const ids = new Set(MENUS.flatMap(({ entries }) => idsIn(entries)));
    const elsewhere = ACTIONS.map(({ id }) => id).filter((id) => !ids.has(id));
    expect(elsewhere.filter((id) => !id.startsWith("select.") && !id.startsWith("cell."))).toEqual([]);
  });

  test("have no line at an edge, and no two in a row", () => {
    const check = (entries: readonly MenuEntry[]): void => {
      expect([entries[0], entries.at(-1)]).not.toContain(LINE);
      for (const [at, entry] of entries.entries()) {
        if (entry === LINE) expect(entries[at + 1]).not.toBe(LINE);
        if (typeof entry !== "string") check(entry.entries);
      }
    };
    for (const { entries } of MENUS) check(entries);
  });
});
