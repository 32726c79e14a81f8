/** Which cells are selected: pure functions over the order of ids. Ids, not places, so that remote edits change nothing. */

export interface Selection {
  /** The cell that keys act on; null only in an empty notebook. */
  readonly active: string | null;
  /** Where an extended selection began. */
  readonly anchor: string | null;
  /** In display order; holds `active`. */
  readonly ids: readonly string[];
}

export const NOTHING: Selection = { active: null, anchor: null, ids: [] };

export function only(id: string): Selection {
  return { active: id, anchor: id, ids: [id] };
}

export function everything(order: readonly string[], selection: Selection): Selection {
  const active = selection.active ?? order[0] ?? null;
  return { active, anchor: order[0] ?? null, ids: [...order] };
}

/** From the anchor to `id`, both included. */
export function extend(order: readonly string[], selection: Selection, id: string): Selection {
  const anchor = selection.anchor !== null && order.includes(selection.anchor) ? selection.anchor : id;
  const [from, to] = [order.indexOf(anchor), order.indexOf(id)].sort((a, b) => a - b);
  return { active: id, anchor, ids: order.slice(from, (to ?? 0) + 1) };
}

/** The cell `steps` away from the active one, staying inside the notebook. */
export function neighbour(order: readonly string[], selection: Selection, steps: number): string | null {
  const at = selection.active === null ? 0 : order.indexOf(selection.active) + steps;
  return order[Math.max(0, Math.min(order.length - 1, at))] ?? null;
}

/** The selection after the order changed: gone cells leave it; when the active one is gone, its next neighbour follows. */
export function prune(before: readonly string[], after: readonly string[], selection: Selection): Selection {
  const there = new Set(after);
  if (selection.active !== null && there.has(selection.active)) {
    const kept = new Set(selection.ids.filter((id) => there.has(id)));
    const ids = after.filter((id) => kept.has(id));
    const anchor = selection.anchor !== null && there.has(selection.anchor) ? selection.anchor : selection.active;
    return { active: selection.active, anchor, ids };
  }
  if (selection.active === null) return NOTHING;
  const from = before.indexOf(selection.active);
  const next = before.slice(from + 1).find((id) => there.has(id)) ?? after.at(-1);
  return next === undefined ? NOTHING : only(next);
}
