/** Where others are in this cell, and telling them where we are. Drawn in layers: the text does not move. */
import { EditorSelection, type Extension, StateEffect } from "@codemirror/state";
import {
  type EditorView,
  type LayerMarker,
  layer,
  RectangleMarker,
  ViewPlugin,
  type ViewUpdate,
} from "@codemirror/view";
import * as Y from "yjs";
import { isObject, parseUser } from "../session/events.ts";
import type { Session } from "../session/session.ts";

const TELL_EVERY_MS = 50;
const NAME_FOR_MS = 2000;
const NAME_HEIGHT_PX = 16;
const FLAGS = ["moved", "beside", "flipped"] as const;

const othersMoved = StateEffect.define<null>();

interface Other {
  readonly client: number;
  readonly name: string;
  readonly color: string;
  readonly anchor: number;
  readonly head: number;
}

export function presence(session: Session, cellId: string, text: Y.Text): Extension {
  // By what they said, not by where that is now: it is no move of theirs when the text before them grows.
  const moved = new Map<number, { readonly head: string; readonly at: number }>();

  const here = (): { client: number; user: unknown; cursor: Record<string, unknown> }[] => {
    const found = [];
    for (const [client, state] of session.awareness.getStates()) {
      if (client === session.awareness.clientID || !isObject(state) || state["cell"] !== cellId) continue;
      const cursor: unknown = state["cursor"];
      if (isObject(cursor)) found.push({ client, user: state["user"] as unknown, cursor });
    }
    return found;
  };
  const notice = (at: number): void => {
    const found = here();
    for (const client of [...moved.keys()]) if (!found.some((state) => state.client === client)) moved.delete(client);
    for (const { client, cursor } of found) {
      const head = JSON.stringify(cursor["head"]);
      if (moved.get(client)?.head !== head) moved.set(client, { head, at });
    }
  };
  const others = (): Other[] => {
    const found: Other[] = [];
    for (const { client, user, cursor } of here()) {
      const anchor = indexOf(text, cursor["anchor"]);
      const head = indexOf(text, cursor["head"]);
      if (anchor === null || head === null) continue;
      const { name, color } = parseUser(user);
      found.push({ client, name, color, anchor, head });
    }
    return found;
  };
  const isFresh = (other: Other): boolean => Date.now() - (moved.get(other.client)?.at ?? 0) < NAME_FOR_MS;

  const changed = (update: ViewUpdate): boolean =>
    update.docChanged ||
    update.geometryChanged ||
    update.viewportChanged ||
    update.transactions.some((transaction) => transaction.effects.some((effect) => effect.is(othersMoved)));

  const selections = layer({
    above: false,
    class: "remote-selections",
    update: changed,
    markers: (view) =>
      others().flatMap((other) => {
        if (other.anchor === other.head) return [];
        const range = clamped(view, other);
        return RectangleMarker.forRange(view, "remote-selection", EditorSelection.range(range.anchor, range.head)).map(
          (rectangle) => new Tinted(rectangle, other, ""),
        );
      }),
  });

  const carets = layer({
    above: true,
    class: "remote-carets",
    update: changed,
    markers: (view) =>
      others().flatMap((other) => {
        const { head } = clamped(view, other);
        return RectangleMarker.forRange(view, "remote-caret", EditorSelection.cursor(head)).map(
          (rectangle) => new Tinted(rectangle, other, nameplate(view, rectangle, isFresh(other))),
        );
      }),
  });

  const plugin = ViewPlugin.define((view) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let fading: ReturnType<typeof setTimeout> | undefined;
    let isHere = false;
    let told = "";
    let seen = JSON.stringify(here());
    notice(0);

    const tell = (): void => {
      timer = undefined;
      if (!view.hasFocus) return;
      isHere = true;
      const { anchor, head } = view.state.selection.main;
      const cursor = { anchor: positionAt(text, anchor), head: positionAt(text, head) };
      const saying = JSON.stringify(cursor);
      if (saying === told) return;
      told = saying;
      session.setPresence({ cell: cellId, cursor, mode: "edit" });
    };
    const redraw = (): void => view.dispatch({ effects: othersMoved.of(null) });
    const listen = (): void => {
      const now = JSON.stringify(here());
      if (now === seen) return; // somebody in another cell
      seen = now;
      notice(Date.now());
      // Awareness may speak while the view is being updated.
      queueMicrotask(redraw);
      clearTimeout(fading);
      fading = setTimeout(redraw, NAME_FOR_MS + 50);
    };
    session.awareness.on("change", listen);
    return {
      update(update: ViewUpdate) {
        if (update.focusChanged && !view.hasFocus && isHere) {
          isHere = false;
          told = "";
          session.setPresence({ cursor: null });
        } else if (view.hasFocus && (update.selectionSet || update.docChanged || update.focusChanged)) {
          timer ??= setTimeout(tell, TELL_EVERY_MS);
        }
      },
      destroy() {
        session.awareness.off("change", listen);
        clearTimeout(timer);
        clearTimeout(fading);
        if (isHere) session.setPresence({ cursor: null });
      },
    };
  });

  return [selections, carets, plugin];
}

/** A rectangle in somebody's colour; set through CSSOM, as the page's policy allows no style attributes. */
class Tinted implements LayerMarker {
  readonly rectangle: RectangleMarker;
  readonly other: Other;
  /** Data attributes of the caret, by spaces. */
  readonly flags: string;

  constructor(rectangle: RectangleMarker, other: Other, flags: string) {
    this.rectangle = rectangle;
    this.other = other;
    this.flags = flags;
  }

  eq(other: LayerMarker): boolean {
    return (
      other instanceof Tinted &&
      other.rectangle.eq(this.rectangle) &&
      other.other.color === this.other.color &&
      other.other.name === this.other.name &&
      other.flags === this.flags
    );
  }

  draw(): HTMLElement {
    const dom = this.rectangle.draw();
    this.dress(dom);
    return dom;
  }

  update(dom: HTMLElement, old: LayerMarker): boolean {
    if (!(old instanceof Tinted) || !this.rectangle.update(dom, old.rectangle)) return false;
    this.dress(dom);
    return true;
  }

  private dress(dom: HTMLElement): void {
    dom.style.backgroundColor = this.other.color;
    if (!dom.classList.contains("remote-caret")) return;
    for (const flag of FLAGS) dom.toggleAttribute(`data-${flag}`, this.flags.split(" ").includes(flag));
    const name = dom.firstElementChild instanceof HTMLElement ? dom.firstElementChild : document.createElement("span");
    name.className = "remote-caret-name";
    name.textContent = this.other.name;
    name.style.backgroundColor = this.other.color;
    if (name.parentElement === null) dom.append(name);
  }
}

/** Where the name goes: above, on the first line beside; to the left of the caret in the right half. */
function nameplate(view: EditorView, { left, top }: RectangleMarker, isFresh: boolean): string {
  const { clientWidth, scrollLeft } = view.scrollDOM;
  const flags = { moved: isFresh, beside: top < NAME_HEIGHT_PX, flipped: left - scrollLeft > clientWidth / 2 };
  return FLAGS.filter((flag) => flags[flag]).join(" ");
}

function clamped(view: EditorView, { anchor, head }: Other): { anchor: number; head: number } {
  const { length } = view.state.doc;
  return { anchor: Math.min(anchor, length), head: Math.min(head, length) };
}

function positionAt(text: Y.Text, index: number): object {
  const json: unknown = Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(text, index));
  return isObject(json) ? json : {};
}

/** Where a relative position is in `text` now; null when it is nowhere in it. */
function indexOf(text: Y.Text, json: unknown): number | null {
  if (!isObject(json) || text.doc === null) return null;
  try {
    const absolute = Y.createAbsolutePositionFromRelativePosition(Y.createRelativePositionFromJSON(json), text.doc);
    return absolute !== null && absolute.type === text ? absolute.index : null;
  } catch {
    return null; // foreign JSON of the wrong shape
  }
}
