/** One cell on the page: gutter, source, rendered text, input prompt, output, toolbar, and the gap below.
 *
 * Always mounted. Editors come and go inside `slot`; outputs and rendered text are made when the cell first comes near
 * the viewport and stay.
 */

import { atLeast, missingRole, refusalNow, usableRole } from "../../actions/role.ts";
import { hidesCode, mayHaveForm } from "../../forms/code_view.ts";
import { createFormSlot } from "../../forms/slot.ts";
import { observeCell, observeOutputs, observeRun } from "../../notebook/observe.ts";
import { cellOf, outputsOf, runOf } from "../../notebook/schema.ts";
import { createOutputControls } from "../../outputs/controls/slot.ts";
import type { OutputView } from "../../outputs/controls/views.ts";
import type { Frames } from "../../outputs/frames.ts";
import { renderMarkdown } from "../../outputs/markdown.ts";
import { mountOutputs, type OutputsView } from "../../outputs/outputs.ts";
import type { Person, Session } from "../../session/session.ts";
import { element, setAttribute, setText } from "../shared/element.ts";
import { createCellToolbar } from "./cell_toolbar.ts";
import { createGap } from "./gap.ts";
import { guessHeight } from "./guess_height.ts";
import { createGutter } from "./gutter.ts";
import { createInputPrompt } from "./input.ts";
import { cellState, FRESH, type Staleness, staleWords, stateWords } from "./run_state.ts";

const TYPE_WORDS = { code: "code", markdown: "text", raw: "raw" } as const;
const DIGEST_AFTER_MS = 400;

/** What the list knows and the cell does not. */
export interface ShellContext {
  readonly number: number;
  readonly count: number;
  readonly active: boolean;
  readonly selected: boolean;
  /** This person writes in this text cell. */
  readonly openText: boolean;
  readonly hiddenSource: boolean;
  readonly hiddenOutput: boolean;
  readonly outputView: OutputView | undefined;
  readonly people: readonly Person[];
}

export interface Shell {
  readonly id: string;
  readonly dom: HTMLElement;
  readonly slot: HTMLElement;
  /** The region of its outputs. */
  readonly output: HTMLElement;
  /** True when the source stands open, as an editor or plain text; false for text that is shown rendered. */
  showsSource(): boolean;
  update(context: ShellContext): void;
  /** Role, queue or runtime changed. */
  refresh(): void;
  /** Came near the viewport: outputs and rendered text are made. */
  reveal(): void;
  destroy(): void;
}

interface Options {
  readonly session: Session;
  readonly id: string;
  readonly frames: Frames;
  readonly runKeys: string;
  readonly onAction: (id: string, action: string) => void;
  readonly onInsert: (after: string, type: "code" | "markdown") => void;
  readonly onStop: (id: string) => void;
  readonly onSourceChanged: (id: string) => void;
}

const HIDDEN: ShellContext = {
  number: 0,
  count: 0,
  active: false,
  selected: false,
  openText: false,
  hiddenSource: false,
  hiddenOutput: false,
  outputView: undefined,
  people: [],
};

export function createShell({ session, id, frames, ...on }: Options): Shell {
  const { notebook } = session;
  let context = HIDDEN;
  let stale: Staleness = FRESH;
  let revealed = false;
  let destroyed = false;
  let outputs: OutputsView | null = null;
  let renderedSource: string | null = null;
  let digestTimer = 0;
  let textTimer = 0;

  const state = () => cellState(id, runOf(notebook, id), session.store.getState().queue);
  const gutter = createGutter(() => {
    const { kind } = state();
    const missing = missingRole(session.store.getState().role, "runner");
    if (kind === "never" || kind === "finished" || kind === "failed" || kind === "cancelled")
      on.onAction(id, "runtime.run");
    else if (missing === null) on.onStop(id);
  });
  const slot = element("div", { class: "cell-source" });
  const form = createFormSlot({
    session,
    id,
    onAction: (action) => on.onAction(id, action),
    onShown: () => draw(),
  });
  const sources = element("div", { class: "cell-sources" }, [slot, form.dom]);
  const text = element("div", { class: "cell-text", role: "region", hidden: true });
  const prompt = createInputPrompt((value) => session.send({ type: "answer_input", cell: id, value }));
  const output = element("div", { class: "cell-output", role: "region", hidden: true });
  const controls = createOutputControls({ session, id, output, onAction: (action) => on.onAction(id, action) });
  const folded = element("button", { class: "folded", type: "button", hidden: true }, ["Output hidden. Show it."]);
  const foldedSource = element("button", { class: "folded", type: "button", hidden: true }, ["Code hidden. Show it."]);
  const toolbar = createCellToolbar((action) => on.onAction(id, action));
  const gap = createGap((type) => on.onInsert(id, type));
  const dom = element("li", { class: "cell", tabindex: -1, "data-id": id }, [
    element("div", { class: "cell-body" }, [
      gutter.dom,
      element("div", { class: "cell-main" }, [foldedSource, sources, text, prompt.dom, folded, output]),
      toolbar.dom,
    ]),
    gap.dom,
  ]);
  dom.style.containIntrinsicSize = `auto ${guessHeight(notebook, id)}px`;
  folded.addEventListener("click", () => on.onAction(id, "view.toggleOutput"));
  foldedSource.addEventListener("click", () => on.onAction(id, "view.toggleSource"));
  text.addEventListener("dblclick", () => on.onAction(id, "cell.edit"));

  const type = () => cellOf(notebook, id)?.type ?? "code";
  const showsSource = (): boolean => type() !== "markdown" || context.openText;
  /** As the notebook says, or the other way round where this person chose so. */
  const isCodeHidden = (): boolean => context.hiddenSource !== hidesCode(cellOf(notebook, id));

  const drawText = (): void => {
    const cell = cellOf(notebook, id);
    if (cell === null || !revealed || showsSource()) return;
    const source = cell.source.toString();
    if (source === renderedSource) return;
    renderedSource = source;
    if (source.trim() === "") {
      const mayEdit = atLeast(session.store.getState().role, "editor");
      const hint = mayEdit ? "Empty text. Double-click or press Enter to write." : "Empty text.";
      text.replaceChildren(element("p", { class: "hint" }, [hint]));
      return;
    }
    renderMarkdown(text, source, cell.attachments).catch(() => {
      text.replaceChildren(element("pre", { class: "plain" }, [source]));
    });
  };

  const hasOutputs = (): boolean => outputsOf(notebook, id).length > 0;

  const drawOutputs = (): void => {
    const shown = type() === "code" && hasOutputs();
    if (shown && revealed && outputs === null) outputs = mountOutputs({ parent: output, session, cellId: id, frames });
    // Without outputs it is the view's to decide: at the start of a run they go, and their place must stay.
    output.hidden = type() !== "code" || outputs === null || context.hiddenOutput;
    folded.hidden = !shown || !context.hiddenOutput;
    const { number, outputView, active } = context;
    controls.update(number, outputView, active && shown, refusalNow(session.store.getState(), "editor"));
  };

  const reveal = (): void => {
    if (revealed) return;
    revealed = true;
    draw();
    drawOutputs();
    drawText();
  };

  const stopProviding = frames.provide(id, () => {
    reveal();
    outputs ??= mountOutputs({ parent: output, session, cellId: id, frames });
    const frame = outputs.demand();
    draw();
    return frame;
  });

  const draw = (): void => {
    const cell = cellOf(notebook, id);
    if (cell === null || destroyed) return;
    const { user } = session.store.getState();
    const usable = usableRole(session.store.getState());
    const run = cell.type === "code" ? runOf(notebook, id) : null;
    const now = cell.type === "code" ? state() : cellState(id, null, []);
    const { number, count, people } = context;
    setAttribute(dom, "data-type", cell.type);
    setAttribute(dom, "data-state", now.kind);
    setAttribute(dom, "data-selected", context.selected ? "" : null);
    setAttribute(dom, "data-stale", stale.edited || stale.earlierStart ? "" : null);
    setAttribute(dom, "aria-current", context.active ? "true" : null);
    setAttribute(dom, "aria-roledescription", `${TYPE_WORDS[cell.type]} cell`);
    setAttribute(
      dom,
      "aria-label",
      [
        `Cell ${number} of ${count}`,
        TYPE_WORDS[cell.type],
        ...(cell.type === "code" ? [stateWords(now), ...staleWords(stale)] : []),
        ...(people.length > 0 ? [`${people.map((person) => person.user.name).join(", ")} here`] : []),
        ...(context.selected && !context.active ? ["selected"] : []),
      ].join(", "),
    );
    dom.tabIndex = context.active ? 0 : -1;
    setAttribute(text, "aria-label", `Text of cell ${number}`);
    setAttribute(output, "aria-label", `Output of cell ${number}`);
    setAttribute(output, "aria-busy", now.kind === "running" ? "true" : null);

    const source = showsSource();
    const hidden = isCodeHidden();
    slot.hidden = !source || hidden;
    if (revealed) form.update(number, refusalNow(session.store.getState(), "editor"), hidden);
    const formed = form.isShown();
    setAttribute(sources, "data-form", formed ? (hidden ? "only" : "beside") : null);
    foldedSource.hidden = !source || !hidden || formed;
    text.hidden = source;
    setText(foldedSource, cell.type === "code" ? "Code hidden. Show it." : "Source hidden. Show it.");
    const mayEdit = atLeast(usable, "editor");
    gutter.update({
      number,
      type: cell.type,
      run,
      state: now,
      stale,
      people,
      disabled: refusalNow(session.store.getState(), "runner"),
      runKeys: on.runKeys,
    });
    toolbar.update(number, cell.type === "markdown", context.openText, refusalNow(session.store.getState(), "editor"));
    gap.update(number, mayEdit);
    prompt.update(run?.prompt ?? null, number, user !== null && atLeast(usable, "runner"), run?.userId === user?.id);
    drawOutputs();
    drawText();
  };

  /** Staleness needs a digest: asked for after typing stops, and only where something ran. */
  const judge = (): void => {
    clearTimeout(digestTimer);
    const run = runOf(notebook, id);
    const over = run !== null && run.state !== "queued" && run.state !== "running";
    if (!over || type() !== "code") {
      setStale(FRESH);
      return;
    }
    digestTimer = window.setTimeout(async () => {
      const digest = (await session.sources([id]))[id];
      const latest = runOf(notebook, id);
      if (destroyed || latest === null) return;
      const { session: process } = session.store.getState().runtime;
      setStale({
        edited: digest !== undefined && latest.sourceSha256 !== "" && latest.sourceSha256 !== digest,
        earlierStart: process !== "" && latest.session !== "" && latest.session !== process,
      });
    }, DIGEST_AFTER_MS);
  };
  const setStale = (next: Staleness): void => {
    if (next.edited === stale.edited && next.earlierStart === stale.earlierStart) return;
    stale = next;
    draw();
  };

  const stops = [
    observeCell(notebook, id, () => {
      on.onSourceChanged(id);
      const cell = cellOf(notebook, id);
      const formed = cell !== null && mayHaveForm(cell);
      const away = !showsSource() || isCodeHidden();
      if (slot.hidden !== away || dom.dataset["type"] !== type() || (formed && !form.isShown())) draw();
      clearTimeout(textTimer);
      textTimer = window.setTimeout(drawText, 120);
      judge();
    }),
    observeRun(notebook, id, () => {
      draw();
      judge();
    }),
    observeOutputs(notebook, id, drawOutputs),
  ];
  judge();

  return {
    id,
    dom,
    slot,
    output,
    showsSource,
    update(next) {
      if (context.openText !== next.openText) renderedSource = null;
      context = next;
      draw();
    },
    refresh() {
      draw();
      judge();
    },
    reveal,
    destroy() {
      destroyed = true;
      clearTimeout(digestTimer);
      clearTimeout(textTimer);
      for (const stop of stops) stop();
      stopProviding();
      outputs?.destroy();
      controls.destroy();
      form.destroy();
      gutter.destroy();
      dom.remove();
    },
  };
}
