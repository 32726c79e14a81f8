/** Forms: fields of `#@param` edited by everyone at once, beside the code or in its place (outputs.md 10, "Forms"). */
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { create, eventually, exported, joined, launch, outputText, press, type Server, saved, signIn, startServer, visit, waitForSync } from "./support";

let server: Server;
let browser: Browser;
let firefox: Browser;

beforeAll(async () => {
  [server, browser, firefox] = await Promise.all([startServer(), launch("chromium"), launch("firefox")]);
});

afterAll(async () => {
  await Promise.all([browser?.close(), firefox?.close()]);
  await server?.close();
});

const ALL = `#@title Training {run: "auto"}
#@markdown Choose how the **model** is trained.
#@markdown See the [guide](https://example.org/).
name = "first" #@param {type:"string"}
kind = 'small' #@param ["small", "large"]
open = "a" # @param ["a", "b"] {allow-input: true}
layers = 3 #@param {type:"integer", min:1, max:9}
rate = 0.5 #@param {type:"slider", min:0, max:1, step:0.1}
deep = True #@param {type:"boolean"}
day = '2024-01-31' #@param {type:"date"}
extra = None #@param {type:"raw"}
code = f"{name}" #@param {type:"string"}
print(name, kind, layers, rate, deep, day, extra)`;

/** The control that has this label, in the form of cell `n`. */
const field = (page: Page, n: number, label: string) =>
  eventually(`the field ${label} of cell ${n}`, async () => {
    const id = await page.evaluate(
      (title, name) => {
        const form = document.querySelector(`[role="group"][aria-label="${title}"]`);
        return [...(form?.querySelectorAll("label") ?? [])].find((item) => item.textContent === name)?.htmlFor ?? "";
      },
      `Form of cell ${n}`,
      label,
    );
    return id !== "" && page.$(`#${id}`);
  });

const valueOf = async (page: Page, n: number, label: string): Promise<string> =>
  (await field(page, n, label)).evaluate((input) => (input instanceof HTMLInputElement && input.type === "checkbox" ? String(input.checked) : ((input as HTMLInputElement).value ?? "")));

async function retype(page: Page, n: number, label: string, text: string): Promise<void> {
  const input = await field(page, n, label);
  await input.evaluate((box) => {
    if (box instanceof HTMLInputElement) {
      box.focus();
      box.select();
    }
  });
  await page.keyboard.type(text);
  await page.keyboard.press("Enter");
}

const source = async (notebook: string, n: number): Promise<string> => joined((await exported(server, notebook)).cells[n - 1]?.source ?? "");

describe("a form", () => {
  it("writes each field into its own line, runs by itself, and follows what others write", async () => {
    const notebook = await create(server, [ALL, "2"], "Form");
    // Firefox gets the emoji in halves.
    const page = await signIn(firefox, server, `/n/${notebook}`);
    const { page: other } = await visit(browser, server, notebook, "editor");
    await waitForSync(page, 2);
    await waitForSync(other, 2);
    await field(page, 1, "name");
    expect(await page.$$eval(".cell-form:not([hidden])", (forms) => forms.map((form) => form.querySelectorAll("label").length))).toEqual([9]);
    await retype(page, 1, "name", "it's 😀");
    await eventually("it ran by itself", async () => (await outputText(page, 1)).startsWith("it's 😀 small 3 0.5 True 2024-01-31 None"));
    await eventually("the other sees the text", async () => (await valueOf(other, 1, "name")) === "it's 😀");
    await (await field(other, 1, "kind")).select("large");
    await retype(other, 1, "layers", "007");
    await (await field(page, 1, "deep")).click();
    await (await field(page, 1, "rate")).press("ArrowRight");
    await retype(page, 1, "extra", "[1, 2]");
    await retype(other, 1, "open", "something else");
    await (await field(other, 1, "day")).evaluate((input) => {
      (input as HTMLInputElement).value = "2024-02-29";
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
    const lines = ALL.replace('"first"', "\"it's 😀\"").replace("'small'", "'large'").replace("layers = 3", "layers = 7").replace("0.5", "0.6").replace("True", "False").replace("None", "[1, 2]").replace('open = "a"', 'open = "something else"').replace("2024-01-31", "2024-02-29");
    await eventually("every line has its value", async () => (await source(notebook, 1)) === lines);
    for (const each of [page, other]) {
      await eventually("both show it", async () => (await valueOf(each, 1, "layers")) === "7" && (await valueOf(each, 1, "deep")) === "false" && (await valueOf(each, 1, "extra")) === "[1, 2]");
      await eventually("both see the last run", async () => (await outputText(each, 1)).trim() === "it's 😀 large 7 0.6 False 2024-02-29 [1, 2]");
    }
    // What cannot be read is shown as it is and left alone; what cannot stand is not written.
    expect(await (await field(page, 1, "code")).evaluate((input) => [(input as HTMLInputElement).readOnly, (input as HTMLInputElement).value])).toEqual([true, 'f"{name}"']);
    await retype(page, 1, "layers", "12");
    await eventually("it says why", () => page.evaluate(() => document.querySelector(".form-problem:not([hidden])")?.textContent === "The most is 9."));
    await saved(page);
    expect(await source(notebook, 1)).toBe(lines);
    await Promise.all([page.close(), other.close()]);
  });

  it("stands in place of its code where the notebook says so, and each may look at the code", async () => {
    const notebook = await create(server, ['#@title Only the form {display-mode: "form"}\nx = 1 #@param {type:"integer"}', "x = 2 #@param"], "Hidden");
    const page = await signIn(browser, server, `/n/${notebook}`);
    await waitForSync(page, 2);
    await field(page, 1, "x");
    const codeShown = (n: number): Promise<boolean> => page.$eval(`[aria-label="Source of cell ${n}"]`, (code) => code.getClientRects().length > 0);
    expect([await codeShown(1), await codeShown(2)]).toEqual([false, true]);
    await press(page, "Show code of cell 1");
    await eventually("the code is shown", () => codeShown(1));
    await press(page, "Hide code of cell 1");
    await eventually("the code is away again", async () => !(await codeShown(1)));
    await page.close();
  });

  it("shows its fields to viewers, who cannot change them", async () => {
    const notebook = await create(server, [ALL], "Viewed");
    const { page } = await visit(browser, server, notebook, "viewer");
    await waitForSync(page, 1);
    const name = await field(page, 1, "name");
    expect(await name.evaluate((input) => (input as HTMLInputElement).readOnly)).toBe(true);
    expect(await (await field(page, 1, "kind")).evaluate((input) => (input as HTMLSelectElement).disabled)).toBe(true);
    await name.click();
    await page.keyboard.type("x");
    expect(await valueOf(page, 1, "name")).toBe("first");
    await page.close();
  });
});
