/** Uploading notebooks, one request a file; what goes wrong is one sentence a file. */

import { createNotebook } from "../../api.ts";

export interface Uploaded {
  readonly made: readonly string[];
  readonly failures: readonly string[];
}

export async function uploadFiles(files: readonly File[]): Promise<Uploaded> {
  const made: string[] = [];
  const failures: string[] = [];
  for (const file of files) {
    try {
      const ipynb = parseNotebook(await file.text());
      const { id } = await createNotebook({ ipynb, title: titleOf(file.name) });
      made.push(id);
    } catch (error) {
      failures.push(`${file.name}: ${error instanceof Error ? error.message : "it could not be uploaded."}`);
    }
  }
  return { made, failures };
}

/** Throws an Error whose message is for people. */
export function parseNotebook(text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("This is not a notebook file: it holds no JSON.");
  }
  if (typeof value !== "object" || value === null || !("cells" in value || "worksheets" in value)) {
    throw new Error("This is not a notebook file: it has no cells.");
  }
  return value;
}

export function titleOf(name: string): string {
  return name.replace(/\.(ipynb|json)$/i, "");
}
