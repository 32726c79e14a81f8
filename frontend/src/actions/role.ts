/** What a role may do on this page. The server checks again: nothing here protects anything. */

export const ROLES = ["viewer", "commenter", "runner", "editor", "owner"] as const;
export type Role = (typeof ROLES)[number];

export function atLeast(role: string | null, needed: Role): boolean {
  return ROLES.findIndex((word) => word === role) >= ROLES.indexOf(needed);
}

/** "needs editor", or null when the role is enough. */
export function missingRole(role: string | null, needed: Role | null): string | null {
  return needed === null || atLeast(role, needed) ? null : `needs ${needed}`;
}
