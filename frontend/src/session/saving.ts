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

export function saveState(saving: Saving, now: number): Save {
  if (!saving.connected) return "Offline";
  if (saving.sent <= saving.acknowledged && !saving.unsent) return "Saved";
  if (saving.trouble !== "") return "Not saved";
  return saving.waitingSince !== null && now - saving.waitingSince >= PATIENCE_MS ? "Not saved" : "Saving";
}

export function sent(saving: Saving, now: number): Saving {
  return { ...saving, sent: saving.sent + 1, waitingSince: saving.waitingSince ?? now, unsent: false };
}

export function acknowledged(saving: Saving, frames: number, now: number): Saving {
  const done = Math.max(saving.acknowledged, Math.min(frames, saving.sent));
  if (done === saving.acknowledged) return saving;
  return { ...saving, acknowledged: done, trouble: "", waitingSince: done >= saving.sent ? null : now };
}
