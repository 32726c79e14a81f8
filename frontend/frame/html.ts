/** Puts HTML of an output into the frame, its scripts run as in a page (`scripts.ts`), and says what cannot be loaded. */
import { aliasElement } from "./element";
import { explainFiles } from "./kernel_files";
import { localStyles } from "./local_styles";
import { runScripts, startScript } from "./scripts";

export async function insertHtml(parent: HTMLElement, html: string): Promise<void> {
  aliasElement(parent);
  const template = document.createElement("template");
  template.innerHTML = html;
  explainFiles(template.content);
  localStyles(template.content);
  for (const page of template.content.querySelectorAll("iframe:not([title])"))
    page.setAttribute("title", "Embedded page");
  const scripts = [...template.content.querySelectorAll("script")];
  parent.append(template.content);
  await runScripts(scripts, parent);
}

/** application/javascript: a classic script in the frame's global scope, so that later outputs find its functions. */
export async function runScript(parent: HTMLElement, code: string): Promise<void> {
  const script = document.createElement("script");
  script.textContent = code;
  aliasElement(parent);
  await startScript(script, parent);
}

/** An ES module. */
export async function runModule(parent: HTMLElement, code: string): Promise<void> {
  const script = document.createElement("script");
  script.type = "module";
  script.textContent = code;
  aliasElement(parent);
  await startScript(script, parent);
}

/** After loading, `document.write` would erase the frame; libraries mean "here". */
export function writeIntoArea(): void {
  const write = (...texts: string[]): void => {
    const script = document.currentScript;
    const area = Reflect.get(window, "element");
    const html = texts.join("");
    const template = document.createElement("template");
    template.innerHTML = html;
    const scripts = [...template.content.querySelectorAll("script")];
    // Where the script stands, as while a page loads; else where the output is drawn.
    if (script !== null && document.body.contains(script)) script.before(template.content);
    else if (area instanceof HTMLElement) area.append(template.content);
    if (area instanceof HTMLElement) void runScripts(scripts, area);
  };
  const writeln = (...texts: string[]): void => write(...texts, "\n");
  Object.assign(document, { write, writeln, open: () => document, close: () => undefined });
}
