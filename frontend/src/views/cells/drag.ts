/** Moving cells by their handle with the pointer. The same is done with arrow keys on the handle and with shortcuts. */

import { element } from "../shared/element.ts";

interface Options {
  readonly list: HTMLElement;
  /** The cells that move when this handle is dragged. */
  readonly moving: (id: string) => readonly string[];
  readonly mayMove: () => boolean;
  /** Puts them before that cell, null at the end. */
  readonly onDrop: (ids: readonly string[], before: string | null) => void;
}

const EDGE_PX = 60;

export function mountDrag({ list, moving, mayMove, onDrop }: Options): () => void {
  const line = element("div", { class: "drop-line", hidden: true });
  list.after(line);

  const begin = (event: PointerEvent): void => {
    const handle = event.target instanceof Element ? event.target.closest(".drag-handle") : null;
    const id = handle?.closest<HTMLElement>(".cell")?.dataset["id"];
    if (!(handle instanceof HTMLElement) || id === undefined || event.button !== 0 || !mayMove()) return;
    event.preventDefault();
    handle.focus();
    handle.setPointerCapture(event.pointerId);
    const ids = new Set(moving(id));
    let before: string | null | undefined;
    const shells = (): HTMLElement[] => [...list.querySelectorAll<HTMLElement>(":scope > .cell")];

    const follow = (move: PointerEvent): void => {
      if (move.clientY < EDGE_PX + 80) window.scrollBy(0, -12);
      if (move.clientY > window.innerHeight - EDGE_PX) window.scrollBy(0, 12);
      const all = shells();
      const next = all.find((shell) => {
        const box = shell.getBoundingClientRect();
        return move.clientY < box.top + box.height / 2;
      });
      before = next?.dataset["id"] ?? null;
      const frame = list.getBoundingClientRect();
      const y = next === undefined ? frame.bottom : next.getBoundingClientRect().top;
      line.hidden = false;
      line.style.top = `${y}px`;
      line.style.left = `${frame.left}px`;
      line.style.width = `${frame.width}px`;
      list.dataset["dragging"] = "";
    };
    const end = (): void => {
      handle.removeEventListener("pointermove", follow);
      handle.removeEventListener("pointerup", drop);
      handle.removeEventListener("pointercancel", end);
      handle.removeEventListener("lostpointercapture", end);
      document.removeEventListener("keydown", onEscapeKey, true);
      line.hidden = true;
      delete list.dataset["dragging"];
    };
    const drop = (): void => {
      const target = before;
      end();
      if (target === undefined) return;
      // Dropped on one of the moving cells: the first one below that stays.
      const order = shells().map((shell) => shell.dataset["id"] ?? "");
      const from = target === null ? order.length : order.indexOf(target);
      onDrop([...ids], order.slice(from).find((other) => !ids.has(other)) ?? null);
    };
    const onEscapeKey = (key: KeyboardEvent): void => {
      if (key.key === "Escape") end();
    };
    handle.addEventListener("pointermove", follow);
    handle.addEventListener("pointerup", drop);
    handle.addEventListener("pointercancel", end);
    handle.addEventListener("lostpointercapture", end);
    document.addEventListener("keydown", onEscapeKey, true);
  };

  list.addEventListener("pointerdown", begin);
  return () => {
    list.removeEventListener("pointerdown", begin);
    line.remove();
  };
}
