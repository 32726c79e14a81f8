/** What the page says: short messages that show for a while and go to the live regions. */

import { createStore } from "zustand/vanilla";

export interface Message {
  readonly key: number;
  readonly text: string;
  readonly urgent: boolean;
  /** Something on the page shows it already: only the live region says it. */
  readonly heard: boolean;
}

interface Announcements {
  readonly messages: readonly Message[];
  /** The last word about a run: for a region of its own, so that it takes no other sentence away. */
  readonly run: string;
}

export const announcements = createStore<Announcements>(() => ({ messages: [], run: "" }));

const SHOWN_MS = 6000;
const MOST = 4;
let last = 0;

/** A sentence for the polite region. */
export function say(text: string): void {
  add(text, false, false);
}

/** A sentence about something that went wrong, for the assertive region. Stays twice as long. */
export function alarm(text: string): void {
  add(text, true, false);
}

/** For the assertive region alone: what it tells stands on the page. */
export function warn(text: string): void {
  add(text, true, true);
}

/** The same for the polite region. */
export function mention(text: string): void {
  add(text, false, true);
}

/** How a run ended, or that it waits: the cell shows it. */
export function mentionRun(text: string): void {
  announcements.setState({ run: text });
}

export function dismiss(key: number): void {
  announcements.setState(({ messages }) => ({ messages: messages.filter((message) => message.key !== key) }));
}

function add(text: string, urgent: boolean, heard: boolean): void {
  last += 1;
  const message = { key: last, text, urgent, heard };
  announcements.setState(({ messages }) => ({
    messages: [...messages.filter((other) => other.text !== text), message].slice(-MOST),
  }));
  setTimeout(() => dismiss(message.key), urgent ? SHOWN_MS * 2 : SHOWN_MS);
}
