/** Left of a cell: the run button, the execution count, the state, badges and who is here. */

import type { RunMark } from "../../notebook/schema.ts";
import type { Person } from "../../session/session.ts";
import { element, setAttribute, setText } from "../shared/element.ts";
import { icon } from "../shared/icons.ts";
import { clock } from "../shared/time.ts";
import { type CellState, countText, runFacts, type Staleness, staleWords } from "./run_state.ts";

export interface GutterState {
  readonly number: number;
  readonly type: "code" | "markdown" | "raw";
  readonly run: RunMark | null;
  readonly state: CellState;
  readonly stale: Staleness;
  readonly people: readonly Person[];
  /** Why this person cannot run, or null. */
  readonly disabled: string | null;
  readonly runKeys: string;
}

export interface Gutter {
  readonly dom: HTMLElement;
  update(state: GutterState): void;
  destroy(): void;
}

export function createGutter(onRunOrStop: () => void): Gutter {
  const button = element("button", { class: "run-button", type: "button" });
  const count = element("span", { class: "run-count", "aria-hidden": "true" });
  const mark = element("span", { class: "run-mark", "aria-hidden": "true" });
  const elapsed = element("span", { class: "run-elapsed" });
  const badges = element("div", { class: "stale-badges" });
  const chips = element("div", { class: "chips" });
  const dom = element("div", { class: "cell-gutter" }, [
    element("div", { class: "run-line" }, [button, count]),
    element("div", { class: "run-state" }, [mark, elapsed]),
    badges,
    chips,
  ]);
  let current: GutterState | null = null;
  let timer = 0;
  let shown = "";

  button.addEventListener("click", onRunOrStop);
  // The words are made when somebody looks, so "2 min ago" is true then.
  const tip = (): void => {
    if (current !== null) setAttribute(button, "data-tip", tipOf(current));
  };
  button.addEventListener("pointerenter", tip);
  button.addEventListener("focus", tip);

  const tick = (): void => {
    const state = current?.state;
    if (state?.kind === "running" || state?.kind === "input") setText(elapsed, clock(Date.now() - state.started));
  };

  return {
    dom,
    update(next) {
      current = next;
      const { number, state, type } = next;
      const active = state.kind === "running" || state.kind === "input";
      const stops = active || state.kind === "waiting";
      dom.dataset["type"] = type;
      setAttribute(button, "aria-label", stops ? `Stop cell ${number}` : `Run cell ${number}`);
      setAttribute(button, "aria-disabled", next.disabled === null ? null : "true");
      button.hidden = type !== "code";
      count.hidden = type !== "code";
      setText(count, countText(state, next.run?.count ?? null));
      const sign = signOf(state);
      const look = `${stops}${sign ?? ""}`;
      if (look !== shown) {
        shown = look;
        button.replaceChildren(icon(stops ? "stop" : "play"));
        mark.replaceChildren(...(sign === null ? [] : [icon(sign)]));
      }
      clearInterval(timer);
      if (active) timer = window.setInterval(tick, 1000);
      if (active) tick();
      else setText(elapsed, "");
      // A tooltip begins only where there is something to say.
      if (!button.hasAttribute("data-tip") || button.matches(":hover, :focus")) tip();
      showBadges(badges, staleWords(next.stale));
      showChips(chips, next.people);
    },
    destroy: () => clearInterval(timer),
  };
}

function signOf(state: CellState): "check" | "cross" | "bar" | "keyboard" | null {
  switch (state.kind) {
    case "finished":
      return "check";
    case "failed":
      return "cross";
    case "cancelled":
      return "bar";
    case "input":
      return "keyboard";
    default:
      return null;
  }
}

function tipOf({ state, run, stale, disabled, runKeys }: GutterState): string {
  const waiting = state.kind === "waiting";
  const running = state.kind === "running" || state.kind === "input";
  const does = waiting ? "Take out of the queue" : running ? "Stop (interrupts the runtime)" : `Run cell (${runKeys})`;
  return [disabled === null ? does : `${does}: ${disabled}`, ...runFacts(run, state, stale, Date.now())].join("\n");
}

const SHORT: Readonly<Record<string, string>> = {
  "edited since run": "edited",
  "earlier runtime start": "restarted",
};

function showBadges(parent: HTMLElement, words: readonly string[]): void {
  const text = words.join("|");
  if (parent.dataset["words"] === text) return;
  parent.dataset["words"] = text;
  parent.replaceChildren(
    ...words.map((word) => element("span", { class: "stale-badge", "data-tip": word }, [SHORT[word] ?? word])),
  );
}

/** Past three the rest become a number. */
function showChips(parent: HTMLElement, people: readonly Person[]): void {
  const key = people.map(({ clientId, user, mode }) => `${clientId}${user.name}${user.color}${mode}`).join("|");
  if (parent.dataset["people"] === key) return;
  parent.dataset["people"] = key;
  const most = people.length > 3 ? 2 : 3;
  const chips = people.slice(0, most).map(({ user, mode }) => {
    const tip = mode === "edit" ? `${user.name} is writing here` : `${user.name} is here`;
    const chip = element("span", { class: "chip", "data-tip": tip }, [initials(user.name)]);
    chip.style.setProperty("--person", user.color);
    return chip;
  });
  const rest = people.slice(most).map(({ user }) => user.name);
  if (rest.length > 0)
    chips.push(element("span", { class: "chip chip-rest", "data-tip": rest.join(", ") }, [`+${rest.length}`]));
  parent.replaceChildren(...chips);
}

/** "Ana Lima" is "AL", "ben" is "B". */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const first = Array.from(words[0] ?? "?")[0] ?? "?";
  const last = words.length > 1 ? (Array.from(words.at(-1) ?? "")[0] ?? "") : "";
  return (first + last).toUpperCase();
}
