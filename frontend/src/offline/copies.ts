/** The notebooks that this browser keeps: which, for how long, and how they leave it. */
import type { Me } from "../api.ts";
import { browserCopies, takeAway } from "../session/earlier.ts";
import { keepRecovered, type Recovered, readRecovered, readUnsaved } from "../session/recovered.ts";
import { browserStorage } from "../session/text_storage.ts";
import { type KeptNotebook, keptAs, keptNotebooks, listKept } from "./kept.ts";

const MOST_KEPT = 100;
export const LOST_ACCESS = "You had no access any more when it could be sent.";
const TOO_MANY = `This browser keeps the last ${MOST_KEPT} notebooks that were opened.`;

/** As the one opened last; the oldest makes room. */
export function keepNotebook(me: Me, notebook: KeptNotebook): void {
  const all = [notebook, ...keptNotebooks(me).filter(({ id }) => id !== notebook.id)];
  listKept(me, all.slice(0, MOST_KEPT));
  for (const { id } of all.slice(MOST_KEPT)) void dropCopies(me, id, TOO_MANY);
}

/** Its person may not see it any more. Gives the recovered work there is, with what was unsaved in the copies. */
export async function dropNotebook(me: Me, id: string, reason: string): Promise<readonly Recovered[]> {
  const others = keptNotebooks(me).filter((notebook) => notebook.id !== id);
  listKept(me, others);
  return dropCopies(me, id, reason);
}

async function dropCopies(me: Me, id: string, reason: string): Promise<readonly Recovered[]> {
  const storage = browserStorage();
  const name = keptAs(me, id);
  const left = await takeAway(browserCopies(id, name), reason, Date.now()).catch(() => []);
  const known = readRecovered(storage, name);
  return left.length === 0 ? known : keepRecovered(storage, name, [...left, ...known]);
}

/** Those of them that have something the server lacks. */
export function unsavedNotebooks(me: Me): readonly KeptNotebook[] {
  const storage = browserStorage();
  return keptNotebooks(me).filter(({ id, epoch }) => readUnsaved(storage, keptAs(me, id), epoch) !== null);
}

/** All that this origin keeps of anybody's notebooks leaves the browser. */
export async function forgetEverything(): Promise<void> {
  const storage = browserStorage();
  for (const key of storage === null ? [] : Object.keys(storage)) {
    if (/^collab\.(kept|person|unsaved|recovered)(\.|$)/.test(key)) storage?.removeItem(key);
  }
  if (typeof indexedDB === "undefined") return;
  const names = (await indexedDB.databases()).map(({ name = "" }) => name);
  await Promise.all(names.filter((name) => name.startsWith("collab:")).map(deleted));
}

/** Tabs that have it open let go of it. */
function deleted(name: string): Promise<void> {
  return new Promise((resolve) => {
    const asked = indexedDB.deleteDatabase(name);
    asked.onsuccess = () => resolve();
    asked.onerror = () => resolve();
  });
}
