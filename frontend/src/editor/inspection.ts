/** Documentation of what stands at the caret, from the kernel: by Shift+Tab, and by resting the pointer on a name. */
import { type Extension, Prec, StateEffect, StateField } from "@codemirror/state";
import {
  closeHoverTooltips,
  type EditorView,
  hasHoverTooltips,
  hoverTooltip,
  keymap,
  showTooltip,
  type Tooltip,
} from "@codemirror/view";
import type { RuntimeStatus, Session } from "../session/session.ts";
import { toCodePoints } from "./offsets.ts";

const HOVER_MS = 600;

const show = StateEffect.define<Tooltip | null>();

const shown = StateField.define<Tooltip | null>({
  create: () => null,
  update(tooltip, transaction) {
    for (const effect of transaction.effects) if (effect.is(show)) return effect.value;
    return transaction.docChanged || transaction.selection !== undefined ? null : tooltip;
  },
  provide: (field) => showTooltip.from(field),
});

/** Whether the kernel could answer now: by default when it has nothing to do, and when this person may ask it. */
export function mayAsk(session: Session, when: readonly RuntimeStatus[] = ["idle"]): boolean {
  const { runtime, role, phase } = session.store.getState();
  const mayRun = role === "runner" || role === "editor" || role === "owner";
  return phase === "synced" && mayRun && when.includes(runtime.status);
}

export function inspection(session: Session): Extension {
  const ask = async (view: EditorView, at: number, when?: readonly RuntimeStatus[]): Promise<string> => {
    if (!mayAsk(session, when)) return "";
    const code = view.state.doc.toString();
    return session.inspect(code, toCodePoints(code, at)).catch(() => "");
  };
  return [
    shown,
    Prec.high(
      keymap.of([
        {
          key: "Shift-Tab",
          run(view) {
            const { main } = view.state.selection;
            const before = view.state.doc
              .lineAt(main.head)
              .text.slice(0, main.head - view.state.doc.lineAt(main.head).from);
            if (!main.empty || before.trim() === "") return false;
            const { doc } = view.state;
            // Asked for on purpose: kernels with subshells answer while a cell runs, others when it is over.
            void ask(view, main.head, ["idle", "busy"]).then((text) => {
              // The answer is about the text as it was: after another key it has no place to stand.
              const isSame = view.state.doc === doc && view.state.selection.main.eq(main);
              if (text !== "" && isSame) view.dispatch({ effects: show.of(tooltipAt(main.head, text)) });
            });
            return true;
          },
        },
        {
          key: "Escape",
          run(view) {
            if (view.state.field(shown) === null && !hasHoverTooltips(view.state)) return false;
            view.dispatch({ effects: [show.of(null), closeHoverTooltips] });
            return true;
          },
        },
      ]),
    ),
    hoverTooltip(
      async (view, at) => {
        const word = view.state.wordAt(at);
        if (word === null || view.state.field(shown) !== null) return null;
        const { doc } = view.state;
        const text = await ask(view, word.to);
        return text === "" || view.state.doc !== doc ? null : { ...tooltipAt(word.from, text), end: word.to };
      },
      { hoverTime: HOVER_MS, hideOnChange: true },
    ),
  ];
}

function tooltipAt(pos: number, text: string): Tooltip {
  return {
    pos,
    above: false,
    create: () => {
      const dom = document.createElement("pre");
      dom.className = "inspection";
      dom.setAttribute("role", "tooltip");
      dom.textContent = withoutColors(text);
      return { dom };
    },
  };
}

/** ANSI colours say little about prose; the words stay. */
export function withoutColors(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one.
  return text.replace(/\x1b\[[0-9;:]*[A-Za-z]/g, "");
}
