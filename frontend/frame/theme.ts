/**
 * Tells outputs whether the page is light or dark, in every way that libraries look at it: `color-scheme`, Colab's
 * and Jupyter's attributes, Jupyter's CSS variables, and the data attributes of great_tables, xarray and others.
 * Scheme and variables follow `data-theme` in frame.css: an inline scheme would not reach the built `light-dark()`.
 */
import type { Theme } from "./protocol";

const followers = new Set<(theme: Theme) => void>();
let current: Theme = "light";

export function applyTheme(theme: Theme): void {
  current = theme;
  const root = document.documentElement;
  root.dataset.theme = theme;
  root.setAttribute("theme", theme);
  // Bootstrap 5, which dashboards and tables of several libraries build on.
  root.dataset.bsTheme = theme;
  for (const element of [root, document.body]) element.classList.toggle("dark", theme === "dark");
  document.body.dataset.jpThemeLight = String(theme === "light");
  document.body.dataset.jpThemeName = theme === "light" ? "JupyterLab Light" : "JupyterLab Dark";
  document.body.classList.toggle("theme-dark", theme === "dark");
  for (const follow of [...followers]) follow(theme);
}

export function currentTheme(): Theme {
  return current;
}

/** Calls `follow` at every change of the theme, until the returned function is called. */
export function followTheme(follow: (theme: Theme) => void): () => void {
  followers.add(follow);
  return () => followers.delete(follow);
}

/** What a theme variable comes to as a colour that canvases understand. */
export function themeColor(variable: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${variable})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
