/** What must survive: crashes of the server, closed browsers, lost connections. */
import type { Browser, Page } from "puppeteer-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type BrowserName,
  create,
  eventually,
  exported,
  joined,
  launch,
  outputText,
  press,
  rebuild,
  type Server,
  saved,
  signIn,
  sourceOf,
  startServer,
  textOf,
  typeInto,
  waitForSync,
} from "./support";

const COUNTING = "import time\nfor i in range(40):\n    print('line', i, flush=True)\n    time.sleep(0.1)";
const COUNTED = Array.from({ length: 40 }, (_, i) => `line ${i}\n`).join("");

describe.each<BrowserName>(["chromium", "firefox"])("in %s", (name) => {
  let server: Server;
  let browser: Browser;

  beforeEach(async () => {
    [server, browser] = await Promise.all([startServer(), launch(name)]);
  });

  afterEach(async () => {
    await browser?.close();
    await server?.close();
  });

  it("kill -9 in mid-typing loses nothing: what was not yet saved comes from the page", async () => {
    const notebook = await create(server, [""], "Crash");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(page, 1);
    await typeInto(page, 1, "acknowledged ");
    await saved(page);
    const typing = page.keyboard.type("and typed while it died ");
    await server.kill();
    await typing;
    await eventually("the page says Offline", () =>
      page.evaluate(() => [...document.querySelectorAll('[role="status"]')].some((item) => /Offline|Not saved/.test(item.textContent ?? ""))),
    );
    await page.keyboard.type("and offline");
    await server.start();
    await saved(page);
    expect(joined((await exported(server, notebook)).cells[0]?.source ?? "")).toBe("acknowledged and typed while it died and offline");
    expect(await sourceOf(page, 1)).toBe("acknowledged and typed while it died and offline");
  });

  it("kill -9 in mid-run: the kernel goes on and its output arrives, once", async () => {
    const notebook = await create(server, [COUNTING], "Crash in a run");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(page, 1);
    await press(page, "Run cell 1");
    await eventually("it prints", async () => (await outputText(page, 1)).includes("line 5"));
    await server.kill();
    await new Promise((wake) => setTimeout(wake, 1_000));
    await server.start();
    await eventually("the last line", async () => (await outputText(page, 1)).includes("line 39"), 30_000);
    await eventually("the run mark", async () => (await exported(server, notebook)).cells[0]?.execution_count === 1);
    expect(textOf((await exported(server, notebook)).cells[0]?.outputs)).toBe(COUNTED);
  });

  it("closing every browser changes nothing: the output is there when one comes back", async () => {
    const notebook = await create(server, [COUNTING], "Nobody looks");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(page, 1);
    await press(page, "Run cell 1");
    await eventually("it prints", async () => (await outputText(page, 1)).includes("line 3"));
    await page.close();
    await eventually("the run is over", async () => (await exported(server, notebook)).cells[0]?.execution_count === 1, 30_000);
    const back = await signIn(browser, server, `/n/${notebook}`);
    await eventually("the finished output", async () => (await outputText(back, 1)).includes("line 39"));
    expect(textOf((await exported(server, notebook)).cells[0]?.outputs)).toBe(COUNTED);
  });

  it("edits made offline merge with those made meanwhile", async () => {
    const notebook = await create(server, ["shared "], "Offline");
    const [page, other] = await Promise.all([signIn(browser, server, `/n/${notebook}`), signIn(browser, server, `/n/${notebook}`)]);
    await Promise.all([waitForSync(page, 1), waitForSync(other, 1)]);
    await server.kill();
    await Promise.all([typeInto(page, 1, "from-one "), typeInto(other, 1, "from-two ")]);
    await server.start();
    await Promise.all([saved(page), saved(other)]);
    const text = await eventually("all equal", async () => {
      const [a, b] = [await sourceOf(page, 1), await sourceOf(other, 1)];
      return a === b ? a : null;
    });
    expect(text).toContain("from-one");
    expect(text).toContain("from-two");
    expect(text.length).toBe("shared from-one from-two ".length);
    expect(joined((await exported(server, notebook)).cells[0]?.source ?? "")).toBe(text);
  });

  it("work done offline before a notebook was rebuilt is merged, and what has no place is kept as text", async () => {
    const notebook = await create(server, ["one\ntwo\nthree", "other", "contested"], "Rebuilt");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(page, 3);
    await server.kill();
    await typeInto(page, 1, " offline");
    await typeInto(page, 3, " by me");
    await saved(page, "Offline");
    await kept(page, notebook);
    const back = await page.browserContext().newPage();
    await page.close();
    await rebuild(server, notebook, { contested: "contested by others" });
    await server.start();
    await back.goto(`${server.url}/n/${notebook}`);
    await waitForSync(back, 3);
    await eventually("the offline line", async () => (await sourceOf(back, 1)) === "one\ntwo\nthree offline");
    expect((await exported(server, notebook)).cells.map(({ source }) => joined(source))).toEqual([
      "one\ntwo\nthree offline",
      "other",
      "contested by others",
    ]);
    await back.waitForSelector("::-p-aria([role='button'][name='Recovered work'])");
    const text = await back.evaluate((id) => localStorage.getItem(`collab.recovered.owner:${id}`), notebook);
    expect(text).toContain("contested by me");
  });
});

/** Until the copy in the browser is written: transactions of one store come one after the other. */
async function kept(page: Page, notebook: string): Promise<void> {
  const updates = await page.evaluate(
    (name) =>
      new Promise<number>((done, failed) => {
        const opening = indexedDB.open(name);
        opening.onerror = () => failed(opening.error);
        opening.onsuccess = () => {
          const counting = opening.result.transaction(["updates"], "readonly").objectStore("updates").count();
          counting.onsuccess = () => {
            opening.result.close();
            done(counting.result);
          };
        };
      }),
    `collab:owner:${notebook}:1`,
  );
  expect(updates).toBeGreaterThan(1);
}
