/** The header of a table: names that sort, a search over everything, and a line of filters when it is asked for. */

import type { Column, Page, Sort, Spec } from "./page";

export interface GridHead {
  readonly dom: HTMLTableSectionElement;
  readonly search: HTMLElement;
  readonly toggle: HTMLElement;
  update(page: Page, spec: Spec): void;
}

const TYPED_AFTER_MS = 400;
const HINTS: Readonly<Record<Column["kind"], string>> = {
  number: "1, >1 or 1..5",
  integer: "1, >1 or 1..5",
  date: ">2024-01-31",
  boolean: "True or False",
  text: "contains, or =text",
};

export function createHead(change: (next: Partial<Spec>) => void): GridHead {
  const dom = document.createElement("thead");
  const names = document.createElement("tr");
  const filters = document.createElement("tr");
  filters.className = "table-filters";
  filters.hidden = true;
  dom.append(names, filters);
  const search = document.createElement("input");
  search.type = "search";
  search.placeholder = "Search";
  search.setAttribute("aria-label", "Search the table");
  const toggle = document.createElement("button");
  toggle.type = "button";
  toggle.className = "save";
  toggle.textContent = "Filter";
  toggle.setAttribute("aria-expanded", "false");
  const texts = new Map<number, string>();
  let sort: readonly Sort[] = [];
  let shape = "";

  onTyped(search, () => change({ search: search.value }));
  toggle.addEventListener("click", () => {
    filters.hidden = !filters.hidden;
    toggle.setAttribute("aria-expanded", String(!filters.hidden));
    if (!filters.hidden) filters.querySelector("input")?.focus();
  });

  /** Once up, once more down, then no more; with Shift beside the others. */
  const turned = (column: number, isAdded: boolean): Sort[] => {
    const mine = sort.find((one) => one.column === column);
    const others = isAdded ? sort.filter((one) => one.column !== column) : [];
    if (mine === undefined) return [...others, { column, descending: false }];
    return mine.descending ? others : [...others, { column, descending: true }];
  };

  const nameCell = (column: number, { name, kind }: Column): HTMLElement => {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.setAttribute("role", "columnheader");
    cell.dataset["kind"] = kind;
    cell.dataset["column"] = String(column);
    const button = document.createElement("button");
    button.type = "button";
    for (const [level, text] of name.entries()) {
      const line = document.createElement("span");
      line.textContent =
        text === "" && level === name.length - 1 && name.length === 1 ? (column < 0 ? "index" : "\u00a0") : text;
      if (column < 0 && name.join("") === "") line.className = "table-unnamed";
      button.append(line);
    }
    const sign = document.createElement("span");
    sign.className = "table-order";
    sign.setAttribute("aria-hidden", "true");
    button.append(sign);
    button.title = "Sort; with Shift as well by this";
    button.addEventListener("click", (event) => change({ sort: turned(column, event.shiftKey) }));
    cell.append(button);
    return cell;
  };

  const filterCell = (column: number, { name, kind }: Column): HTMLElement => {
    const cell = document.createElement("td");
    const input = document.createElement("input");
    input.type = "text";
    input.placeholder = HINTS[kind];
    input.spellcheck = false;
    input.autocomplete = "off";
    input.value = texts.get(column) ?? "";
    input.setAttribute("aria-label", `Filter ${name.filter((part) => part !== "").join(" ") || "index"}`);
    onTyped(input, () => {
      texts.set(column, input.value);
      change({
        filters: [...texts].map(([of, text]) => ({ column: of, text })).filter(({ text }) => text.trim() !== ""),
      });
    });
    cell.append(input);
    return cell;
  };

  return {
    dom,
    search,
    toggle,
    update(page, spec) {
      sort = spec.sort;
      const levels = page.showsIndex ? page.index : [];
      const columns: [number, Column][] = [
        ...levels.map((column, level): [number, Column] => [-level - 1, column]),
        ...page.columns.map((column, at): [number, Column] => [page.first + at, column]),
      ];
      const wanted = JSON.stringify(columns);
      if (wanted !== shape) {
        shape = wanted;
        names.replaceChildren(...columns.map(([column, about]) => nameCell(column, about)));
        filters.replaceChildren(...columns.map(([column, about]) => filterCell(column, about)));
      }
      for (const cell of names.children) {
        if (!(cell instanceof HTMLElement)) continue;
        const place = sort.findIndex((one) => String(one.column) === cell.dataset["column"]);
        const mine = sort[place];
        const word = mine === undefined ? "none" : mine.descending ? "descending" : "ascending";
        cell.setAttribute("aria-sort", word);
        const sign = cell.querySelector(".table-order");
        const number = sort.length > 1 && mine !== undefined ? String(place + 1) : "";
        if (sign !== null) sign.textContent = mine === undefined ? "" : `${mine.descending ? "▼" : "▲"}${number}`;
      }
    },
  };
}

/** When somebody stops typing, or at once with Enter. */
function onTyped(input: HTMLInputElement, act: () => void): void {
  let timer = 0;
  let done = input.value;
  const now = (): void => {
    clearTimeout(timer);
    if (input.value === done) return;
    done = input.value;
    act();
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = window.setTimeout(now, TYPED_AFTER_MS);
  });
  input.addEventListener("change", now);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") now();
  });
}
