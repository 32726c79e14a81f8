/** The Library: making, finding, renaming, copying and throwing away notebooks, and bringing files in. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, ElementHandle, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { create, eventually, exported, launch, press, type Server, signIn, startServer, visit, waitForSync } from "./support";

let server: Server;
let browser: Browser;
let folder: string;
let page: Page;

beforeAll(async () => {
  [server, browser, folder] = await Promise.all([startServer(), launch("chromium"), mkdtemp(join(tmpdir(), "collab-library-"))]);
  page = await signIn(browser, server, "/");
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

const titles = (): Promise<string[]> => page.$$eval('[aria-label="Notebooks"] > li .row-title', (rows) => rows.map((row) => row.textContent ?? ""));

const lists = (...wanted: string[]): Promise<unknown> =>
  eventually(`the Library lists ${wanted.join(", ")}`, async () => {
    const now = await titles();
    return wanted.length === 0 ? now.length === 0 : wanted.every((title) => now.includes(title));
  });

async function choose(text: string): Promise<void> {
  const item = await eventually(`menu item ${text}`, async () => (await page.$$('[role="menuitem"]')).at(0) && (await page.evaluateHandle((wanted) => [...document.querySelectorAll<HTMLElement>('[role="menuitem"]')].find((element) => element.textContent === wanted) ?? null, text)).asElement());
  await (item as ElementHandle<Element>).click();
}

async function view(text: string): Promise<void> {
  await page.$$eval(".segments button", (buttons, wanted) => (buttons.find((button) => button.textContent === wanted) as HTMLElement).click(), text);
}

async function search(text: string): Promise<void> {
  const box = await page.$('[role="searchbox"], input[type="search"][aria-label="Search notebooks"]');
  await box?.click({ count: 3 });
  await page.keyboard.press("Backspace");
  await page.keyboard.type(text);
}

const files = async (contents: Record<string, string>): Promise<string[]> => {
  const paths = Object.keys(contents).map((name) => join(folder, name));
  await Promise.all(Object.entries(contents).map(([name, text]) => writeFile(join(folder, name), text)));
  return paths;
};

const ipynb = (source: string, metadata: object = {}): string =>
  JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata, cells: [{ cell_type: "code", id: "a", source, metadata: {}, outputs: [], execution_count: null }] });

describe("the Library", () => {
  it("makes a notebook and opens it, and lists it with what was changed last first", async () => {
    await lists("Welcome");
    await create(server, ["1"], "Older");
    await create(server, ["1"], "Newer");
    await page.reload();
    await lists("Welcome", "Older", "Newer");
    expect((await titles()).slice(0, 2)).toEqual(["Newer", "Older"]);
    await page.$$eval("main button", (buttons) => (buttons.find((button) => button.textContent === "New notebook") as HTMLElement).click());
    await eventually("the new notebook is open", async () => page.url().includes("/n/"));
    await waitForSync(page, 1);
    await page.goto(`${server.url}/`);
    await lists("Untitled");
  });

  it("renames, copies, throws away, brings back and deletes for good", async () => {
    await create(server, ["x = 'kept'"], "Draft");
    await page.goto(`${server.url}/`);
    await lists("Draft");
    await press(page, "More for Draft");
    await choose("Rename");
    const box = await eventually("the title's box", () => page.$('[aria-label="New title of Draft"]'));
    await box.click({ count: 3 });
    await page.keyboard.type("Report");
    await page.keyboard.press("Enter");
    await lists("Report");
    expect(await titles()).not.toContain("Draft");
    await press(page, "More for Report");
    await choose("Make a copy");
    const copy = await eventually("the copy", async () => (await titles()).find((title) => title !== "Report" && title.includes("Report")));
    await press(page, "More for Report");
    await choose("Move to trash");
    await eventually("it is gone", async () => !(await titles()).includes("Report"));
    await view("Trash");
    await lists("Report");
    await press(page, "Restore Report");
    await lists();
    await view("Notebooks");
    await lists("Report", copy);
    await press(page, `More for ${copy}`);
    await choose("Move to trash");
    await view("Trash");
    await lists(copy);
    await press(page, `Delete ${copy} for good`);
    const question = await eventually("the question", () => page.$('[role="alertdialog"]'));
    expect(await question.evaluate((dialog) => [dialog.textContent?.includes(`for good?`), document.activeElement?.textContent])).toEqual([true, "Cancel"]);
    await question.$$eval("button", (buttons) => (buttons.find((button) => button.textContent === "Delete for good") as HTMLElement).click());
    await eventually("the trash is empty", () => page.$eval("main", (main) => main.textContent?.includes("The trash is empty")));
    await view("Notebooks");
    await lists("Report");
  });

  it("finds by title and by content, and marks what it found", async () => {
    await create(server, [{ markdown: "about quaternions" }, "rotate(vector)"], "Geometry");
    await page.goto(`${server.url}/`);
    await lists("Geometry");
    await search("quatern");
    await eventually("only Geometry", async () => (await titles()).join() === "Geometry");
    expect(await page.$$eval("mark", (marks) => marks.map((mark) => mark.textContent))).toEqual(["quatern"]);
    await search("geom");
    await eventually("by title", async () => (await titles()).join() === "Geometry");
    await search("nothing-has-this");
    await eventually("says so", () => page.$eval("main", (main) => main.textContent?.includes("Nothing found")));
    await search("");
    await lists("Geometry", "Welcome");
  });

  it("takes many files at once and says of each broken one what is wrong, and where", async () => {
    const numbers = '{"big": 12345678901234567890, "real": 1.0}';
    const paths = await files({
      "Good one.ipynb": ipynb("1").replace('"metadata":{}', `"metadata":{"custom":${numbers}}`),
      "Good two.ipynb": ipynb("2"),
      "broken.ipynb": '{"cells": [}',
      "older.ipynb": '{"nbformat": 2, "cells": []}',
    });
    const input = await page.$('input[type="file"]');
    await (input as ElementHandle<HTMLInputElement>).uploadFile(...paths);
    await lists("Good one", "Good two");
    const said = await page.$$eval(".notice-bad li", (items) => items.map((item) => item.textContent ?? ""));
    expect(said).toEqual([expect.stringMatching(/^broken\.ipynb: .*line 1, column 12/), expect.stringMatching(/^older\.ipynb: .*nbformat/)]);
    const { notebooks } = await server.api<{ notebooks: { id: string; title: string }[] }>("GET", "/api/notebooks?q=Good%20one");
    // As text: JavaScript's own numbers would hide what the way through the browser had done to them.
    const text = await (await fetch(`${server.url}/api/notebooks/${notebooks[0]?.id}/export?format=ipynb`, { headers: { authorization: `Bearer ${server.token}` } })).text();
    expect(text.replace(/\s+/g, " ")).toContain('"custom": { "big": 12345678901234567890, "real": 1.0 }');
  });

  it("takes a file that is dropped anywhere on it, and opens it", async () => {
    const drop = await page.evaluateHandle((text) => {
      const data = new DataTransfer();
      data.items.add(new File([text], "Dropped.ipynb"));
      return data;
    }, ipynb("print('dropped')"));
    await page.evaluate((data) => document.querySelector("main")?.dispatchEvent(new DragEvent("dragover", { bubbles: true, cancelable: true, dataTransfer: data })), drop);
    await eventually("the hint", () => page.$(".drop-hint"));
    await page.evaluate((data) => document.querySelector("main")?.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: data })), drop);
    await eventually("it is open", async () => page.url().includes("/n/"));
    await waitForSync(page, 1);
    const id = /\/n\/([^/?#]+)/.exec(page.url())?.[1] ?? "";
    expect((await exported(server, id)).cells[0]?.source).toEqual(["print('dropped')"]);
    await page.goto(`${server.url}/`);
    await lists("Dropped");
  });

  it("shows a guest what is shared with them, and offers nothing that they may not do", async () => {
    const notebook = await create(server, ["1"], "Shared");
    const { page: guest } = await visit(browser, server, notebook, "viewer");
    await waitForSync(guest, 1);
    await guest.goto(`${server.url}/`);
    await eventually("the shared notebook alone", async () => (await guest.$$eval('[aria-label="Notebooks"] a', (links) => links.map((link) => link.textContent).join())) === "Shared");
    expect(await guest.$$eval("main button", (buttons) => buttons.map((button) => button.textContent).filter((text) => text === "New notebook" || text === "Upload"))).toEqual([]);
    await guest.close();
  });

  it("says when the server does not answer, and goes on when it does", async () => {
    await server.kill();
    await view("Trash");
    await eventually("says so", () => page.$eval("main", (main) => main.textContent?.includes("could not be listed")));
    await server.start();
    await page.$$eval("main button", (buttons) => (buttons.find((button) => button.textContent === "Try again") as HTMLElement).click());
    await eventually("lists again", () => page.$eval("main", (main) => main.textContent?.includes("The trash is empty")));
  });
});
