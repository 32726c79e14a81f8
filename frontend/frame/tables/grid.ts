/**
 * A table that is read page by page: sorted by its headers, searched, filtered by column, walked through with the keys
 * of a grid (WAI-ARIA), copied and saved. What a reader does here is theirs alone: nothing is written anywhere.
 */
import type { DrawContext } from "../draw";
import { copyTable } from "./copy";
import { createHead, type GridHead } from "./head";
import { decimalsOf, type Page, type Spec, shownValue, type Value, WHOLE } from "./page";
import { createPager, type Pager } from "./pager";
import type { Source } from "./source";

export interface Grid {
  readonly dom: HTMLElement;
  focus(): void;
  destroy(): void;
}

const BUSY_AFTER_MS = 300;

export function createGrid(first: Page, source: Source, here: Source, context: DrawContext): Grid {
  let page: Page = { ...first, rows: first.rows.slice(0, first.pageRows) };
  let spec: Spec = WHOLE;
  let start = 0;
  let count = first.pageRows;
  let column = first.first;
  let turn = 0;
  let from: Source = source;
  let at = { row: 0, column: 0 };
  let isOver = false;

  const dom = make("div", "table-view");
  const status = make("p", "table-status");
  status.setAttribute("role", "status");
  const table = make("table", "table-grid");
  table.setAttribute("role", "grid");
  const body = make("tbody");
  const box = make("div", "table-box");

  const load = async (): Promise<void> => {
    const mine = ++turn;
    const busy = setTimeout(() => dom.setAttribute("aria-busy", "true"), BUSY_AFTER_MS);
    let told = "";
    let next: Page;
    try {
      next = await from.page({ spec, start, count, first: column });
    } catch (error) {
      // Without the kernel there is what came with the output.
      told = `${error instanceof Error ? error.message : String(error)} Only the rows in the output are shown.`;
      from = here;
      column = first.first;
      next = await here.page({ spec, start, count, first: column });
    }
    clearTimeout(busy);
    if (mine !== turn || isOver) return;
    dom.removeAttribute("aria-busy");
    page = next;
    start = next.start;
    draw();
    say(told);
  };

  const say = (told: string): void => {
    const rows = from === here && first.rows.length < first.total ? `the first ${first.rows.length} of ` : "";
    const found = page.found === page.total ? "" : `${page.found.toLocaleString()} found in `;
    status.textContent = `${found}${rows}${page.total.toLocaleString()} ${page.total === 1 ? "row" : "rows"}, ${page.width.toLocaleString()} ${page.width === 1 ? "column" : "columns"}. ${told}`;
  };

  const change = (next: Partial<Spec>): void => {
    spec = { ...spec, ...next };
    start = 0;
    // What is asked for shows at once, so that the next click goes on from it.
    head.update(page, spec);
    void load();
  };

  const head: GridHead = createHead(change);
  const pager: Pager = createPager({
    onTurn: (to) => {
      start = to;
      void load();
    },
    onCount: (rows) => {
      count = rows;
      void load();
    },
    onColumns: (to) => {
      column = to;
      void load();
    },
  });

  const draw = (): void => {
    const held = table.contains(document.activeElement) && document.activeElement?.closest("tbody") !== null;
    head.update(page, spec);
    const skipped = page.showsIndex ? 0 : page.index.length;
    const columns = [...page.index, ...page.columns];
    const decimals = columns.map(({ kind }, place) =>
      decimalsOf(
        kind,
        page.rows.map((row) => row[place] ?? ""),
      ),
    );
    body.replaceChildren(
      ...page.rows.map((row, line) => {
        const tr = make("tr");
        tr.setAttribute("aria-rowindex", String(page.start + line + 2));
        tr.append(
          ...row.slice(skipped).map((value, place) => {
            const own = place + skipped;
            const isIndex = own < page.index.length;
            const cell = make(isIndex ? "th" : "td");
            if (isIndex) cell.setAttribute("role", "rowheader");
            else cell.setAttribute("role", "gridcell");
            write(cell, value, columns[own]?.kind ?? "text", decimals[own] ?? 0);
            cell.tabIndex = -1;
            return cell;
          }),
        );
        return tr;
      }),
    );
    table.setAttribute("aria-rowcount", String(page.found + 1));
    table.setAttribute("aria-colcount", String(page.width + (page.showsIndex ? page.index.length : 0)));
    pager.update(page, count);
    point(held);
  };

  /** One cell is the stop of the Tab key. */
  const point = (isFocused: boolean): void => {
    at = {
      row: Math.max(0, Math.min(at.row, page.rows.length - 1)),
      column: Math.max(0, Math.min(at.column, (body.rows[0]?.cells.length ?? 1) - 1)),
    };
    for (const cell of body.querySelectorAll<HTMLElement>('[tabindex="0"]')) cell.tabIndex = -1;
    const cell = body.rows[at.row]?.cells[at.column];
    if (cell === undefined) return;
    cell.tabIndex = 0;
    if (isFocused) cell.focus();
  };

  const keys = (event: KeyboardEvent): void => {
    const target = event.target instanceof HTMLTableCellElement ? event.target : null;
    const row = target?.parentElement;
    if (target === null || !(row instanceof HTMLTableRowElement) || row.parentElement !== body) return;
    const where = { row: row.sectionRowIndex, column: target.cellIndex };
    const isMod = event.ctrlKey || event.metaKey;
    if (isMod && event.key.toLowerCase() === "c" && document.getSelection()?.isCollapsed !== false) {
      event.preventDefault();
      copyText(target.textContent ?? "");
      return;
    }
    const next = step(event.key, isMod, where, row.cells.length);
    if (next === null) return;
    event.preventDefault();
    event.stopPropagation();
    at = next;
    point(true);
  };

  const step = (
    key: string,
    isMod: boolean,
    { row, column: cell }: { row: number; column: number },
    width: number,
  ): { row: number; column: number } | null => {
    const last = page.rows.length - 1;
    switch (key) {
      case "ArrowDown":
        return { row: Math.min(last, row + 1), column: cell };
      case "ArrowUp":
        return { row: Math.max(0, row - 1), column: cell };
      case "ArrowRight":
        return { row, column: Math.min(width - 1, cell + 1) };
      case "ArrowLeft":
        return { row, column: Math.max(0, cell - 1) };
      case "Home":
        return { row: isMod ? 0 : row, column: 0 };
      case "End":
        return { row: isMod ? last : row, column: width - 1 };
      case "PageDown":
        pager.turn(1);
        return { row, column: cell };
      case "PageUp":
        pager.turn(-1);
        return { row, column: cell };
      default:
        return null;
    }
  };

  const copyText = (text: string): void => {
    status.textContent = copyTable(text, null) ? "Copied." : "This browser did not let the output copy.";
  };

  const save = async (): Promise<void> => {
    const encoder = new TextEncoder();
    const pieces: Uint8Array[] = [];
    try {
      for await (const text of from.csv(spec)) pieces.push(encoder.encode(text));
    } catch (error) {
      status.textContent = error instanceof Error ? error.message : String(error);
      return;
    }
    const bytes = await new Blob(pieces.map((piece) => new Uint8Array(piece))).arrayBuffer();
    context.saveFile("table.csv", bytes);
  };

  const copy = (): void => {
    const skipped = page.showsIndex ? 0 : page.index.length;
    const names = [...page.index, ...page.columns]
      .slice(skipped)
      .map(({ name }) => name.filter((part) => part !== "").join(" "));
    const lines = [...body.rows].map((row) => [...row.cells].map((cell) => cell.textContent ?? ""));
    const done = copyTable([names, ...lines].map((line) => line.join("\t")).join("\n"), [names, ...lines]);
    status.textContent = done ? `${page.rows.length} rows copied.` : "This browser did not let the output copy.";
  };

  const bar = make("div", "table-bar");
  bar.append(
    head.search,
    head.toggle,
    button("Copy rows", copy),
    button("Save as CSV", () => void save()),
  );
  table.append(head.dom, body);
  box.append(table);
  pager.dom.append(status);
  dom.append(bar, box, pager.dom);
  table.addEventListener("keydown", keys);
  body.addEventListener("focusin", (event) => {
    const cell = event.target instanceof HTMLTableCellElement ? event.target : null;
    const row = cell?.parentElement;
    if (cell === null || !(row instanceof HTMLTableRowElement)) return;
    at = { row: row.sectionRowIndex, column: cell.cellIndex };
    point(false);
  });
  draw();
  say("");

  return {
    dom,
    focus: () => point(true),
    destroy() {
      isOver = true;
    },
  };
}

function write(cell: HTMLElement, value: Value, kind: string, decimals: number): void {
  cell.textContent = shownValue(value, decimals);
  cell.dataset["kind"] = kind;
  if (typeof value === "object") cell.className = "table-missing";
}

function make<K extends keyof HTMLElementTagNameMap>(tag: K, className = ""): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  if (className !== "") node.className = className;
  return node;
}

function button(text: string, onClick: () => void): HTMLButtonElement {
  const node = make("button", "save");
  node.type = "button";
  node.textContent = text;
  node.addEventListener("click", onClick);
  return node;
}
