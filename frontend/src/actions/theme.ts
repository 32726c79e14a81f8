/** Light, dark or as the system says: one attribute on the root element, kept in this browser. */

import { createStore } from "zustand/vanilla";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const KEY = "collab.theme";

export const themeStore = createStore<{ theme: Theme }>(() => ({ theme: "system" }));

export function chooseTheme(theme: Theme): void {
  themeStore.setState({ theme });
  apply(theme);
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Storage may be forbidden; then the choice lasts as long as the page.
  }
}

/** Called once, before the first paint. */
export function restoreTheme(): void {
  let stored: string | null = null;
  try {
    stored = localStorage.getItem(KEY);
  } catch {
    stored = null;
  }
  const theme = THEMES.find((name) => name === stored) ?? "system";
  themeStore.setState({ theme });
  apply(theme);
}

function apply(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}
