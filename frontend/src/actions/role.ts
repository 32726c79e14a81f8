/** What a role may do on this page. The server checks again: nothing here protects anything. */

export const ROLES = ["viewer", "commenter", "runner", "editor", "owner"] as const;
export type Role = (typeof ROLES)[number];

export function atLeast(role: string | null, needed: Role): boolean {
  return ROLES.findIndex((word) => word === role) >= ROLES.indexOf(needed);
}

/** The role as far as it goes: once the session has ended, nothing that is written or asked for reaches the server. */
export function usableRole(state: { readonly role: string | null; readonly phase: string }): string | null {
  return state.phase === "ended" && state.role !== null ? "viewer" : state.role;
}

/** Why what `needed` may do is not to be had now, or null. After the end nothing reaches the server any more. */
export function refusalNow(
  state: { readonly role: string | null; readonly phase: string },
  needed: Role,
): string | null {
  return missingRole(state.role, needed) ?? (state.phase === "ended" ? "the connection has ended" : null);
}

/** "needs the role editor", or null when the role is enough. */
export function missingRole(role: string | null, needed: Role | null): string | null {
  return needed === null || atLeast(role, needed) ? null : `needs the role ${needed}`;
}
