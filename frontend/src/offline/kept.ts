/** What this browser can show without the server: who was last signed in here, and which notebooks it has copies of.
 *
 * Small facts only, in localStorage; the notebooks themselves are the sessions' copies (offline/copies.ts).
 */
import type { Me } from "../api.ts";
import { browserStorage } from "../session/text_storage.ts";

export interface KeptNotebook {
  readonly id: string;
  readonly title: string;
  readonly role: string;
  readonly epoch: number;
  readonly output_label: { readonly live: string; readonly stored: string };
  /** ms since 1970. */
  readonly opened: number;
}

const PERSON = "collab.person";

/** Guests have no other identity than the browser's, and the next one of this browser goes on with what the last left. */
const personOf = (me: Me): string => (me.guest ? "guest" : me.id);
const listOf = (me: Me): string => `collab.kept.${personOf(me)}`;

/** Names a person's copy of a notebook in the browser's storage. */
export const keptAs = (me: Me, id: string): string => `${personOf(me)}:${id}`;

/** Everything that was kept here is this person's to see, until they sign out or their session ends. */
export function rememberPerson(me: Me): void {
  write(PERSON, me);
}

/** The copies stay, for whoever signs in again as the same person; until then they are not shown. */
export function forgetPerson(): void {
  remove(PERSON);
}

/** Who was signed in here when the server was last heard; null when nobody was. */
export function lastPerson(): Me | null {
  const me = read(PERSON);
  return isMe(me) ? me : null;
}

/** Opened last first. */
export function keptNotebooks(me: Me): readonly KeptNotebook[] {
  const list = read(listOf(me));
  return Array.isArray(list) ? list.filter(isKeptNotebook) : [];
}

export const keptNotebook = (me: Me, id: string): KeptNotebook | null =>
  keptNotebooks(me).find((notebook) => notebook.id === id) ?? null;

export function listKept(me: Me, notebooks: readonly KeptNotebook[]): void {
  write(listOf(me), notebooks);
}

function read(key: string): unknown {
  try {
    return JSON.parse(browserStorage()?.getItem(key) ?? "null");
  } catch {
    return null;
  }
}

function write(key: string, value: unknown): void {
  try {
    browserStorage()?.setItem(key, JSON.stringify(value));
  } catch {
    // Storage is full or forbidden: then nothing opens without the server.
  }
}

function remove(key: string): void {
  try {
    browserStorage()?.removeItem(key);
  } catch {
    // As above.
  }
}

function isMe(value: unknown): value is Me {
  return has(value, { id: "string", name: "string", color: "string", guest: "boolean", owner: "boolean" });
}

function isKeptNotebook(value: unknown): value is KeptNotebook {
  return (
    has(value, { id: "string", title: "string", role: "string", epoch: "number", opened: "number" }) &&
    has(Reflect.get(Object(value), "output_label"), { live: "string", stored: "string" })
  );
}

function has(value: unknown, fields: Record<string, string>): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    Object.entries(fields).every(([name, kind]) => typeof Reflect.get(value, name) === kind)
  );
}
