/** Accessibility: axe-core on the main screens in both themes, the roles and names of ui.md 4, and a walk by Tab. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { create, eventually, launch, press, ROOT, type Server, signIn, startServer, visit, waitForSync } from "./support";

let server: Server;
let browser: Browser;
let axe: string;

beforeAll(async () => {
  [server, browser, axe] = await Promise.all([startServer(), launch("chromium"), readFile(join(ROOT, "frontend/node_modules/axe-core/axe.min.js"), "utf8")]);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

interface Violation {
  id: string;
  impact: string;
  nodes: { html: string; failureSummary: string }[];
}

/** What axe-core finds serious or critical in `where`, one line a rule and place. Only colours differ between themes. */
async function problems(page: Page, dark: boolean, where = "body"): Promise<string[]> {
  // Colours in the middle of a change have contrasts of their own.
  await page.evaluate(() => {
    for (const animation of document.getAnimations()) if (animation.effect?.getComputedTiming().endTime !== Number.POSITIVE_INFINITY) animation.finish();
  });
  // The page's policy lets no foreign script in by its markup; a debugger's is none.
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
  const found = await page.evaluate(async (selector, coloursOnly) => {
    const run = (Reflect.get(window, "axe") as { run(context: object, options: object): Promise<{ violations: Violation[] }> }).run;
    const rules = coloursOnly ? { runOnly: ["color-contrast"] } : {};
    return (await run({ include: [[selector]], exclude: [["iframe"]] }, { resultTypes: ["violations"], iframes: false, ...rules })).violations;
  }, where, dark);
  return found.filter(({ impact }) => impact === "serious" || impact === "critical").flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 160)} ${failureSummary.slice(0, 300)}`));
}

const CELLS = [
  { markdown: "# Title\n\n[link](https://example.org) `code` $x^2$\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- [x] done" },
  "print('\\x1b[31mred\\x1b[0m \\x1b[38;5;28mgreen\\x1b[0m')\nimport sys\nprint('warned', file=sys.stderr)\n'plain'",
  "def f():\n    return 1 / 0  # comment\nf()",
  "'never run'",
];

async function openRan(dark: boolean): Promise<{ page: Page; notebook: string }> {
  const notebook = await create(server, CELLS, "Audit");
  const page = await signIn(browser, server, `/n/${notebook}`);
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }]);
  await waitForSync(page, CELLS.length);
  for (const n of [2, 3]) await press(page, `Run cell ${n}`);
  await eventually("it failed", () => page.$('li[aria-label*="failed"]'));
  await eventually("text is drawn", () => page.$('[aria-label="Text of cell 1"] .katex'));
  return { page, notebook };
}

/** Through the palette, by the beginning of its name. */
async function choose(page: Page, command: string): Promise<void> {
  await page.keyboard.press("F1");
  const search = await eventually("the palette", () => page.$('[role="combobox"][aria-label="Search commands"]'));
  await search.type(command);
  await page.keyboard.press("Enter");
}

describe.each([
  ["light", false],
  ["dark", true],
] as const)("in %s", (_theme, dark) => {
  it("the Library has no serious problem, with its menu and its dialog neither", async () => {
    await create(server, ["1"], "Row");
    const page = await signIn(browser, server, "/");
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }]);
    await eventually("rows", () => page.$('[aria-label="Notebooks"] a'));
    expect(await problems(page, dark)).toEqual([]);
    await press(page, "More for Row");
    await eventually("the menu", () => page.$('[role="menu"]'));
    expect(await problems(page, dark, '[role="menu"]')).toEqual([]);
    await page.close();
  });

  it("a Notebook has no serious problem, with people, notices, menus, palette and dialogs neither", async () => {
    const { page, notebook } = await openRan(dark);
    const { page: other } = await visit(browser, server, notebook, "viewer");
    await other.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }]);
    await waitForSync(other, CELLS.length);
    expect(await problems(other, dark, '[aria-label="Notebook: Audit"]')).toEqual([]);
    await page.bringToFront();
    await eventually("somebody else", () => page.$('[aria-label="People"] li'));
    expect(await problems(page, dark)).toEqual([]);
    await page.$$eval('[role="menuitem"]', (items) => (items.find((item) => item.textContent === "Edit") as HTMLElement).focus());
    await page.keyboard.press("Enter");
    await eventually("the menu", () => page.$('[role="menu"]'));
    expect(await problems(page, dark, '[role="menu"]')).toEqual([]);
    await page.keyboard.press("Escape");
    for (const [opens, dialog] of [
      ["F1", "Commands"],
      ["Share", "Share Audit"],
      ["h", "Keyboard shortcuts"],
    ] as const) {
      if (opens === "Share") await page.$$eval("header button", (buttons) => (buttons.find((button) => button.textContent === "Share") as HTMLElement).click());
      else {
        await page.$eval('[aria-label="Cells"] > li', (cell) => (cell as HTMLElement).focus());
        await page.keyboard.press(opens);
      }
      await eventually(dialog, () => page.$eval("dialog[open]", (element, wanted) => (element.getAttribute("aria-label") ?? element.querySelector("h2")?.textContent) === wanted, dialog));
      expect(await problems(page, dark, "dialog[open]")).toEqual([]);
      await page.keyboard.press("Escape");
      await eventually("it is closed", async () => (await page.$("dialog[open]")) === null);
    }
    await Promise.all([page.close(), other.close()]);
  });

  it("panes and dialogs of the runtime have no serious problem, at the side or as a sheet", async () => {
    const { page } = await openRan(dark);
    for (const [command, pane, content] of [
      ["Executed code", "Executed code", '[aria-label="Executed code"] pre'],
      ["Resources", "Resources", ".pane-body h3"],
      ["Secrets", "Secrets", ".pane-body .button"],
    ] as const) {
      await choose(page, command);
      await eventually(`something in ${pane}`, () => page.$(`aside[aria-label="${pane}"] ${content}`));
      expect(await page.evaluate(() => document.activeElement?.textContent)).toBe(pane);
      expect(await problems(page, dark, "aside")).toEqual([]);
    }
    await page.setViewport({ width: 400, height: 800 });
    expect(await problems(page, dark, "aside")).toEqual([]);
    await page.setViewport({ width: 1280, height: 900 });
    for (const [command, title] of [
      ["Change runtime type", "Change runtime type"],
      ["Attach to a Jupyter server", "Attach to a Jupyter server"],
      ["Reset to original state", "Reset the runtime?"],
    ] as const) {
      await choose(page, command);
      await eventually(title, () => page.$eval("dialog[open]", (element, wanted) => element.querySelector("h2")?.textContent === wanted && element.querySelector("input, select") !== null, title));
      expect(await problems(page, dark, "dialog[open]")).toEqual([]);
      await page.keyboard.press("Escape");
      await eventually("it is closed", async () => (await page.$("dialog[open]")) === null);
    }
    await page.close();
  });
});

it("what is announced while a dialog is open is announced inside it: the rest of the page is inert", async () => {
  const { page } = await openRan(false);
  const { page: other } = await visit(browser, server, new URL(page.url()).pathname.split("/").pop() ?? "", "editor");
  await waitForSync(other, CELLS.length);
  await page.bringToFront();
  await choose(page, "Keyboard shortcuts");
  await eventually("the dialog", () => page.$("dialog[open]"));
  await press(other, "Run cell 4");
  await eventually("it is heard in the dialog", () => page.$eval('dialog[open] [data-live="runs"]', (region) => region.textContent?.startsWith("Cell 4: output ready, finished")));
  await Promise.all([page.close(), other.close()]);
});

describe("the contract of names and roles", () => {
  interface Node {
    role: string;
    name?: string;
    children?: Node[];
  }

  const flat = (node: Node): string[] => [`${node.role} ${JSON.stringify(node.name ?? "")}`, ...(node.children ?? []).flatMap(flat)];

  it("holds for the page's parts and a cell, in the browser's own accessibility tree", async () => {
    const { page } = await openRan(false);
    const tree = await page.accessibility.snapshot({ interestingOnly: false });
    const there = new Set(tree ? flat(tree as Node) : []);
    const wanted = [
      'banner ""',
      'navigation "Main menu"',
      'menubar "Main menu"',
      'main "Notebook: Audit"',
      'contentinfo ""',
      'textbox "Notebook title"',
      'status ""',
      'alert ""',
      ...["File", "Edit", "View", "Insert", "Runtime", "Help"].map((name) => `menuitem "${name}"`),
      'toolbar "Notebook"',
      ...["Commands", "Code", "Text", "Run all", "Runtime: idle", "Share"].map((name) => `button "${name}"`),
      'list "Cells"',
      'list "People"',
      'listitem "Cell 1 of 4, text"',
      'listitem "Cell 2 of 4, code, finished"',
      'listitem "Cell 3 of 4, code, failed"',
      'listitem "Cell 4 of 4, code, never run"',
      'region "Text of cell 1"',
      'textbox "Source of cell 2"',
      'region "Output of cell 2"',
      'button "Run cell 2"',
      'toolbar "Actions for cell 2"',
      'button "Add code cell after cell 2"',
      'button "Add text cell after cell 2"',
    ];
    expect(wanted.filter((line) => !there.has(line))).toEqual([]);
    // An output is one region, not one in another.
    expect(await page.$$eval('[role="region"][aria-label="Output of cell 2"]', (regions) => regions.length)).toBe(1);
    await page.close();
  });

  it("keeps Tab going: in at the top, through every part, out again, and out of an editor by Esc", async () => {
    const notebook = await create(server, ["1"], "Walk");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(page, 1);
    await page.evaluate(() => (document.activeElement as HTMLElement).blur());
    const met: string[] = [];
    for (let step = 0; step < 40; step++) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => {
        const element = document.activeElement;
        if (element === null || element === document.body) return "";
        const box = element.getBoundingClientRect();
        // What has the focus can be seen, and is not below the bars.
        const over = document.elementFromPoint(box.left + Math.min(box.width, 40) / 2, box.top + Math.min(box.height, 20) / 2);
        const seen = over !== null && (element.contains(over) || over.contains(element) || over.closest(".cell") === element.closest(".cell"));
        return `${element.getAttribute("aria-label") ?? element.textContent?.trim()}${seen ? "" : " (hidden)"}`;
      });
      if (at === "" || (step > 0 && at === met[0])) break;
      met.push(at);
      if (at.startsWith("Source of")) await page.keyboard.press("Escape");
    }
    expect(met.filter((name) => name.endsWith("(hidden)"))).toEqual([]);
    expect(met).toEqual(expect.arrayContaining(["Library", "Notebook title", "Share", "File", "Commands", "Run cell 1", "Move cell 1", "Add code cell after cell 1"]));
    await page.close();
  });
});
