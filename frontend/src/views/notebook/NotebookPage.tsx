import { useEffect, useState } from "react";
import type { FrameKey } from "../../../frame/protocol";
import { perform } from "../../actions";
import { getNotebook, type Me, type NotebookInfo } from "../../api";
import { orderedIds } from "../../notebook/schema";
import { createFrames } from "../../outputs/frames";
import { browserCopies, mergeCopies } from "../../session/earlier";
import { openSession } from "../../session/session";
import { alarm } from "../shared/announcements";
import { Failure } from "../shared/Failure";
import { createBench, type NotebookBench } from "./bench";
import { NotebookSkeleton } from "./NotebookSkeleton";
import { Workspace } from "./Workspace";

type Opening =
  | { readonly kind: "loading" }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "open"; readonly bench: NotebookBench };

interface Props {
  readonly id: string;
  readonly me: Me;
  readonly nonce: string;
}

export function NotebookPage({ id, me, nonce }: Props) {
  const [opening, setOpening] = useState<Opening>({ kind: "loading" });

  useEffect(() => {
    let gone = false;
    let close = (): void => {};
    getNotebook(id)
      .then((info) => {
        if (gone) return;
        const bench = open(id, info, nonce);
        close = bench.close;
        setOpening({ kind: "open", bench });
      })
      .catch((error: unknown) => {
        if (gone) return;
        const reason = error instanceof Error ? error.message : "The server could not be reached.";
        setOpening({ kind: "failed", reason });
      });
    return () => {
      gone = true;
      close();
    };
  }, [id, nonce]);

  switch (opening.kind) {
    case "loading":
      return <NotebookSkeleton />;
    case "failed":
      return (
        <Failure title="This notebook cannot be opened" detail={opening.reason}>
          <a className="button button-primary" href="/">
            Go to the Library
          </a>
        </Failure>
      );
    case "open":
      return <Workspace bench={opening.bench} me={me} />;
  }
}

const RUNNING_ROLES: readonly string[] = ["runner", "editor", "owner"];

function open(id: string, info: NotebookInfo, nonce: string): NotebookBench {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const session = openSession({
    notebookId: id,
    url: `${scheme}://${location.host}/api/notebooks/${encodeURIComponent(id)}/socket`,
    offline: true,
    earlier: (epoch) => mergeCopies(browserCopies(id), epoch, Date.now()),
  });
  const originTemplate = document.querySelector<HTMLMetaElement>('meta[name="output-origin"]')?.content ?? "";
  const frames = createFrames({
    notebookId: id,
    labels: info.output_label,
    originTemplate,
    pageOrigin: location.origin,
    isCrossSite: document.querySelector<HTMLMetaElement>('meta[name="output-cross-site"]')?.content === "1",
    mayRun: () => RUNNING_ROLES.includes(session.store.getState().role ?? ""),
    onNotice: alarm,
    onKey: (cell, key) => followKey(bench, cell, key),
  });
  session.store.subscribe((state, before) => {
    if (state.role !== before.role) frames.roleChanged();
  });
  const bench = createBench({ session, frames, nonce });
  return bench;
}

/** Keys that a frame passes back act as they would beside it. Escape is the frames' own. */
function followKey(bench: NotebookBench, cell: string, key: FrameKey): void {
  if (key === "save") perform("file.save", bench);
  if (key !== "moveUp" && key !== "moveDown") return;
  const order = orderedIds(bench.session.notebook);
  const next = order[order.indexOf(cell) + (key === "moveUp" ? -1 : 1)];
  if (next !== undefined) bench.cells.focus(next);
}
