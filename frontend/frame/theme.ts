/**
 * Tells outputs whether the page is light or dark, in every way that libraries look at it: `color-scheme`, Colab's
 * and Jupyter's attributes, and Jupyter's CSS variables.
 * Scheme and variables follow `data-theme` in frame.css: an inline scheme would not reach the built `light-dark()`.
 */
import type { Theme } from "./protocol";

export function applyTheme(theme: Theme): void {
  const root = document.documentElement;
  root.dataset.theme = theme;
  root.setAttribute("theme", theme);
  document.body.dataset.jpThemeLight = String(theme === "light");
  document.body.dataset.jpThemeName = theme === "light" ? "JupyterLab Light" : "JupyterLab Dark";
  document.body.classList.toggle("theme-dark", theme === "dark");
}
