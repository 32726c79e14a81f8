/** `google.colab` of an open notebook: its code comes when a frame or the kernel first asks for something. */

import { insertCell } from "../../notebook/edits";
import { orderedIds } from "../../notebook/schema";
import type { ColabRelay } from "../../outputs/colab";
import type { Frames } from "../../outputs/frames";
import { lazyRelay } from "../../outputs/lazy_relay";
import type { Relay } from "../../outputs/relay";
import type { NotebookBench } from "./bench";

const TYPES = ["evalResult", "invoke", "proxyPort", "viewFile", "addCell"];
const EDITING_ROLES: readonly string[] = ["editor", "owner"];

export interface LazyColab extends Relay {
  /** Once, when there are frames. */
  listen(frames: Frames): void;
}

export function lazyColab(bench: () => NotebookBench): LazyColab {
  let frames: Frames | null = null;
  let loading: Promise<ColabRelay> | null = null;

  const load = (): Promise<ColabRelay> => {
    loading ??= import("../../outputs/colab").then(({ relayColab }) => {
      const { session } = bench();
      return relayColab({
        session,
        frames: { demand: (cell) => frames?.demand(cell) ?? null },
        mayEdit: () => EDITING_ROLES.includes(session.store.getState().role ?? ""),
        addCell(cell, code) {
          const order = orderedIds(session.notebook);
          const before = order[order.indexOf(cell) + 1] ?? null;
          bench().cells.focus(insertCell(session.notebook, { type: "code", source: code, before }));
        },
        async askForSecret(name, cell) {
          const { askForSecret } = await import("./ask_for_secret");
          return askForSecret(bench(), name, cell);
        },
      });
    });
    return loading;
  };

  const relay = lazyRelay(TYPES, load);
  return {
    take: relay.take,
    // A frame that asks for nothing needs none of it.
    started: (frame) => void loading?.then((loaded) => loaded.started?.(frame)),
    ended: (frame) => void loading?.then((loaded) => loaded.ended?.(frame)),
    listen(made) {
      frames = made;
      bench().session.onEvent((event) => {
        if (event.type === "colab_asked") void load().then((loaded) => loaded.asked(event));
      });
    },
  };
}
