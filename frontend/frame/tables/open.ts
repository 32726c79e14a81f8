/** Tables from outputs: as the output itself holds one, or in the place of a DataFrame that somebody asks for. */
import "./tables.css";
import type { DrawContext, Drawn } from "../draw";
import { createGrid } from "./grid";
import { callKernel } from "./kernel";
import { readPage } from "./page";
import { isWhole, rowsHere, rowsOfKernel } from "./source";

/** An output that is a table; false when it is none that can be read. */
export function drawTable(parent: HTMLElement, value: string, context: DrawContext): Drawn | null {
  const page = readPage(parsed(value));
  if (page === null) return null;
  const here = rowsHere(page);
  const asks = context.isLive && page.key !== "" && !isWhole(page);
  const grid = createGrid(page, asks ? rowsOfKernel(page.key, callKernel) : here, here, context);
  parent.append(grid.dom);
  return grid;
}

/** The table of a DataFrame that is shown as HTML; `button` asked for it, and takes it away again. */
export async function openTable(
  parent: HTMLElement,
  key: string,
  button: HTMLButtonElement,
  context: DrawContext,
): Promise<Drawn | null> {
  const shown = [...parent.children].filter((child) => child !== button);
  const known = parent.querySelector<HTMLElement>(":scope > .table-view");
  const show = (isTable: boolean, table: HTMLElement): void => {
    for (const child of shown) if (child instanceof HTMLElement && child !== table) child.hidden = isTable;
    table.hidden = !isTable;
    button.textContent = isTable ? "Plain table" : "Interactive table";
    button.removeAttribute("aria-busy");
  };
  if (known !== null) {
    show(known.hidden !== false, known);
    return null;
  }
  try {
    const page = readPage(await callKernel("collab.table.open", [key]));
    if (page === null) throw new Error("The kernel did not answer with a table.");
    const here = rowsHere(page);
    const grid = createGrid(page, rowsOfKernel(key, callKernel), here, context);
    button.before(grid.dom);
    parent.querySelector(":scope > .table-problem")?.remove();
    show(true, grid.dom);
    grid.focus();
    return grid;
  } catch (error) {
    button.removeAttribute("aria-busy");
    const problem = parent.querySelector(":scope > .table-problem") ?? document.createElement("p");
    problem.className = "table-problem";
    problem.setAttribute("role", "alert");
    problem.textContent = error instanceof Error ? error.message : String(error);
    button.after(problem);
    return null;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
