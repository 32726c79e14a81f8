/** Uploading notebooks, one request a file; what goes wrong is one sentence a file, in the server's words. */

import { createNotebook } from "../../api.ts";

export interface Uploaded {
  readonly made: readonly string[];
  readonly failures: readonly string[];
}

export async function uploadFiles(
  files: readonly File[],
  onProgress: (done: number) => void = () => {},
): Promise<Uploaded> {
  const made: string[] = [];
  const failures: string[] = [];
  for (const [done, file] of files.entries()) {
    onProgress(done);
    try {
      // The server would take an empty body for the wish for an empty notebook.
      if (file.size === 0) throw new Error("This file is empty.");
      const { id } = await createNotebook({ file, title: titleOf(file.name) });
      made.push(id);
    } catch (error) {
      failures.push(`${file.name}: ${error instanceof Error ? error.message : "it could not be uploaded."}`);
    }
  }
  return { made, failures };
}

export function titleOf(name: string): string {
  return name.replace(/\.(ipynb|json)$/i, "");
}
