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

const othersMoved = StateEffect.define<null>();

interface Other {
  readonly client: number;
  readonly name: string;
  readonly color: string;
  readonly anchor: number;
  readonly head: number;
}

export function presence(session: Session, cellId: string, text: Y.Text): Extension {
  const movedAt = new Map<number, { readonly head: number; readonly at: number }>();

  const others = (): Other[] => {
    const found: Other[] = [];
    for (const [client, state] of session.awareness.getStates()) {
      if (client === session.awareness.clientID || !isObject(state) || state["cell"] !== cellId) continue;
      const cursor: unknown = state["cursor"];
      if (!isObject(cursor)) continue;
      const anchor = indexOf(text, cursor["anchor"]);
      const head = indexOf(text, cursor["head"]);
      if (anchor === null || head === null) continue;
      const { name, color } = parseUser(state["user"]);
      if (movedAt.get(client)?.head !== head) movedAt.set(client, { head, at: Date.now() });
      found.push({ client, name, color, anchor, head });
    }
    return found;
  };
  const isFresh = (other: Other): boolean => Date.now() - (movedAt.get(other.client)?.at ?? 0) < NAME_FOR_MS;

  const changed = (update: ViewUpdate): boolean =>
    update.docChanged ||
    update.geometryChanged ||
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
          (rectangle) => new Tinted(rectangle, other, false),
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
          (rectangle) => new Tinted(rectangle, other, isFresh(other)),
        );
      }),
  });

  const plugin = ViewPlugin.define((view) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let fading: ReturnType<typeof setTimeout> | undefined;
    let isHere = false;

    const tell = (): void => {
      timer = undefined;
      if (!view.hasFocus) return;
      isHere = true;
      const { anchor, head } = view.state.selection.main;
      session.setPresence({
        cell: cellId,
        cursor: { anchor: positionAt(text, anchor), head: positionAt(text, head) },
        mode: "edit",
      });
    };
    const redraw = (): void => view.dispatch({ effects: othersMoved.of(null) });
    const listen = (): void => {
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
  readonly isFresh: boolean;

  constructor(rectangle: RectangleMarker, other: Other, isFresh: boolean) {
    this.rectangle = rectangle;
    this.other = other;
    this.isFresh = isFresh;
  }

  eq(other: LayerMarker): boolean {
    return (
      other instanceof Tinted &&
      other.rectangle.eq(this.rectangle) &&
      other.other.color === this.other.color &&
      other.other.name === this.other.name &&
      other.isFresh === this.isFresh
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
    dom.toggleAttribute("data-moved", this.isFresh);
    const name = dom.firstElementChild instanceof HTMLElement ? dom.firstElementChild : document.createElement("span");
    name.className = "remote-caret-name";
    name.textContent = this.other.name;
    name.style.backgroundColor = this.other.color;
    if (name.parentElement === null) dom.append(name);
  }
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
