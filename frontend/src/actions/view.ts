/** Rows of the View menu: they change only this person's page. */

import { hidesCode } from "../forms/code_view.ts";
import { cellOf, orderedIds } from "../notebook/schema.ts";
import { type Action, command, everywhere } from "./action.ts";
import { hasLineNumbers, lineNumbersStore, toggleAllLineNumbers, toggleLineNumbers } from "./line_numbers.ts";
import { tabFocusStore, toggleTabFocus } from "./tab_focus.ts";
import { chooseTheme, THEMES, type Theme, themeStore } from "./theme.ts";
import type { ViewState, Workbench } from "./workbench.ts";

type Hidden = "hiddenSources" | "hiddenOutputs";

/** Hides all of them, or shows all when all are hidden already. */
function toggle(bench: Workbench, what: Hidden, ids: readonly string[]): void {
  // A form hides its code for everyone: then the set holds those that this person sees all the same.
  const turned = (id: string): boolean => what === "hiddenSources" && hidesCode(cellOf(bench.session.notebook, id));
  bench.view.setState((state: ViewState) => {
    const chosen = new Set(state[what]);
    const hide = !ids.every((id) => chosen.has(id) !== turned(id));
    for (const id of ids) {
      if (hide !== turned(id)) chosen.add(id);
      else chosen.delete(id);
    }
    return what === "hiddenSources" ? { hiddenSources: chosen } : { hiddenOutputs: chosen };
  });
}

const chosen = (bench: Workbench): readonly string[] => bench.view.getState().selection.ids;
const everyCell = (bench: Workbench): readonly string[] => orderedIds(bench.session.notebook);
const noCell = (bench: Workbench): string | null => (chosen(bench).length === 0 ? "no cell is selected" : null);

const THEME_WORDS: Readonly<Record<Theme, string>> = { system: "System", light: "Light", dark: "Dark" };

const themes: readonly Action[] = THEMES.map((theme) => ({
  id: `view.theme.${theme}`,
  title: THEME_WORDS[theme],
  role: null,
  keys: [],
  checked: () => themeStore.getState().theme === theme,
  run: () => chooseTheme(theme),
}));

export const viewActions: readonly Action[] = [
  {
    id: "view.toggleSource",
    title: "Show or hide code",
    role: "viewer",
    keys: [],
    when: noCell,
    run: (bench) => toggle(bench, "hiddenSources", chosen(bench)),
  },
  {
    id: "view.toggleOutput",
    title: "Show or hide output",
    role: "viewer",
    keys: command("O", "Leader O"),
    when: noCell,
    run: (bench) => toggle(bench, "hiddenOutputs", chosen(bench)),
  },
  {
    id: "view.toggleAllSources",
    title: "Show or hide all code",
    role: "viewer",
    keys: [],
    run: (bench) => toggle(bench, "hiddenSources", everyCell(bench)),
  },
  {
    id: "view.toggleAllOutputs",
    title: "Show or hide all outputs",
    role: "viewer",
    keys: [],
    run: (bench) => toggle(bench, "hiddenOutputs", everyCell(bench)),
  },
  {
    id: "view.lineNumbersCell",
    title: "Line numbers of this cell",
    role: "viewer",
    keys: command("L", "Leader L"),
    when: noCell,
    checked: (bench) => chosen(bench).length > 0 && chosen(bench).every(hasLineNumbers),
    run: (bench) => toggleLineNumbers(chosen(bench)),
  },
  {
    id: "view.lineNumbers",
    title: "Line numbers of all cells",
    role: "viewer",
    keys: command("Shift+L"),
    checked: () => lineNumbersStore.getState().all,
    run: () => toggleAllLineNumbers(),
  },
  ...themes,
  {
    id: "view.tabFocus",
    title: "Tab moves focus",
    role: null,
    keys: everywhere("Alt+Shift+M"),
    checked: () => tabFocusStore.getState().on,
    run: (bench) => bench.say(toggleTabFocus() ? "Tab moves the focus." : "Tab indents in an editor; Esc leaves it."),
  },
  {
    id: "view.nextPart",
    title: "Next part of the page",
    role: "viewer",
    keys: everywhere("F6"),
    run: (bench) => bench.nextPart(1),
  },
  {
    id: "view.previousPart",
    title: "Previous part of the page",
    role: "viewer",
    keys: everywhere("Shift+F6"),
    run: (bench) => bench.nextPart(-1),
  },
];
