/** Rows of the File menu. */

import { copyNotebook, createNotebook, type ExportFormat, exportUrl, trashNotebook } from "../api.ts";
import { downloadRecovered } from "../offline/recovered_file.ts";
import { type Action, everywhere } from "./action.ts";
import { ask, openDialog, type Workbench } from "./workbench.ts";

function download(id: string, title: string, format: ExportFormat, outputs = true): Action {
  return {
    id,
    title,
    role: "viewer",
    keys: [],
    run: (bench) => location.assign(exportUrl(bench.session.id, format, outputs)),
  };
}

/** Runs the request; what goes wrong is said, not thrown. */
async function attempt(bench: Workbench, request: () => Promise<void>): Promise<void> {
  try {
    await request();
  } catch (error) {
    bench.alarm(error instanceof Error ? error.message : "The server could not be reached.");
  }
}

export const fileActions: readonly Action[] = [
  {
    id: "file.new",
    title: "New notebook",
    role: null,
    keys: [],
    run: (bench) => attempt(bench, async () => location.assign(`/n/${(await createNotebook()).id}`)),
  },
  {
    id: "file.open",
    title: "Open…",
    role: null,
    keys: everywhere("Mod+O"),
    run: () => location.assign("/"),
  },
  {
    id: "file.rename",
    title: "Rename",
    role: "editor",
    keys: [],
    run: (bench) => bench.focusTitle(),
  },
  {
    id: "file.trash",
    title: "Move to trash",
    role: "owner",
    keys: [],
    run: (bench) =>
      ask(bench, {
        title: "Move this notebook to the trash?",
        detail: "Nobody can open it until you restore it from the trash in the Library.",
        confirm: "Move to trash",
        run: () =>
          attempt(bench, async () => {
            await trashNotebook(bench.session.id, true);
            location.assign("/");
          }),
      }),
  },
  {
    id: "file.copy",
    title: "Make a copy",
    role: "viewer",
    keys: [],
    run: (bench) => attempt(bench, async () => location.assign(`/n/${(await copyNotebook(bench.session.id)).id}`)),
  },
  {
    id: "file.save",
    title: "Save now",
    role: "viewer",
    keys: everywhere("Mod+S"),
    run: (bench) => {
      const { save, saveReason } = bench.session.store.getState();
      const words = {
        Saved: "Saved. Everything you write is saved as you go.",
        Saving: "Saving. Everything you write is saved as you go.",
        "Not saved": `Not saved yet: ${saveReason || "the server has not confirmed your last changes."}`,
        Offline: "Offline. Your changes are kept in this browser and sent when the connection is back.",
      };
      bench.say(words[save]);
    },
  },
  {
    id: "file.recovered",
    title: "Recovered work…",
    role: null,
    keys: [],
    when: (bench) => (bench.session.store.getState().recovered.length === 0 ? "there is none" : null),
    run: (bench) => {
      const { recovered } = bench.session.store.getState();
      const fresh = recovered.filter(({ taken }) => !taken);
      const items = fresh.length > 0 ? fresh : recovered;
      const cells = items.reduce((count, item) => count + item.cells.length, 0);
      ask(bench, {
        title: "Download the recovered work?",
        detail: `The server did not take what you wrote in ${cells === 1 ? "one cell" : `${cells} cells`}. It comes as a notebook file that you can open here and copy from.`,
        confirm: "Download",
        run: () => {
          downloadRecovered(items);
          bench.session.recoveredTaken();
        },
      });
    },
  },
  {
    id: "file.share",
    title: "Share…",
    role: "viewer",
    keys: [],
    run: (bench) => openDialog(bench, { kind: "share" }),
  },
  {
    id: "file.copyLink",
    title: "Copy link",
    role: "viewer",
    keys: [],
    run: async (bench) => {
      await navigator.clipboard.writeText(`${location.origin}/n/${bench.session.id}`);
      bench.say("Link copied. It opens for people who already have access; use Share to let others in.");
    },
  },
  download("file.downloadIpynb", ".ipynb", "ipynb"),
  download("file.downloadClean", ".ipynb without outputs", "ipynb", false),
  download("file.downloadPy", ".py", "py"),
  download("file.downloadMd", ".md", "md"),
  download("file.downloadHtml", ".html", "html"),
  {
    id: "file.print",
    title: "Print",
    role: "viewer",
    keys: everywhere("Mod+P"),
    run: () => window.print(),
  },
  {
    id: "file.closeShutdown",
    title: "Close and shut down runtime",
    role: "runner",
    keys: [],
    run: (bench) =>
      ask(bench, {
        title: "Close the notebook and shut down its runtime?",
        detail: "Variables are lost for everyone in this notebook. The text and the outputs stay.",
        confirm: "Shut down",
        run: () => {
          bench.session.send({ type: "shut_down_runtime" });
          location.assign("/");
        },
      }),
  },
];
