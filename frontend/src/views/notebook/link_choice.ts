/** What a link can be: roles and lifetimes. Pure. */

export const LINK_ROLES = ["viewer", "commenter", "runner", "editor"] as const;
export type LinkRole = (typeof LINK_ROLES)[number];

/** In days. */
export const EXPIRIES = ["never", "1", "7", "30"] as const;
export type Expiry = (typeof EXPIRIES)[number];

const DAY_MS = 86_400_000;

/** ISO 8601, or null for a link that does not end. */
export function expiryOf(choice: Expiry, now: number): string | null {
  return choice === "never" ? null : new Date(now + Number(choice) * DAY_MS).toISOString();
}

export function expiryWords(expires: string | null, now: number): string {
  if (expires === null) return "until revoked";
  const left = Date.parse(expires) - now;
  if (left <= 0) return "no longer works";
  if (left < DAY_MS) return `works ${Math.max(1, Math.round(left / 3_600_000))} h more`;
  const days = Math.round(left / DAY_MS);
  return `works ${days} ${days === 1 ? "day" : "days"} more`;
}
