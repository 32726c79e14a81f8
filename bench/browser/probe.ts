/** What is measured inside a page: keystrokes until the frame that shows them, long frames, and pictures as they appear. */
import type { Page } from "puppeteer-core";

export interface Probed {
  /** ms from each keydown to the end of the frame that follows it. */
  keys: number[];
  /** ms of each frame of 50 ms and more. */
  frames: number[];
  /** For each picture, by the width that its output asks for, when it was on the screen: ms since 1970. */
  shown: Record<string, number>;
}

declare global {
  interface Window {
    __probed: Probed;
  }
}

/** Begins, or begins anew. */
export async function probe(page: Page): Promise<void> {
  await page.evaluate(() => {
    const isNew = window.__probed === undefined;
    window.__probed = { keys: [], frames: [], shown: {} };
    if (!isNew) return;
    const afterFrame = (done: () => void): void => {
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = done;
        port2.postMessage(null);
      });
    };
    addEventListener(
      "keydown",
      (event) => {
        const began = event.timeStamp;
        afterFrame(() => window.__probed.keys.push(performance.now() - began));
      },
      true,
    );
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) window.__probed.frames.push(entry.duration);
    }).observe({ type: "long-animation-frame" });
    const look = (image: HTMLImageElement): void => {
      const width = image.getAttribute("width") ?? "";
      if (width === "" || window.__probed.shown[width] !== undefined) return;
      window.__probed.shown[width] = 0;
      const { shown } = window.__probed;
      image.decode().then(
        () => afterFrame(() => (shown[width] = Date.now())),
        () => delete shown[width],
      );
    };
    new MutationObserver((records) => {
      for (const { addedNodes, target } of records) {
        if (target instanceof HTMLImageElement) look(target);
        for (const node of addedNodes) {
          if (node instanceof HTMLImageElement) look(node);
          else if (node instanceof Element) for (const image of node.querySelectorAll("img")) look(image);
        }
      }
    }).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["src", "width"] });
  });
}

export const probed = (page: Page): Promise<Probed> => page.evaluate(() => window.__probed);

/** MB of the page's own objects, after a collection. */
export async function heapMb(page: Page): Promise<number> {
  const session = await page.createCDPSession();
  await session.send("HeapProfiler.collectGarbage");
  await session.detach();
  return ((await page.metrics()).JSHeapUsedSize ?? 0) / 2 ** 20;
}

export function quantile(values: number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
}
