/** The document of a cell's frame, reached as a debugger reaches it: the page itself cannot. In both browsers. */
import type { Browser, CDPSession, Page } from "puppeteer-core";
import { type BrowserName, eventually, outputText } from "./support";

export interface Inside {
  /** The value of a JavaScript expression there; it must be JSON. */
  value<T>(expression: string): Promise<T>;
  /** Until the expression is true. */
  until(what: string, expression: string): Promise<void>;
}

const ANSWER_WITHIN_MS = 2_000;

/** The frame of cell `n`, scrolled into view. Found anew for each question, as a frame may be replaced at any time. */
export function inside(name: BrowserName, browser: Browser, page: Page, n: number): Inside {
  let session: { src: string; cdp: CDPSession } | null = null;

  const ask = async <T>(expression: string): Promise<T | null> => {
    const element = await page.$(`iframe[title="Output of cell ${n}"]`);
    if (element === null) return null;
    if (name === "firefox") {
      const frame = await element.contentFrame();
      // biome-ignore lint/security/noGlobalEval: a debugger's expression, in the page under test
      return frame.evaluate((code) => JSON.stringify((0, eval)(code)) ?? "null", expression).then((text) => JSON.parse(text) as T);
    }
    const src = await element.evaluate((iframe) => (iframe as HTMLIFrameElement).src);
    if (session?.src !== src) {
      const cdp = await browser
        .targets()
        .find((target) => target.url() === src)
        ?.createCDPSession();
      if (cdp === undefined) return null;
      session = { src, cdp };
    }
    const { result, exceptionDetails } = await session.cdp.send("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value as T;
  };

  const show = (): Promise<void> =>
    page.evaluate((at) => document.querySelectorAll('[role="list"][aria-label="Cells"] > li')[at]?.scrollIntoView({ block: "center" }), n - 1);

  // A document that is being replaced answers nothing, and neither does what was attached to it: the next question finds the new one.
  const within = async <T>(answer: Promise<T | null>): Promise<T | null> => {
    const late = Symbol("late");
    let timer: NodeJS.Timeout | undefined;
    const first = await Promise.race([answer, new Promise<typeof late>((wake) => { timer = setTimeout(() => wake(late), ANSWER_WITHIN_MS); })]);
    clearTimeout(timer);
    if (first !== late) return first;
    answer.catch(() => undefined);
    session = null;
    return null;
  };

  return {
    async value<T>(expression: string): Promise<T> {
      const answer = await within(ask<T>(expression));
      if (answer === null) throw new Error(`cell ${n} has no answer to ${expression}`);
      return answer;
    },
    async until(what, expression) {
      await show();
      await eventually(`cell ${n}: ${what}`, () => within(ask<boolean>(`Boolean(${expression})`)), 30_000).catch(async (error) => {
        const frame = await within(ask<string>("document.body.innerText.slice(0, 500)")).catch(String);
        const around = await outputText(page, n);
        throw new Error(`${error instanceof Error ? error.message : error}; the frame shows ${JSON.stringify(frame)}, the page ${JSON.stringify(around)}`);
      });
    },
  };
}

/** Where a point of the frame of cell `n` is in the page's viewport: `expression` gives `[x, y]` inside the frame. */
export async function pointIn(page: Page, frame: Inside, n: number, expression: string): Promise<{ x: number; y: number }> {
  const [x, y] = await frame.value<[number, number]>(expression);
  const box = await page.$eval(`iframe[title="Output of cell ${n}"]`, (element) => {
    const { left, top } = element.getBoundingClientRect();
    return { left, top };
  });
  return { x: box.left + x, y: box.top + y };
}

/** An expression for the middle of the first element that `selector` finds. */
export const middleOf = (selector: string): string =>
  `(() => { const box = document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2] })()`;
