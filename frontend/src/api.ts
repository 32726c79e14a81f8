/** The HTTP half of the server's API (ARCHITECTURE.md, "HTTP"). Every failure is an Error whose message is for people. */

import type { CellType } from "./notebook/schema.ts";

export interface Me {
  readonly id: string;
  readonly name: string;
  readonly color: string;
  readonly guest: boolean;
  /** Whether notebooks can be made here. */
  readonly owner: boolean;
}

export interface NotebookSummary {
  readonly id: string;
  readonly title: string;
  /** ISO 8601. */
  readonly updated: string;
  readonly role: string;
  readonly snippet?: string;
}

export interface NotebookInfo {
  readonly id: string;
  readonly title: string;
  readonly role: string;
  readonly epoch: number;
  /** First labels of the hosts that output frames come from. */
  readonly output_label: { readonly live: string; readonly stored: string };
}

export interface Link {
  readonly id: string;
  readonly role: string;
  readonly expires: string | null;
}

export type ExportFormat = "ipynb" | "py" | "md" | "html";

export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export const getMe = (): Promise<Me> => request<Me>("GET", "/api/me");

export const renameMe = (name: string): Promise<Me> => request<Me>("PATCH", "/api/me", { name });

/** Signs out: the cookie is worth nothing afterwards, and open sockets of it are closed. */
export const endSession = (): Promise<unknown> => request("DELETE", "/api/me/session");

export async function getVersion(): Promise<string> {
  return (await request<{ version: string }>("GET", "/healthz")).version;
}

export async function listNotebooks(choice: {
  readonly q: string;
  readonly trash: boolean;
}): Promise<NotebookSummary[]> {
  const query = new URLSearchParams();
  if (choice.q !== "") query.set("q", choice.q);
  if (choice.trash) query.set("trash", "true");
  return (await request<{ notebooks: NotebookSummary[] }>("GET", `/api/notebooks?${query}`)).notebooks;
}

export function createNotebook(from?: {
  /** As it is: reading and writing it here would change numbers that JavaScript cannot hold. */
  readonly file: Blob;
  readonly title: string;
}): Promise<{ id: string; title: string }> {
  if (from === undefined) return request("POST", "/api/notebooks", {});
  return request("POST", `/api/notebooks?${new URLSearchParams({ title: from.title })}`, from.file);
}

export const getNotebook = (id: string): Promise<NotebookInfo> => request("GET", path(id));

export const changeNotebook = (
  id: string,
  change: { readonly title?: string; readonly trashed?: boolean; readonly omits_outputs?: boolean },
): Promise<unknown> => request("PATCH", path(id), change);

export const trashNotebook = (id: string, trashed: boolean): Promise<unknown> => changeNotebook(id, { trashed });

export const copyNotebook = (id: string): Promise<{ id: string; title: string }> => request("POST", path(id, "/copy"));

export const deleteNotebook = (id: string): Promise<unknown> => request("DELETE", path(id));

export const exportUrl = (id: string, format: ExportFormat, outputs: boolean): string =>
  path(id, `/export?format=${format}&outputs=${outputs}`);

export const createLink = (
  id: string,
  link: { readonly role: string; readonly expires: string | null },
): Promise<{ url: string }> => request("POST", path(id, "/links"), link);

export async function listLinks(id: string): Promise<Link[]> {
  return (await request<{ links: Link[] }>("GET", path(id, "/links"))).links;
}

export const revokeLink = (id: string, link: string): Promise<unknown> =>
  request("DELETE", path(id, `/links/${encodeURIComponent(link)}`));

export const path = (id: string, rest = ""): string => `/api/notebooks/${encodeURIComponent(id)}${rest}`;

/** What became of offline work of an earlier epoch. */
export interface Merged {
  readonly merged: number;
  readonly unmerged: readonly {
    readonly cell: string;
    readonly type: CellType;
    readonly source: string;
    readonly why: string;
  }[];
}

export const mergeEarlier = (id: string, epoch: number, work: Uint8Array<ArrayBuffer>): Promise<Merged> =>
  request<Merged>("POST", `${path(id)}/merge?epoch=${epoch}`, new Blob([work]));

export async function request<T>(method: string, url: string, body?: object | Blob): Promise<T> {
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      credentials: "same-origin",
      ...(body === undefined
        ? {}
        : {
            headers: { "content-type": "application/json" },
            body: body instanceof Blob ? body : JSON.stringify(body),
          }),
    });
  } catch {
    throw new ApiError(0, "The server could not be reached.");
  }
  if (!response.ok) throw new ApiError(response.status, await reasonOf(response));
  // The one place where the server's word is taken for the type; it is our own server.
  return (response.status === 204 ? null : await response.json()) as T;
}

async function reasonOf(response: Response): Promise<string> {
  try {
    const body: unknown = await response.json();
    if (typeof body === "object" && body !== null && "error" in body && typeof body.error === "string")
      return body.error;
  } catch {
    // A proxy's page instead of our JSON; the status says enough.
  }
  return `The server answered ${response.status}.`;
}
