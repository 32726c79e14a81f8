/** The HTTP routes of a person's own secrets; only their pane and the question about one need them. */

import { path, request } from "./api.ts";

export interface Secret {
  readonly name: string;
  /** ISO 8601. */
  readonly changed: string;
  /** Whether code of this notebook may read it when its owner runs it. */
  readonly granted: boolean;
}

export async function listSecrets(notebook: string): Promise<readonly Secret[]> {
  const query = new URLSearchParams({ notebook });
  return (await request<{ secrets: Secret[] }>("GET", `/api/secrets?${query}`)).secrets;
}

export async function readSecret(name: string): Promise<string> {
  return (await request<{ value: string }>("GET", at(name))).value;
}

export const setSecret = (name: string, value: string): Promise<unknown> => request("PUT", at(name), { value });

export const deleteSecret = (name: string): Promise<unknown> => request("DELETE", at(name));

export const grantSecret = (notebook: string, name: string, granted: boolean): Promise<unknown> =>
  request(granted ? "PUT" : "DELETE", path(notebook, `/secrets/${encodeURIComponent(name)}`));

const at = (name: string): string => `/api/secrets/${encodeURIComponent(name)}`;
