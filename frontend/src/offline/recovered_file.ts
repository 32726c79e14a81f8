/** Recovered work goes to its person as notebook files. */
import { saveAs } from "../actions/download.ts";
import { type Recovered, recoveredNotebook } from "../session/recovered.ts";

export function downloadRecovered(work: readonly Recovered[]): void {
  for (const item of work) {
    const name = `${item.title.replace(/[^\p{L}\p{N} ._-]/gu, "_")} (recovered).ipynb`;
    saveAs(name, JSON.stringify(recoveredNotebook(item), null, 1), "application/x-ipynb+json");
  }
}
