/** Runs the script of a `…_load` output, which brings a library to the outputs after it. */
import { runScript } from "./html";

const LOADED_WITHIN_MS = 20_000;

/**
 * `json` is the script as JSON text; it may add scripts from elsewhere. Outputs that need those come next and wait a
 * second at most by themselves, so they are awaited here.
 */
export async function runLoad(parent: HTMLElement, json: string): Promise<void> {
  const before = new Set(document.scripts);
  await runScript(parent, textOf(json));
  const added = [...document.scripts].filter((script) => script.src !== "" && !before.has(script));
  const loads = added.map((script) => {
    return new Promise<void>((resolve) => {
      script.addEventListener("load", () => resolve());
      script.addEventListener("error", () => resolve());
    });
  });
  await Promise.race([Promise.all(loads), new Promise((wake) => setTimeout(wake, LOADED_WITHIN_MS))]);
}

function textOf(json: string): string {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "string" ? value : json;
  } catch {
    return json;
  }
}
