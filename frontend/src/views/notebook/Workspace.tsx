import { useEffect, useRef } from "react";
import { useStore } from "zustand";
import { perform } from "../../actions";
import type { Me } from "../../api";
import { Confirm } from "../shared/Confirm";
import { Banner } from "./Banner";
import type { NotebookBench } from "./bench";
import { followCellLink } from "./cell_link";
import { guardDrops } from "./drop";
import { EmptyNotebook } from "./EmptyNotebook";
import { followHeadingLinks } from "./heading_link";
import { mountKeyboard } from "./keyboard";
import { LateDialog } from "./LateDialog";
import { LeaderHint } from "./LeaderHint";
import { MainMenu } from "./MainMenu";
import { SkeletonCells } from "./NotebookSkeleton";
import { Notices } from "./Notices";
import { Palette } from "./Palette";
import { Pane } from "./Pane";
import { StatusBar } from "./StatusBar";
import { Toolbar } from "./Toolbar";
import { useCellCount, useTitle } from "./use_notebook";
import { watchSession } from "./watch";

interface Props {
  readonly bench: NotebookBench;
  readonly me: Me;
}

/** The notebook's page: banner, menus, toolbar, notices, cells, status bar. */
export function Workspace({ bench, me }: Props) {
  const { session } = bench;
  const title = useTitle(session);
  const count = useCellCount(session);
  const phase = useStore(session.store, (state) => state.phase);
  const dialog = useStore(bench.view, (state) => state.dialog);
  const holder = useRef<HTMLDivElement>(null);
  const loading = count === 0 && phase === "connecting";

  useEffect(() => {
    const parent = holder.current;
    if (parent === null) return;
    const stops = [
      bench.mountCells(parent),
      mountKeyboard(bench),
      watchSession(bench),
      guardDrops(bench),
      followCellLink(bench),
      followHeadingLinks(bench),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }, [bench]);

  useEffect(() => {
    document.title = title === "" ? "Notebook" : title;
  }, [title]);

  const close = (): void => bench.view.setState({ dialog: null });

  return (
    <div className="workspace">
      <button type="button" className="skip-link" onClick={() => bench.cells.leave()}>
        Skip to the active cell
      </button>
      <div className="bars">
        <header data-part="top">
          <Banner bench={bench} me={me} title={title} />
          <MainMenu bench={bench} />
        </header>
        <Toolbar bench={bench} />
      </div>
      <div className="page-row">
        <main className="notebook-main" data-part="main" aria-label={`Notebook: ${title}`}>
          <Notices bench={bench} />
          {loading && <SkeletonCells />}
          {count === 0 && phase !== "connecting" && <EmptyNotebook bench={bench} />}
          <div ref={holder} className="cells-holder" hidden={count === 0} />
        </main>
        <Pane bench={bench} />
      </div>
      <StatusBar bench={bench} />
      <LeaderHint bench={bench} />
      {dialog?.kind === "palette" && <Palette bench={bench} onClose={close} onChoose={(id) => perform(id, bench)} />}
      <LateDialog bench={bench} title={title} onClose={close} />
      {dialog?.kind === "confirm" && (
        <Confirm
          title={dialog.question.title}
          detail={dialog.question.detail}
          confirm={dialog.question.confirm}
          onClose={close}
          onConfirm={() => void dialog.question.run()}
        />
      )}
    </div>
  );
}
