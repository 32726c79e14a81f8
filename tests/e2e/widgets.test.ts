/** Widgets shared by everyone in a notebook (outputs.md section 9), in Chromium and Firefox at once. */
import type { Browser, Frame, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { create, eventually, launch, screenshot, type Server, signIn, startServer, visit, waitForSync } from "./support";

let server: Server;
let chromium: Browser;
let firefox: Browser;

beforeAll(async () => {
  [server, chromium, firefox] = await Promise.all([startServer(), launch("chromium"), launch("firefox")]);
});

afterAll(async () => {
  await Promise.all([chromium?.close(), firefox?.close()]);
  await server?.close();
});

/** The document of cell `n`'s outputs, once it shows `selector`. */
async function frameOf(page: Page, n: number, selector: string): Promise<Frame> {
  return eventually(`the frame of cell ${n} shows ${selector}`, async () => {
    const element = await page.$(`iframe[title="Output of cell ${n}"]`);
    const frame = await element?.contentFrame();
    return frame && (await frame.$(selector)) ? frame : null;
  });
}

const SLIDER = ".widget-slider .noUi-handle";

async function valueOf(page: Page, n: number): Promise<string> {
  const frame = await frameOf(page, n, SLIDER);
  return frame.$eval(SLIDER, (handle) => handle.getAttribute("aria-valuenow") ?? "");
}

const runAll = (page: Page): Promise<void> =>
  page.evaluate(() => [...document.querySelectorAll<HTMLElement>('[role="toolbar"] button')].find((button) => button.textContent === "Run all")?.click());

describe("one slider in two browsers", () => {
  it("moves in both, and the kernel's clamp reaches both", async () => {
    const notebook = await create(server, ["import ipywidgets as w\ns = w.IntSlider(max=50, description='Speed')\ndisplay(s)"]);
    const ada = await signIn(chromium, server, `/n/${notebook}`);
    await waitForSync(ada, 1);
    await runAll(ada);
    const bo = await signIn(firefox, server, `/n/${notebook}`);
    const first = await frameOf(ada, 1, SLIDER);
    await frameOf(bo, 1, SLIDER);
    await screenshot(ada, "widget-slider");
    const handle = await first.$(SLIDER);
    await handle?.focus();
    await handle?.press("ArrowRight");
    await eventually("both show 1", async () => (await valueOf(ada, 1)) === "1.0" && (await valueOf(bo, 1)) === "1.0");
  });
});
