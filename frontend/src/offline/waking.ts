/** A page that sleeps and wakes: a laptop's lid, a hidden tab, a phone that freezes pages, the browser's memory of them. */
import type { Session } from "../session/session.ts";

const SLEEP = ["freeze", "pagehide"];
const WAKE = ["resume", "pageshow", "focus"];

export function wakeWithThePage(session: Session): () => void {
  // Timers sleep too, so whoever comes back should not have to wait for them.
  const wake = (): void => session.wake();
  // The last moment in which a page can send for sure; `beforeunload` is not told of all that follows.
  const sleep = (): void => session.flush();
  const turn = (): void => (document.visibilityState === "visible" ? wake() : sleep());

  const acts: readonly [string, () => void][] = [
    ["visibilitychange", turn],
    ...SLEEP.map((name): [string, () => void] => [name, sleep]),
    ...WAKE.map((name): [string, () => void] => [name, wake]),
  ];
  // Capturing, as not all that is told to the document bubbles up to the window.
  for (const [name, act] of acts) window.addEventListener(name, act, true);
  return () => {
    for (const [name, act] of acts) window.removeEventListener(name, act, true);
  };
}
