/** The ordered list of cells: ours, not React's, because moving a node reloads the frames in it (ui.md 9).
 *
 * Keeps the shells in step with the order, the selection with the shells, and the focus where its person left it.
 */

import { atLeast, usableRole } from "../../actions/role.ts";
import { extend, only, prune, type Selection } from "../../actions/selection.ts";
import type { CellsView, ViewState, Workbench } from "../../actions/workbench.ts";
import { perform } from "../../actions.ts";
import { hidesCode } from "../../forms/code_view.ts";
import { insertCell, moveCells } from "../../notebook/edits.ts";
import { observeOrder } from "../../notebook/observe.ts";
import { cellOf, orderedIds, runOf } from "../../notebook/schema.ts";
import type { Frames } from "../../outputs/frames.ts";
import type { Person } from "../../session/session.ts";
import { element } from "../shared/element.ts";
import { bringIntoView } from "./bring.ts";
import { mountDrag } from "./drag.ts";
import { createEditors } from "./editors.ts";
import { createGap } from "./gap.ts";
import { createShell, type Shell } from "./shell.ts";
import { mountSteady } from "./steady.ts";

export interface CellsList extends CellsView {
  readonly dom: HTMLElement;
  destroy(): void;
}

interface Options {
  readonly parent: HTMLElement;
  readonly frames: Frames;
  readonly nonce: string;
  readonly runKeys: string;
}

/** Of the cells' part of the bench nothing is used here: it is what this makes. */
export type BenchWithoutCells = Omit<Workbench, "cells">;

export function mountCells(bench: BenchWithoutCells, { parent, frames, nonce, runKeys }: Options): CellsList {
  const { session, view } = bench;
  const { notebook } = session;
  const shells = new Map<string, Shell>();
  let order: readonly string[] = [];
  let people: ReadonlyMap<string, readonly Person[]> = new Map();

  const list = element("ol", { class: "cells", role: "list", "aria-label": "Cells" });
  const top = createGap((type) => insertAndOpen(order[0] ?? null, type));
  const dom = element("div", { class: "cells-frame" }, [top.dom, list]);
  parent.append(dom);

  const whole = (): Workbench => ({ ...bench, cells });

  const editors = createEditors({
    session,
    nonce,
    slot: (id) => shells.get(id)?.slot ?? null,
    wanted: (id) => shells.get(id)?.showsSource() === true,
    number: (id) => order.indexOf(id) + 1,
    onEscape: (id) => {
      if (cellOf(notebook, id)?.type === "markdown") setOpen(id, false);
      focusShell(id);
      const content = editors.live(id)?.view.contentDOM;
      const shell = shells.get(id);
      if (content !== undefined && shell !== undefined) passOver(content, shell.dom);
    },
    onLeave: (id, direction) => {
      const next = order[order.indexOf(id) + direction];
      if (next === undefined) return;
      const shell = shells.get(next);
      if (shell?.showsSource() === true) cells.edit(next, direction === 1 ? "start" : "end");
      else focusShell(next);
    },
  });

  const nearby = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const id = target instanceof HTMLElement ? target.dataset["id"] : undefined;
        if (id === undefined) continue;
        if (isIntersecting) shells.get(id)?.reveal();
        editors.near(id, isIntersecting);
      }
    },
    { rootMargin: "100% 0px" },
  );

  const contextOf = (id: string, state: ViewState, number: number) => ({
    number,
    count: order.length,
    active: state.selection.active === id,
    selected: state.selection.ids.includes(id),
    openText: state.openTexts.has(id),
    hiddenSource: state.hiddenSources.has(id),
    hiddenOutput: state.hiddenOutputs.has(id),
    outputView: state.outputViews.get(id),
    people: people.get(id) ?? [],
  });

  const update = (ids: Iterable<string> = order): void => {
    const state = view.getState();
    const place = new Map(order.map((id, at) => [id, at + 1]));
    for (const id of ids) {
      shells.get(id)?.update(contextOf(id, state, place.get(id) ?? 0));
      editors.relabel(id);
    }
    top.update(0, atLeast(usableRole(session.store.getState()), "editor"));
    dom.toggleAttribute("data-empty", order.length === 0);
  };

  /** Makes, moves and removes shells until they stand as the document says. */
  const reconcile = (): void => {
    const next = orderedIds(notebook);
    const before = order;
    const hadFocus = document.activeElement?.closest<HTMLElement>(".cell")?.dataset["id"];
    order = [...next];
    const there = new Set(order);
    for (const [id, shell] of shells) {
      if (there.has(id)) continue;
      nearby.unobserve(shell.dom);
      editors.drop(id);
      shell.destroy();
      shells.delete(id);
    }
    let previous: Element | null = null;
    const fresh: string[] = [];
    for (const id of order) {
      const shell = shells.get(id) ?? makeShell(id, fresh);
      const wanted: Element | null = previous === null ? list.firstElementChild : previous.nextElementSibling;
      if (wanted !== shell.dom) place(shell.dom, wanted);
      previous = shell.dom;
    }
    const { selection } = view.getState();
    const kept = prune(before, order, selection);
    const start = kept.active === null && order[0] !== undefined ? only(order[0]) : kept;
    if (!sameSelection(start, selection)) view.setState({ selection: start });
    update();
    for (const id of fresh) {
      editors.refresh(id);
      const shell = shells.get(id);
      if (shell !== undefined) nearby.observe(shell.dom);
    }
    // The focus was in a cell that somebody else removed: it goes to the cell that took its place.
    if (hadFocus !== undefined && !there.has(hadFocus) && start.active !== null) {
      focusShell(start.active);
      if (!ownChange) bench.say("The cell you were in was deleted by somebody else.");
    }
  };
  /** Whether the latest change of the cells was made in this tab. */
  let ownChange = true;
  const noteWhose = (_event: unknown, transaction: { readonly local: boolean }): void => {
    ownChange = transaction.local;
  };
  notebook.cells.observe(noteWhose);

  const makeShell = (id: string, fresh: string[]): Shell => {
    const shell = createShell({
      session,
      id,
      frames,
      runKeys,
      onAction: (cell, action) => act(cell, action),
      onInsert: (after, type) => insertAndOpen(order[order.indexOf(after) + 1] ?? null, type),
      onStop: (cell) => {
        const waiting = runOf(notebook, cell)?.state === "queued";
        session.send(waiting ? { type: "cancel_runs", cells: [cell] } : { type: "interrupt" });
      },
      onSourceChanged: (cell) => editors.refresh(cell),
    });
    shells.set(id, shell);
    fresh.push(id);
    return shell;
  };

  const place = (node: HTMLElement, before: Element | null): void => {
    // moveBefore keeps frames alive, but only nodes that are already in the document can be moved.
    if (node.isConnected && "moveBefore" in list && typeof list.moveBefore === "function")
      list.moveBefore(node, before);
    else list.insertBefore(node, before);
  };

  const select = (selection: Selection): void => {
    if (!sameSelection(selection, view.getState().selection)) view.setState({ selection });
  };

  const setOpen = (id: string, open: boolean): void => {
    const openTexts = new Set(view.getState().openTexts);
    if (open) openTexts.add(id);
    else openTexts.delete(id);
    view.setState({ openTexts });
  };

  const focusShell = (id: string): void => {
    const shell = shells.get(id);
    if (shell === undefined) return;
    const { selection } = view.getState();
    if (selection.active !== id) select(only(id));
    view.setState({ mode: "command" });
    shell.dom.focus({ preventScroll: true });
    shell.dom.scrollIntoView({ block: "nearest" });
  };

  const insertAndOpen = (before: string | null, type: "code" | "markdown"): void => {
    cells.edit(insertCell(notebook, { type, before }), "start");
  };

  const act = (id: string, action: string): void => {
    const { selection } = view.getState();
    if (!selection.ids.includes(id)) select(only(id));
    else if (selection.active !== id) select({ ...selection, active: id });
    perform(action, whole());
  };

  const cells: CellsView = {
    focus: (id) => {
      select(only(id));
      focusShell(id);
    },
    edit(id, at) {
      const shell = shells.get(id);
      const cell = cellOf(notebook, id);
      if (shell === undefined || cell === null) return;
      select(only(id));
      if (cell.type === "markdown") setOpen(id, true);
      if (view.getState().hiddenSources.has(id) !== hidesCode(cell)) perform("view.toggleSource", whole());
      shell.reveal();
      const editor = editors.ensure(id);
      view.setState({ mode: "edit" });
      editor?.focus(at);
    },
    leave() {
      const { active } = view.getState().selection;
      if (active !== null) focusShell(active);
    },
    output: (id) => shells.get(id)?.output ?? null,
    caret: (id) => editors.live(id)?.view.state.selection.main.head ?? null,
    scrollTo: (id) => {
      const cell = shells.get(id)?.dom;
      if (cell === undefined) return;
      bringIntoView(cell);
      // A selected cell is marked already.
      if (view.getState().selection.ids.includes(id)) return;
      cell.classList.add("pointed-out");
      cell.addEventListener("animationend", () => cell.classList.remove("pointed-out"), { once: true });
    },
  };

  const focusIn = (event: FocusEvent): void => {
    const target = event.target instanceof Element ? event.target : null;
    const id = target?.closest<HTMLElement>(".cell")?.dataset["id"];
    if (target === null || id === undefined) return;
    const { selection } = view.getState();
    if (!selection.ids.includes(id)) select(only(id));
    else if (selection.active !== id) select({ ...selection, active: id });
    view.setState({ mode: target.closest(".cm-editor") === null ? "command" : "edit" });
  };

  const pointerDown = (event: PointerEvent): void => {
    const target = event.target instanceof Element ? event.target : null;
    const id = target?.closest<HTMLElement>(".cell")?.dataset["id"];
    if (target === null || id === undefined || event.button !== 0) return;
    if (target.closest("button, input, select, textarea, label, a, iframe, .cm-editor, .gap") !== null) {
      if (target.closest(".cm-editor") !== null) select(only(id));
      return;
    }
    const shell = shells.get(id);
    if (shell === undefined) return;
    if (shell.slot.contains(target)) {
      // Plain text stands there: the editor comes now, with the caret where the click was.
      event.preventDefault();
      select(only(id));
      editors.ensure(id)?.focus({ x: event.clientX, y: event.clientY });
      return;
    }
    if (event.shiftKey) {
      event.preventDefault();
      select(extend(order, view.getState().selection, id));
    } else select(only(id));
    // Text in outputs can still be selected: the focus moves, the pointer goes on.
    shell.dom.focus({ preventScroll: true });
  };

  /** A button pressed with the pointer leaves the focus in its cell, where the keys go on working. */
  const keepFocus = (event: MouseEvent): void => {
    const target = event.target instanceof Element ? event.target : null;
    const id = target?.closest<HTMLElement>(".cell")?.dataset["id"];
    const shell = id === undefined ? undefined : shells.get(id);
    if (target?.closest(".run-button, .cell-toolbar button:not(.drag-handle)") == null || shell === undefined) return;
    event.preventDefault();
    if (!shell.dom.contains(document.activeElement)) shell.dom.focus({ preventScroll: true });
  };

  const handleKeys = (event: KeyboardEvent): void => {
    const target = event.target instanceof Element ? event.target : null;
    const handle = target?.closest<HTMLElement>(".drag-handle");
    const id = handle?.closest<HTMLElement>(".cell")?.dataset["id"];
    if (handle === null || handle === undefined || id === undefined) return;
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    event.preventDefault();
    event.stopPropagation();
    act(id, event.key === "ArrowUp" ? "edit.moveUp" : "edit.moveDown");
    handle.focus();
  };

  list.addEventListener("focusin", focusIn);
  list.addEventListener("pointerdown", pointerDown);
  list.addEventListener("mousedown", keepFocus);
  list.addEventListener("keydown", handleKeys, true);

  const stops = [
    observeOrder(notebook, reconcile),
    view.subscribe((state, old) => {
      const touched = new Set<string>();
      if (state.selection !== old.selection) {
        for (const id of [...state.selection.ids, ...old.selection.ids]) touched.add(id);
        if (state.selection.active !== null) touched.add(state.selection.active);
        if (old.selection.active !== null) touched.add(old.selection.active);
      }
      for (const [now, then] of [
        [state.openTexts, old.openTexts],
        [state.hiddenSources, old.hiddenSources],
        [state.hiddenOutputs, old.hiddenOutputs],
      ] as const) {
        if (now === then) continue;
        for (const id of [...now, ...then]) if (now.has(id) !== then.has(id)) touched.add(id);
      }
      const views = [state.outputViews, old.outputViews];
      if (views[0] !== views[1]) for (const id of views.flatMap((view) => [...view.keys()])) touched.add(id);
      if (touched.size > 0) update(touched);
      const { active } = state.selection;
      if (active !== old.selection.active || state.mode !== old.mode) {
        session.setPresence({ cell: active, mode: state.mode });
      }
    }),
    session.store.subscribe((state, old) => {
      if (state.people !== old.people) {
        const next = byCell(state.people);
        const touched = new Set([...people.keys(), ...next.keys()]);
        people = next;
        update(touched);
      }
      if (usableRole(state) !== usableRole(old)) update();
      if (state.queue !== old.queue)
        for (const id of new Set([...state.queue, ...old.queue])) shells.get(id)?.refresh();
      if (state.role !== old.role || state.runtime.session !== old.runtime.session) {
        for (const shell of shells.values()) shell.refresh();
      }
    }),
    mountDrag({
      list,
      moving: (id) => {
        const { ids } = view.getState().selection;
        return ids.includes(id) ? ids : [id];
      },
      mayMove: () => atLeast(usableRole(session.store.getState()), "editor"),
      onDrop: (ids, before) => moveCells(notebook, [...ids], before),
    }),
    mountSteady(list),
  ];
  people = byCell(session.store.getState().people);
  reconcile();
  session.setPresence({ cell: view.getState().selection.active, mode: "command" });

  return {
    dom,
    ...cells,
    destroy() {
      notebook.cells.unobserve(noteWhose);
      for (const stop of stops) stop();
      nearby.disconnect();
      editors.destroy();
      for (const shell of shells.values()) shell.destroy();
      dom.remove();
    },
  };
}

/** Whoever left the editor by Esc goes on with Tab: it is no stop again until the focus has left its cell. */
function passOver(content: HTMLElement, cell: HTMLElement): void {
  content.tabIndex = -1;
  const restore = (event: FocusEvent): void => {
    const to = event.relatedTarget;
    if (to instanceof Node && cell.contains(to) && !content.contains(to)) return;
    content.removeAttribute("tabindex");
    cell.removeEventListener("focusout", restore);
  };
  cell.addEventListener("focusout", restore);
}

function sameSelection(a: Selection, b: Selection): boolean {
  return (
    a.active === b.active &&
    a.anchor === b.anchor &&
    a.ids.length === b.ids.length &&
    a.ids.every((id, at) => id === b.ids[at])
  );
}

/** Everybody else, by the cell they are in. */
function byCell(people: readonly Person[]): ReadonlyMap<string, readonly Person[]> {
  const cells = new Map<string, Person[]>();
  for (const person of people) {
    if (person.isSelf || person.cell === null) continue;
    const there = cells.get(person.cell);
    if (there === undefined) cells.set(person.cell, [person]);
    else there.push(person);
  }
  return cells;
}
