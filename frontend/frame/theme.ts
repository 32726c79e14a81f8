/**
 * Tells outputs whether the page is light or dark, in every way that libraries look at it: `color-scheme`, Colab's
 * and Jupyter's attributes, and Jupyter's CSS variables (frame.css derives them from `data-theme`).
 */
import type { Theme } from "./protocol";

export function applyTheme(theme: Theme): void {
  const root = document.documentElement;
  root.dataset.theme = theme;
  root.setAttribute("theme", theme);
  root.style.colorScheme = theme;
  document.body.dataset.jpThemeLight = String(theme === "light");
  document.body.dataset.jpThemeName = theme === "light" ? "JupyterLab Light" : "JupyterLab Dark";
  document.body.classList.toggle("theme-dark", theme === "dark");
}
