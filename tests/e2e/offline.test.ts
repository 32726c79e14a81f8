/** Without a network: the page and its notebooks open from what the browser keeps, and all comes together on return. */
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type BrowserName,
  create,
  eventually,
  exported,
  joined,
  launch,
  rebuild,
  type Server,
  saved,
  signIn,
  sourceOf,
  startServer,
  typeInto,
  visit,
  waitForSync,
} from "./support";

describe.each<BrowserName>(["chromium", "firefox"])("in %s", (name) => {
  let server: Server;
  let browser: Browser;

  beforeAll(async () => {
    [server, browser] = await Promise.all([startServer(), launch(name)]);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  it("a notebook opens, takes edits and is in the Library, all without a server; on return it is merged", async () => {
    const notebook = await create(server, ["kept ", "other"], "Far from home");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(page, 2);
    await keptPage(page);
    const nonce = await nonceOf(page);
    await server.kill();

    const offline = await another(page);
    await page.close();
    await offline.goto(`${server.url}/n/${notebook}`);
    await saved(offline, "Offline");
    expect(await sourceOf(offline, 1)).toBe("kept ");
    expect(await nonceOf(offline)).toMatch(/^[A-Za-z0-9+/]{24}$/);
    expect(await nonceOf(offline)).not.toBe(nonce);
    expect(await runsForeignScript(offline)).toBe(false);
    await typeInto(offline, 1, "from the train");
    await written(offline, notebook);

    const again = await another(offline);
    await offline.close({ runBeforeUnload: false });
    await again.goto(`${server.url}/`);
    await again.waitForSelector("::-p-aria([role='link'][name='Far from home'])");
    await again.click("::-p-aria([role='link'][name='Far from home'])");
    await saved(again, "Offline");
    expect(await sourceOf(again, 1)).toBe("kept from the train");

    await server.start();
    await saved(again);
    expect(await sources(server, notebook)).toEqual(["kept from the train", "other"]);
    await again.close();
  });

  if (name === "firefox") return; // what follows asks the browser for nothing that the two do differently

  it("[4401, 4409] a page that slept while its session ended and its notebook was rebuilt asks to sign in, and loses nothing", async () => {
    const notebook = await create(server, ["one\ntwo\nthree", "other"], "Asleep");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(page, 2);
    await page.evaluate(() => fetch("/api/me/session", { method: "DELETE" }));
    await button(page, "Sign in again");
    await typeInto(page, 1, " in my sleep");
    await written(page, notebook);
    await server.kill();
    await rebuild(server, notebook, { other: "other by others" });
    await server.start();

    await (await button(page, "Sign in again")).click();
    await page.waitForSelector("input[type=password]");
    await page.type("input[type=password]", `${server.url}/?token=wrong-token`);
    await (await button(page, "Sign in")).click();
    await eventually("the refusal", () => page.$eval(".field-problem", (item) => /not valid/.test(item.textContent ?? "")));
    await page.$eval("input[type=password]", (box) => box instanceof HTMLInputElement && box.select());
    await page.type("input[type=password]", `${server.url}/?token=${server.token}`);
    await (await button(page, "Sign in")).click();
    await eventually("both in one", async () => (await sourceOf(page, 1)) === "one\ntwo\nthree in my sleep" && (await sourceOf(page, 2)) === "other by others");
    await saved(page);
    expect(await sources(server, notebook)).toEqual(["one\ntwo\nthree in my sleep", "other by others"]);

    // Another tab does as well as the dialog.
    await page.evaluate(() => fetch("/api/me/session", { method: "DELETE" }));
    await button(page, "Sign in again");
    const other = await another(page);
    await other.goto(`${server.url}/?token=${server.token}`);
    await saved(page);
    await other.close();
    await page.close();
  });

  it("tabs of one browser share what is written offline; what one of them wrote is sent though it is closed", async () => {
    const notebook = await create(server, ["shared "], "Two tabs");
    const one = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(one, 1);
    const other = await another(one);
    await other.goto(`${server.url}/n/${notebook}`);
    await waitForSync(other, 1);
    await server.kill();
    await Promise.all([saved(one, "Offline"), saved(other, "Offline")]);
    await one.bringToFront();
    await typeInto(one, 1, "by one 😀");
    await eventually("the other tab shows it", async () => (await sourceOf(other, 1)) === "shared by one 😀");
    await one.close({ runBeforeUnload: false });
    await server.start();
    await saved(other);
    expect(await sources(server, notebook)).toEqual(["shared by one 😀"]);
    await other.close();
  });

  it("who lost the access meanwhile gets what they wrote as text, and the copy leaves their browser", async () => {
    const notebook = await create(server, ["theirs "], "Revoked");
    const { page } = await visit(browser, server, notebook, "editor");
    await waitForSync(page, 1);
    await server.kill();
    await saved(page, "Offline");
    await typeInto(page, 1, "and mine");
    await written(page, notebook, "guest");
    const back = await another(page);
    await page.close({ runBeforeUnload: false });
    await server.start();
    const { links } = await server.api<{ links: { id: string }[] }>("GET", `/api/notebooks/${notebook}/links`);
    for (const { id } of links) await server.api("DELETE", `/api/notebooks/${notebook}/links/${id}`);
    await back.goto(`${server.url}/n/${notebook}`);
    await button(back, "Download recovered work");
    expect(await back.evaluate((key) => localStorage.getItem(key), `collab.recovered.guest:${notebook}`)).toContain("theirs and mine");
    await eventually("no copy", () => back.evaluate(async () => (await indexedDB.databases()).length === 0));
    expect(await sources(server, notebook)).toEqual(["theirs "]);
    await back.close();
  });

  it("signing out takes everything out of the browser, and every tab with it", async () => {
    const notebook = await create(server, ["private"], "Shared computer");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(page, 1);
    await eventually("it is noted as kept", () => page.evaluate((key) => localStorage.getItem(key)?.includes("Shared computer"), "collab.kept.owner"));
    const library = await another(page);
    await library.goto(`${server.url}/`);
    await library.bringToFront();
    await (await button(library, "You: Owner")).click();
    await (await library.waitForSelector("::-p-aria([role='menuitem'][name='Sign out…'])"))?.click();
    await (await button(library, "Sign out")).click();
    for (const tab of [library, page]) await eventually("the way in", () => tab.evaluate(() => document.querySelector("h1")?.textContent === "You are not signed in"));
    expect(await page.evaluate(async () => [Object.keys(localStorage).filter((key) => key.startsWith("collab.")), await indexedDB.databases()])).toEqual([[], []]);
    await Promise.all([page.close(), library.close()]);
  });

  it("says so when the browser's storage is full, and keeps everything again when there is room", async () => {
    const notebook = await create(server, [""], "Full browser");
    const page = await signIn(browser, server, "/");
    const devtools = await page.createCDPSession();
    await devtools.send("Storage.overrideQuotaForOrigin", { origin: server.url, quotaSize: 1 });
    await page.goto(`${server.url}/n/${notebook}`);
    await waitForSync(page, 1);
    await typeInto(page, 1, "written while there was no room");
    await saved(page);
    await server.kill();
    await page.keyboard.type(", and offline");
    await eventually("the warning", () => page.evaluate(() => document.body.innerText.includes("The browser's storage is full, so keep this page open")));
    await devtools.send("Storage.overrideQuotaForOrigin", { origin: server.url });
    await eventually("kept again", () => page.evaluate(() => document.body.innerText.includes("What you write is kept in this browser")), 40_000);
    await server.start();
    await saved(page);
    expect(await sources(server, notebook)).toEqual(["written while there was no room, and offline"]);
    await page.close();
  });

  it("a worker that was a mistake is taken away by the next visit", async () => {
    const page = await signIn(browser, server, "/");
    await keptPage(page);
    await server.kill();
    await server.start({ COLLAB_OFFLINE: "off" });
    await page.goto(`${server.url}/`);
    await eventually("neither worker nor cache", () => page.evaluate(async () => (await navigator.serviceWorker.getRegistration()) === undefined && (await caches.keys()).length === 0));
    await page.close();
  });
});

describe.skipIf(process.getuid?.() !== 0)("a disk of its own", () => {
  it("[D7] that is full: the page says so, editing goes on, and all is saved when there is room", async () => {
    const folder = await mkdtemp(join(tmpdir(), "collab-full-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", folder]);
    const [server, browser] = await Promise.all([startServer(folder), launch("chromium")]);
    try {
      const notebook = await create(server, ["before "], "Full disk");
      const page = await signIn(browser, server, `/n/${notebook}`);
      await waitForSync(page, 1);
      const fillers = await fill(folder);
      await typeInto(page, 1, "while it was full ");
      await eventually("why", () => page.evaluate(() => document.querySelector(".notices")?.textContent?.includes("The server's disk is full.")));
      expect(await page.evaluate(() => document.querySelector(".save-state")?.textContent)).toBe("Not saved");
      await page.keyboard.type("and on");
      await Promise.all(fillers.map((filler) => rm(filler)));
      await saved(page);
      expect(await sources(server, notebook)).toEqual(["before while it was full and on"]);
    } finally {
      await browser.close();
      await server.close().catch(() => undefined); // the folder itself is a mount
      execFileSync("umount", [folder]);
      await rm(folder, { recursive: true });
    }
  });
});

/** Takes every byte of the disk. */
async function fill(folder: string): Promise<string[]> {
  const files: string[] = [];
  for (const size of [1 << 20, 1 << 16, 1 << 12]) {
    for (;;) {
      const file = join(folder, `filler-${files.length}`);
      files.push(file);
      try {
        await writeFile(file, Buffer.alloc(size));
      } catch {
        break;
      }
    }
  }
  return files;
}

const another = (page: Page): Promise<Page> => page.browserContext().newPage();

async function sources(server: Server, notebook: string): Promise<string[]> {
  return (await exported(server, notebook)).cells.map(({ source }) => joined(source));
}

async function button(page: Page, name: string) {
  return eventually(`button ${name}`, () => page.$(`::-p-aria([role='button'][name='${name}'])`));
}

/** Until the worker is there and has everything. */
async function keptPage(page: Page): Promise<void> {
  await eventually("a worker that keeps the page", () => page.evaluate(async () => (await navigator.serviceWorker.getRegistration())?.active?.state === "activated"));
}

/** Until what was typed is in the browser's copy: transactions of one store come one after the other. */
async function written(page: Page, notebook: string, person = "owner"): Promise<void> {
  await eventually("the note that it is unsaved", () => page.evaluate((key) => localStorage.getItem(key) !== null, `collab.unsaved.${person}:${notebook}.1`));
  await page.evaluate(
    (name) =>
      new Promise<void>((done, failed) => {
        const opening = indexedDB.open(name);
        opening.onerror = () => failed(opening.error);
        opening.onsuccess = () => {
          const counting = opening.result.transaction(["updates"], "readonly").objectStore("updates").count();
          counting.onsuccess = () => {
            opening.result.close();
            done();
          };
        };
      }),
    `collab:${person}:${notebook}:1`,
  );
}

const nonceOf = (page: Page): Promise<string> => page.evaluate(() => document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "");

/** Whether the page's policy lets a script run that nobody gave the nonce. */
async function runsForeignScript(page: Page): Promise<boolean> {
  return page.evaluate(() => {
    const script = document.createElement("script");
    try {
      script.textContent = "window.foreign = true";
      document.body.append(script);
    } catch {
      // Trusted Types stop it before the policy for scripts does.
    }
    return "foreign" in window;
  });
}
