/** Hooks that read the document; each re-renders only when its own part changes. */

import { useSyncExternalStore } from "react";
import { observeMeta, observeOrder } from "../../notebook/observe";
import { orderedIds, titleOf } from "../../notebook/schema";
import { omission } from "../../outputs/omission";
import type { Session } from "../../session/session";

export function useTitle(session: Session): string {
  return useSyncExternalStore(
    (changed) => observeMeta(session.notebook, changed),
    () => titleOf(session.notebook),
  );
}

export function useCellCount(session: Session): number {
  return useSyncExternalStore(
    (changed) => observeOrder(session.notebook, changed),
    () => orderedIds(session.notebook).length,
  );
}

export function useOmission(session: Session): ReturnType<typeof omission> {
  return useSyncExternalStore(
    (changed) => observeMeta(session.notebook, changed),
    () => omission(session.notebook),
  );
}
