/** The time until the runtime ends by itself, drawn anew each second. */

import { useEffect, useState } from "react";
import { useStore } from "zustand";
import type { Session } from "../../session/session";

/** From here on the chip shows it, too (ui.md 3). */
export const SHOWN_BEFORE_MS = 10 * 60_000;

/** Milliseconds, null while no end is near. */
export function useCountdown(session: Session): number | null {
  const stopsAt = useStore(session.store, (state) => state.runtime.stopsAt);
  const [, redraw] = useState(0);
  useEffect(() => {
    if (stopsAt === null) return;
    const timer = setInterval(() => redraw((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [stopsAt]);
  return stopsAt === null ? null : Math.max(0, stopsAt - Date.now());
}
