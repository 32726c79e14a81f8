/** What a person should hear of without asking: refusals, notices, lost connections, runs that ended. */

import { actionOf, disabledReason } from "../../actions";
import type { Workbench } from "../../actions/workbench";
import { observeRun } from "../../notebook/observe";
import { orderedIds, outputsOf, runOf } from "../../notebook/schema";
import { forgetPerson } from "../../offline/kept";
import { hearTabs } from "../../offline/tabs";
import { wakeWithThePage } from "../../offline/waking";
import { mention, mentionRun, warn } from "../shared/announcements";
import { duration } from "../shared/time";
import { endedWords } from "./ended";
import { isLimit, runtimeWords } from "./runtime_words";

/** As the notice of Notices.tsx. */
const LOST_AFTER_MS = 1000;

export function watchSession(bench: Workbench): () => void {
  const { session } = bench;
  const { notebook, store } = session;

  const guard = (event: BeforeUnloadEvent): void => {
    const { unsaved, phase } = store.getState();
    if (unsaved && phase !== "ended") event.preventDefault();
  };
  window.addEventListener("beforeunload", guard);
  const stopWaking = wakeWithThePage(session);

  let losing = 0;
  let told = false;

  // One observer at a time: on the cell that runs now.
  let stopRun = (): void => {};
  const watchRunning = (): void => {
    stopRun();
    const running = orderedIds(notebook).find((id) => runOf(notebook, id)?.state === "running");
    if (running === undefined) return;
    stopRun = observeRun(notebook, running, () => {
      const run = runOf(notebook, running);
      const number = orderedIds(notebook).indexOf(running) + 1;
      if (run === null || run.state === "running" || run.state === "queued") {
        if (run?.prompt != null) heard(`Cell ${number} waits for input.`);
        return;
      }
      const took =
        run.started !== null && run.finished !== null ? ` after ${duration(run.finished - run.started)}` : "";
      const made = run.state === "finished" && outputsOf(notebook, running).length > 0;
      heard(`Cell ${number}${made ? ": output ready," : ""} ${run.state}${took}.`);
    });
  };
  // Heard, not seen: the cell itself shows it.
  const heard = (text: string): void => {
    mentionRun(text);
  };

  const stops = [
    hearTabs((tidings) => {
      if (tidings === "in") session.retryNow();
      else {
        // Nothing of it is to stay on the screen. Whoever signed out was told what they would lose.
        window.removeEventListener("beforeunload", guard);
        session.close();
        location.replace("/");
      }
    }),
    session.onEvent((event) => {
      if (event.type === "refused") bench.alarm(event.reason);
      if (event.type === "notice") bench.say(event.text);
      if (event.type === "runtime_notice") {
        if (event.kind === "other") bench.say(event.text);
        else if (isLimit(event.kind)) warn(event.text);
      }
    }),
    store.subscribe((state, old) => {
      if (state.phase !== old.phase) {
        clearTimeout(losing);
        // The notice shows it; a blink of the connection is not worth a word.
        if (state.phase === "offline" && !state.signedOut)
          losing = window.setTimeout(() => {
            told = true;
            warn("The connection is lost. You can go on writing.");
          }, LOST_AFTER_MS);
        if (state.phase === "synced" && told) {
          told = false;
          bench.say("Connected again.");
        }
        if (state.ended !== null) warn(endedWords(state.ended.code, state.ended.reason));
      }
      if (state.signedOut && !old.signedOut) {
        clearTimeout(losing);
        told = true;
        forgetPerson(); // nothing opens without the server until somebody has signed in again
        warn("You are signed out. You can go on writing; sign in again to save it.");
      }
      if (state.runtime.status !== old.runtime.status) watchRunning();
      if (state.runtime !== old.runtime) {
        const mayStay = disabledReason(actionOf("runtime.extendIdle"), bench) === null;
        const words = runtimeWords(old.runtime, state.runtime, mayStay, Date.now());
        if (words?.urgent === true) warn(words.text);
        else if (words !== null) mention(words.text);
      }
    }),
  ];
  watchRunning();
  return () => {
    window.removeEventListener("beforeunload", guard);
    stopWaking();
    clearTimeout(losing);
    stopRun();
    for (const stop of stops) stop();
  };
}
