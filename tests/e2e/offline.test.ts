/** Without a network: the page and its notebooks open from what the browser keeps, and all comes together on return. */
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BrowserName, create, eventually, exported, joined, launch, type Server, saved, signIn, sourceOf, startServer, typeInto, waitForSync } from "./support";

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

    const offline = await page.browserContext().newPage();
    await page.close();
    await offline.goto(`${server.url}/n/${notebook}`);
    await saved(offline, "Offline");
    expect(await sourceOf(offline, 1)).toBe("kept ");
    expect(await nonceOf(offline)).toMatch(/^[A-Za-z0-9+/]{24}$/);
    expect(await nonceOf(offline)).not.toBe(nonce);
    expect(await runsForeignScript(offline)).toBe(false);
    await typeInto(offline, 1, "from the train");
    await eventually("the note that it is unsaved", () => offline.evaluate(() => Object.keys(localStorage).some((key) => key.startsWith("collab.unsaved."))));

    const again = await offline.browserContext().newPage();
    await offline.close({ runBeforeUnload: false });
    await again.goto(`${server.url}/`);
    await again.waitForSelector("::-p-aria([role='link'][name='Far from home'])");
    await again.click("::-p-aria([role='link'][name='Far from home'])");
    await saved(again, "Offline");
    expect(await sourceOf(again, 1)).toBe("kept from the train");

    await server.start();
    await saved(again);
    expect((await exported(server, notebook)).cells.map(({ source }) => joined(source))).toEqual(["kept from the train", "other"]);
    await again.close();
  });
});

/** Until the worker is there and has everything. */
async function keptPage(page: Page): Promise<void> {
  await eventually("a worker that keeps the page", () => page.evaluate(async () => (await navigator.serviceWorker.getRegistration())?.active?.state === "activated"));
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
