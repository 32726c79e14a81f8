/** How a page opens: as the server says, or, when it cannot be reached, with what this browser keeps. */
import { ApiError, getMe, getNotebook, type Me, type NotebookInfo } from "../api.ts";
import type { Recovered } from "../session/recovered.ts";
import { forgetPerson, type KeptNotebook, keptNotebook, lastPerson, rememberPerson } from "./kept.ts";
import { tellTabs } from "./tabs.ts";

export type Person =
  | { readonly kind: "known"; readonly me: Me }
  | { readonly kind: "stranger" }
  | { readonly kind: "unreachable"; readonly reason: string };

export async function whoIsThis(): Promise<Person> {
  try {
    const me = await getMe();
    // Tabs that were signed out wait for this.
    if (lastPerson() === null) tellTabs("in");
    rememberPerson(me);
    return { kind: "known", me };
  } catch (error) {
    if (statusOf(error) === 401) {
      forgetPerson();
      return { kind: "stranger" };
    }
    const me = isUnreachable(error) ? lastPerson() : null;
    return me === null ? { kind: "unreachable", reason: reasonOf(error) } : { kind: "known", me };
  }
}

export type Found =
  | { readonly kind: "server"; readonly info: NotebookInfo }
  | { readonly kind: "browser"; readonly kept: KeptNotebook }
  | { readonly kind: "unreachable"; readonly reason: string }
  | { readonly kind: "refused"; readonly reason: string; readonly recovered: readonly Recovered[] };

export async function findNotebook(me: Me, id: string): Promise<Found> {
  try {
    return { kind: "server", info: await getNotebook(id) };
  } catch (error) {
    const reason = reasonOf(error);
    if (isUnreachable(error)) {
      const kept = keptNotebook(me, id);
      if (kept !== null) return { kind: "browser", kept };
      return { kind: "unreachable", reason: `${reason} This browser has no copy of this notebook.` };
    }
    const isGone = [403, 404].includes(statusOf(error));
    const { dropNotebook, LOST_ACCESS } = await import("./copies.ts");
    const recovered = isGone ? await dropNotebook(me, id, LOST_ACCESS) : [];
    return { kind: "refused", reason, recovered };
  }
}

/** Also what a proxy says whose server is down, and the server itself while it cannot reach its data. */
export const isUnreachable = (error: unknown): boolean => [0, 502, 503, 504].includes(statusOf(error));

const statusOf = (error: unknown): number => (error instanceof ApiError ? error.status : -1);

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
