/**
 * Stored outputs load nothing from other hosts until their reader asks for it (outputs.md C1): who opened a notebook is
 * nobody's business. The answer holds for the notebook, until the tab is reloaded.
 */
import type { CellFrame } from "./frame";

const MOST_HOSTS = 3;

export interface RemoteContent {
  readonly isAllowed: boolean;
  blocked(frame: CellFrame, host: string): void;
  forget(frame: CellFrame): void;
}

/** `allow` draws the stored outputs again. */
export function createRemoteContent(allow: () => void): RemoteContent {
  const asked = new Map<CellFrame, { hosts: Set<string>; bar: HTMLElement }>();
  let isAllowed = false;

  const load = (): void => {
    isAllowed = true;
    for (const { bar } of asked.values()) bar.remove();
    asked.clear();
    allow();
  };

  return {
    get isAllowed() {
      return isAllowed;
    },
    blocked(frame, host) {
      if (isAllowed) return;
      const hosts = asked.get(frame)?.hosts ?? new Set<string>();
      if (hosts.has(host) || hosts.size > MOST_HOSTS) return;
      hosts.add(host);
      const names = [...hosts].slice(0, MOST_HOSTS).join(", ") + (hosts.size > MOST_HOSTS ? " and others" : "");
      const bar = frame.requests.offer(`This saved output wants to load content from ${names}.`, [
        { label: "Load remote content", run: load },
      ]);
      asked.set(frame, { hosts, bar });
    },
    forget(frame) {
      asked.delete(frame);
    },
  };
}
