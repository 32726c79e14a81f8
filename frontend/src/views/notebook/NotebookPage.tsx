import { useCallback, useEffect, useState } from "react";
import type { FrameKey } from "../../../frame/protocol";
import { perform } from "../../actions";
import type { Me, NotebookInfo } from "../../api";
import { orderedIds } from "../../notebook/schema";
import { findNotebook } from "../../offline/arrive";
import { keptAs } from "../../offline/kept";
import { downloadRecovered } from "../../offline/recovered_file";
import { createFrames } from "../../outputs/frames";
import { lazyRelay } from "../../outputs/lazy_relay";
import { type LastKnown, openSession, type Recovered } from "../../session/session";
import { alarm, say } from "../shared/announcements";
import { Failure } from "../shared/Failure";
import { Unreachable } from "../shared/Unreachable";
import { createBench, type NotebookBench } from "./bench";
import { lazyColab } from "./lazy_colab";
import { NotebookSkeleton } from "./NotebookSkeleton";
import { Workspace } from "./Workspace";

type Opening =
  | { readonly kind: "loading" }
  | { readonly kind: "unreachable"; readonly reason: string }
  | { readonly kind: "refused"; readonly reason: string; readonly recovered: readonly Recovered[] }
  | { readonly kind: "open"; readonly bench: NotebookBench };

interface Props {
  readonly id: string;
  readonly me: Me;
  readonly nonce: string;
}

const ANOTHER_EPOCH = 4409;
// What reopening did not help against the first time is another version of the page: that wants a reload.
const REOPEN_EVERY_MS = 60_000;

export function NotebookPage({ id, me, nonce }: Props) {
  const [opening, setOpening] = useState<Opening>({ kind: "loading" });
  const [turn, setTurn] = useState(0);
  const again = useCallback(() => setTurn((last) => last + 1), []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: each turn opens the notebook anew.
  useEffect(() => {
    let gone = false;
    let close = (): void => {};
    void findNotebook(me, id).then((found) => {
      if (gone) return;
      if (found.kind !== "server" && found.kind !== "browser") {
        setOpening(found);
        return;
      }
      const opened = Date.now();
      const labels = found.kind === "server" ? found.info.output_label : found.kept.output_label;
      const bench = open(
        id,
        keptAs(me, id),
        labels,
        found.kind === "server" ? null : { ...found.kept, user: me },
        nonce,
      );
      let stopRecording = (): void => {};
      import("../../offline/record").then(({ recordNotebook }) => {
        if (!gone) stopRecording = recordNotebook(me, bench.session, labels);
      }, noRecord);
      const stopWatching = bench.session.store.subscribe(({ ended }) => {
        if (ended?.code !== ANOTHER_EPOCH || (turn > 0 && Date.now() - opened < REOPEN_EVERY_MS)) return;
        say("The notebook was rebuilt while you were away. What you wrote is merged.");
        setOpening({ kind: "loading" });
        again();
      });
      close = () => {
        stopRecording();
        stopWatching();
        bench.close();
      };
      setOpening({ kind: "open", bench });
    });
    return () => {
      gone = true;
      close();
    };
  }, [id, nonce, me, turn]);

  switch (opening.kind) {
    case "loading":
      return <NotebookSkeleton />;
    case "unreachable":
      return <Unreachable title="This notebook cannot be opened now" reason={opening.reason} onRetry={again} />;
    case "refused":
      return (
        <Failure title="This notebook cannot be opened" detail={opening.reason}>
          {opening.recovered.length > 0 && <RecoveredWork work={opening.recovered} />}
          <a className="button button-primary" href="/">
            Go to the Library
          </a>
        </Failure>
      );
    case "open":
      return <Workspace bench={opening.bench} me={me} />;
  }
}

/** What was written here without a connection, by somebody who had no access any more when there was one. */
function RecoveredWork({ work }: { readonly work: readonly Recovered[] }) {
  return (
    <>
      <p>What you wrote here without a connection could not be saved any more. Its text is kept in this browser.</p>
      <button type="button" className="button" onClick={() => downloadRecovered(work)}>
        Download recovered work
      </button>
    </>
  );
}

/** The notebook opens; it only is not in the list of what opens without the server. */
const noRecord = (): void => {};

const RUNNING_ROLES: readonly string[] = ["runner", "editor", "owner"];

function open(
  id: string,
  name: string,
  labels: NotebookInfo["output_label"],
  last: LastKnown | null,
  nonce: string,
): NotebookBench {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const session = openSession({
    notebookId: id,
    url: `${scheme}://${location.host}/api/notebooks/${encodeURIComponent(id)}/socket`,
    offline: true,
    keptAs: name,
    ...(last === null ? {} : { last }),
    earlier: async (epoch) => {
      const { browserCopies, mergeCopies } = await import("../../session/earlier");
      return mergeCopies(browserCopies(id, name), epoch, Date.now());
    },
  });
  const originTemplate = document.querySelector<HTMLMetaElement>('meta[name="output-origin"]')?.content ?? "";
  const widgets = lazyRelay(["models", "commToKernel", "commTarget", "widgetModule"], async () =>
    (await import("../../outputs/widgets")).relayWidgets(session),
  );
  const colab = lazyColab(() => bench);
  const frames = createFrames({
    relays: [widgets, colab],
    notebookId: id,
    labels,
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
  colab.listen(frames);
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
