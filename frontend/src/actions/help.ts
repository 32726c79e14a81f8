/** Rows of the Help menu and of the tools that have no menu of their own yet. */

import { type Action, command, everywhere } from "./action.ts";
import { openDialog } from "./workbench.ts";

export const helpActions: readonly Action[] = [
  {
    id: "tools.palette",
    title: "Command palette",
    role: null,
    keys: everywhere("Mod+Shift+P", "F1", "Mod+Shift+C"),
    run: (bench) => openDialog(bench, { kind: "palette" }),
  },
  {
    id: "tools.shortcuts",
    title: "Keyboard shortcuts",
    role: null,
    keys: [...command("H", "?"), ...everywhere("Mod+Shift+H", "Leader H")],
    run: (bench) => openDialog(bench, { kind: "shortcuts" }),
  },
  {
    id: "help.about",
    title: "About",
    role: null,
    keys: [],
    run: (bench) => openDialog(bench, { kind: "about" }),
  },
];
