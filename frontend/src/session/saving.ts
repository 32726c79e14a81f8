/** Whether everything written is safe, from acknowledgements only. Pure; times are ms. */

export type Save = "Saved" | "Saving" | "Not saved" | "Offline";

export const PATIENCE_MS = 3_000;

export interface Saving {
  /** Update frames sent on this socket, and how many of them are durable. */
  readonly sent: number;
  readonly acknowledged: number;
  /** Since when something waits; null when nothing does. */
  readonly waitingSince: number | null;
  /** What the server said about why it cannot save. */
  readonly trouble: string;
  readonly connected: boolean;
  /** Edits made while there was no connection. */
  readonly unsent: boolean;
}

export const NOTHING_SENT: Saving = {
  sent: 0,
  acknowledged: 0,
  waitingSince: null,
  trouble: "",
  connected: false,
  unsent: false,
};

/** Whether something written here is not durable on the server. */
export function isUnsaved(saving: Saving): boolean {
  return saving.sent > saving.acknowledged || saving.unsent;
}

export function saveState(saving: Saving, now: number): Save {
  if (!isUnsaved(saving)) return saving.connected ? "Saved" : "Offline";
  if (saving.trouble !== "") return "Not saved";
  if (!saving.connected) return "Offline";
  return patienceLeft(saving, now) === 0 ? "Not saved" : "Saving";
}

/** How long "Saving" may still be said, in ms. */
export function patienceLeft({ waitingSince }: Saving, now: number): number {
  return waitingSince === null ? PATIENCE_MS : Math.max(0, waitingSince + PATIENCE_MS - now);
}

/** An edit was made that is not on its way yet. */
export function edited(saving: Saving, now: number): Saving {
  return { ...saving, unsent: true, waitingSince: saving.waitingSince ?? now, trouble: troubleNow(saving) };
}

/** Everything that was unsent is in a frame now. */
export function sent(saving: Saving, now: number): Saving {
  const { waitingSince } = saving;
  return {
    ...saving,
    sent: saving.sent + 1,
    waitingSince: waitingSince ?? now,
    unsent: false,
    trouble: troubleNow(saving),
  };
}

export function acknowledged(saving: Saving, frames: number, now: number): Saving {
  const done = Math.max(saving.acknowledged, Math.min(frames, saving.sent));
  if (done === saving.acknowledged) return saving;
  const all = done >= saving.sent && !saving.unsent;
  return { ...saving, acknowledged: done, trouble: "", waitingSince: all ? null : now };
}

/** The connection is gone. What the server said stands when it went for that: `forTrouble`. */
export function lost(saving: Saving, forTrouble: boolean): Saving {
  return { ...NOTHING_SENT, unsent: isUnsaved(saving), trouble: forTrouble ? saving.trouble : "" };
}

/** There is a connection, on which nothing was sent yet. */
export function connected({ unsent, trouble }: Saving): Saving {
  return { ...NOTHING_SENT, connected: true, unsent, trouble };
}

/** Trouble with what others wrote, while nothing of ours waited, says nothing about the next edit. */
function troubleNow(saving: Saving): string {
  return isUnsaved(saving) ? saving.trouble : "";
}
