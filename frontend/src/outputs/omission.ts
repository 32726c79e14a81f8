/** Whether the outputs of a notebook are seen and not kept, and who says so. */

import { isRecord, json, type Notebook } from "../notebook/schema.ts";

export function omission(nb: Notebook): "server" | "notebook" | null {
  if (document.querySelector<HTMLMetaElement>('meta[name="omit-outputs"]')?.content === "1") return "server";
  const metadata = json(nb.meta.get("metadata"));
  const colab = isRecord(metadata) ? metadata["colab"] : null;
  return isRecord(colab) && colab["private_outputs"] === true ? "notebook" : null;
}
