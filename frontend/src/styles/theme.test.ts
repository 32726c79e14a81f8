/** Contrast of every pair of colours that meet on the page: 4.5 for text, 3 for signs and borders of controls. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const css = readFileSync(new URL("./theme.css", import.meta.url), "utf8");

type Theme = "light" | "dark";
const themes: readonly Theme[] = ["light", "dark"];

function colour(name: string, theme: Theme): string {
  const found = new RegExp(`--${name}: light-dark\\((#[0-9a-f]{6}), (#[0-9a-f]{6})\\)`).exec(css);
  const value = found?.[theme === "light" ? 1 : 2];
  if (value === undefined) throw new Error(`--${name} is not in theme.css`);
  return value;
}

function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [high = 0, low = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

const syntax = ["keyword", "string", "number", "comment", "function", "operator", "heading"];
const ansi = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

const text: [string, string][] = [
  ...["page", "surface", "raised", "sunken", "hover"].flatMap((under): [string, string][] => [
    ["text", under],
    ["muted", under],
  ]),
  ...["page", "surface", "raised", "accent-soft"].map((under): [string, string] => ["accent", under]),
  ["text", "accent-soft"],
  ["text", "bad-soft"],
  ["text", "warn-soft"],
  ["text", "info-soft"],
  ["bad", "bad-soft"],
  ["warn", "warn-soft"],
  ["good", "surface"],
  ["bad", "surface"],
  ["bad", "raised"],
  ["warn", "surface"],
  ["warn", "page"],
  ["bad", "page"],
  ["good", "page"],
  ["on-button", "button"],
  ["on-button", "button-hover"],
  ["on-button", "danger-button"],
  ["editor-fg", "editor-bg"],
  ["editor-fg", "editor-selection"],
  ["editor-fg", "editor-active-line"],
  ["editor-gutter", "editor-bg"],
  ["editor-gutter", "editor-active-line"],
  ...syntax.flatMap((name): [string, string][] => [
    [`syntax-${name}`, "editor-bg"],
    [`syntax-${name}`, "editor-active-line"],
  ]),
  ...ansi.flatMap((name): [string, string][] => [
    [`ansi-${name}`, "surface"],
    [`ansi-bright-${name}`, "surface"],
  ]),
];

const signs: [string, string][] = [
  ["line-strong", "surface"],
  ["line-strong", "page"],
  ["line-strong", "raised"],
  ["focus", "surface"],
  ["focus", "page"],
  ["focus", "raised"],
  ["button", "raised"],
];

describe.each(themes)("%s", (theme) => {
  it.each(text)("text %s on %s", (over, under) => {
    expect(contrast(colour(over, theme), colour(under, theme))).toBeGreaterThanOrEqual(4.5);
  });
  it.each(signs)("sign %s on %s", (over, under) => {
    expect(contrast(colour(over, theme), colour(under, theme))).toBeGreaterThanOrEqual(3);
  });
});
