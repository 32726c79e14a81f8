/** The last hour of this notebook's runtime: what the server kept, and every sample since. */

import { useEffect, useState } from "react";
import { useStore } from "zustand";
import { getUsage } from "../../runtime_api";
import type { Session } from "../../session/session";
import { append, type History, merge } from "./history";

export function useHistory(session: Session): History {
  const [history, setHistory] = useState<History>([]);
  const process = useStore(session.store, (state) => state.runtime.session);
  const connected = useStore(session.store, (state) => state.phase === "synced");

  // biome-ignore lint/correctness/useExhaustiveDependencies: a fresh process has a history of its own; so has one that went on while nobody listened.
  useEffect(() => {
    let gone = false;
    getUsage(session.id)
      // Without it the charts begin now.
      .catch(() => ({ samples: [] }))
      .then(({ samples }) => {
        if (!gone) setHistory((live) => merge(samples, live));
      });
    return () => {
      gone = true;
    };
  }, [session, process, connected]);

  useEffect(
    () =>
      session.store.subscribe(({ usage }, before) => {
        const sample = usage?.kernel ?? null;
        if (sample !== null && sample !== before.usage?.kernel) setHistory((history) => append(history, sample));
      }),
    [session],
  );
  return history;
}
