/** What a user action is, and what it may use. The table itself is `actions.ts`. */

import type { Role } from "./role.ts";
import type { Workbench } from "./workbench.ts";

/** Where a key counts: a cell has focus, its editor has focus, or anywhere on the page but in a dialog. */
export type Place = "command" | "edit" | "page";

export interface Binding {
  readonly keys: string;
  readonly places: readonly Place[];
}

export interface Action {
  readonly id: string;
  readonly title: string;
  /** The least role; null: anyone who is signed in. */
  readonly role: Role | null;
  readonly keys: readonly Binding[];
  /** Null when it can run now, else the reason why not ("no cell is selected"). Roles are checked before. */
  readonly when?: (bench: Workbench) => string | null;
  /** Present for toggles: whether it is on. */
  readonly checked?: (bench: Workbench) => boolean;
  readonly run: (bench: Workbench) => void | Promise<void>;
}

/** In command mode only. */
export function command(...keys: string[]): Binding[] {
  return keys.map((text) => ({ keys: text, places: ["command"] }));
}

/** In the editor only. */
export function edit(...keys: string[]): Binding[] {
  return keys.map((text) => ({ keys: text, places: ["edit"] }));
}

/** In a cell, in command mode and in the editor. */
export function cell(...keys: string[]): Binding[] {
  return keys.map((text) => ({ keys: text, places: ["command", "edit"] }));
}

/** Everywhere on the page. */
export function everywhere(...keys: string[]): Binding[] {
  return keys.map((text) => ({ keys: text, places: ["command", "edit", "page"] }));
}
