/**
 * `colab_lib.createTabBar`, which Colab's own package and notebooks that were saved there call for their tabs. They ask
 * for a script of that host, which is not loaded here: this stands for it.
 */

export const TAB_SCRIPTS = /^(?:https?:\/\/[^/]+)?\/nbextensions\/google\.colab\/[\w.]+$/;

interface TabBar {
  setSelectedTabIndex(index: number): void;
}

type Fields = ReadonlyMap<string, unknown>;

export function provideTabs(target: Window): void {
  Object.assign(target, {
    colab_lib: Object.freeze({
      createTabBar: (options: unknown) =>
        createTabBar(new Map(typeof options === "object" && options !== null ? Object.entries(options) : [])),
    }),
  });
}

/** The element of `elementId` gets the tabs, and behind them `{elementId}_content_{n}` for what each shows. */
function createTabBar(options: Fields): TabBar {
  const id = String(options.get("elementId"));
  const root = document.getElementById(id);
  const given = options.get("tabNames");
  const names = Array.isArray(given) ? given.map(String) : [];
  const list = element("div", "colab-tabs", "tablist");
  const contents: HTMLElement[] = [];

  const select = (index: number): void => {
    for (const [at, tab] of [...list.children].entries()) {
      tab.setAttribute("aria-selected", String(at === index));
      if (tab instanceof HTMLElement) tab.tabIndex = at === index ? 0 : -1;
    }
    for (const [at, content] of contents.entries()) content.hidden = at !== index;
  };

  for (const [index, name] of names.entries()) {
    const tab = element("button", "colab-tab", "tab");
    tab.textContent = name;
    tab.addEventListener("click", () => select(index));
    tab.addEventListener("keydown", (event) => {
      const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
      if (step === 0) return;
      const next = (index + step + names.length) % names.length;
      select(next);
      const there = list.children[next];
      if (there instanceof HTMLElement) there.focus();
    });
    list.append(tab);
    const content = element("div", "", "tabpanel");
    content.id = `${id}_content_${index}`;
    tab.setAttribute("aria-controls", content.id);
    contents.push(content);
  }
  const isBelow = options.get("location") === "bottom";
  root?.append(...(isBelow ? [...contents, list] : [list, ...contents]));
  const first = options.get("initialSelection");
  select(typeof first === "number" ? first : 0);
  return { setSelectedTabIndex: select };
}

function element(tag: string, name: string, role: string): HTMLElement {
  const made = document.createElement(tag);
  made.className = name;
  made.setAttribute("role", role);
  if (made instanceof HTMLButtonElement) made.type = "button";
  return made;
}
