/** Heights of frames by cell, kept over a reload of the tab, so that what was drawn before finds its place again. */

const MOST = 2_000;

export interface Heights {
  get(cellId: string): number | null;
  set(cellId: string, px: number): void;
  destroy(): void;
}

export function openHeights(notebookId: string, storage: Storage): Heights {
  const key = `heights ${notebookId}`;
  const heights = read(storage.getItem(key));
  const keep = (): void => {
    try {
      storage.setItem(key, JSON.stringify([...heights].slice(-MOST)));
    } catch {
      // Full: the next reload moves a little.
    }
  };
  window.addEventListener("pagehide", keep);
  return {
    get: (cellId) => heights.get(cellId) ?? null,
    set: (cellId, px) => heights.set(cellId, px),
    destroy: () => window.removeEventListener("pagehide", keep),
  };
}

function read(text: string | null): Map<string, number> {
  const heights = new Map<string, number>();
  let value: unknown;
  try {
    value = JSON.parse(text ?? "[]");
  } catch {
    return heights;
  }
  if (!Array.isArray(value)) return heights;
  for (const entry of value) {
    if (Array.isArray(entry) && typeof entry[0] === "string" && typeof entry[1] === "number")
      heights.set(entry[0], entry[1]);
  }
  return heights;
}
