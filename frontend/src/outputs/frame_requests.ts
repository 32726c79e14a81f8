/**
 * What an output asks of its reader, one bar above it at a time: to open a link, to save a file (outputs.md A9).
 * A file waits its turn, so that nothing takes the place of what a finger is about to press; a newer link replaces an
 * older one. At the bounds a request is dropped.
 */
import { safeFileName, safeLink } from "../../frame/protocol";
import { type Choice, noticeElement } from "./notice";

/** Files that wait behind the one in the bar, and what they may weigh together. */
export const MAX_WAITING_FILES = 8;
const MAX_WAITING_BYTES = 64 * 1024 * 1024;

export interface FrameRequests {
  openLink(url: string): void;
  saveFile(name: string, bytes: ArrayBuffer): void;
  /** Another question of the page about this output; takes the place of what is asked. */
  ask(text: string, choices: Choice[]): HTMLElement;
  /** Something the page can do for the output; stays beside whatever is asked. A later offer replaces it. */
  offer(text: string, choices: Choice[]): HTMLElement;
  /** Nothing is asked or offered any more. */
  clear(): void;
}

interface File {
  name: string;
  bytes: ArrayBuffer;
}

/** `who` is what the reader knows the output by: "Cell 3". */
export function createRequests(beside: HTMLElement, who: () => string): FrameRequests {
  let bar: HTMLElement | null = null;
  let offered: HTMLElement | null = null;
  let saving: File | null = null;
  let files: File[] = [];

  const show = (text: string, choices: Choice[]): HTMLElement => {
    bar?.remove();
    bar = noticeElement(text, choices);
    beside.before(bar);
    return bar;
  };

  const showNextFile = (): void => {
    const file = files.shift() ?? null;
    saving = file;
    if (file === null) return;
    const more = files.length === 0 ? "" : ` and ${files.length} more`;
    show(`${who()} wants to save ${file.name} (${sizeText(file.bytes.byteLength)})${more}.`, [
      {
        label: "Save",
        run: () => {
          saveBytes(file);
          showNextFile();
        },
      },
      {
        label: files.length === 0 ? "Cancel" : "Cancel all",
        run: () => {
          files = [];
          saving = null;
        },
      },
    ]);
  };

  return {
    openLink(text) {
      const url = safeLink(text);
      if (url === null || saving !== null) return;
      show(`${who()} wants to open ${url.protocol === "mailto:" ? url.href : url.host}.`, [
        { label: "Open", run: () => window.open(url.href, "_blank", "noopener,noreferrer") },
        { label: "Cancel", run: () => undefined },
      ]);
    },
    saveFile(name, bytes) {
      const waiting = files.reduce((sum, file) => sum + file.bytes.byteLength, 0);
      if (files.length >= MAX_WAITING_FILES || waiting + bytes.byteLength > MAX_WAITING_BYTES) return;
      files.push({ name: safeFileName(name), bytes });
      if (saving === null) showNextFile();
    },
    ask(text, choices) {
      saving = null;
      files = [];
      return show(text, choices);
    },
    offer(text, choices) {
      offered?.remove();
      offered = noticeElement(text, choices);
      beside.before(offered);
      return offered;
    },
    clear() {
      saving = null;
      files = [];
      bar?.remove();
      offered?.remove();
      bar = offered = null;
    },
  };
}

function sizeText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} bytes`;
  return bytes < 1_000_000 ? `${Math.round(bytes / 1_000)} KB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

function saveBytes({ name, bytes }: File): void {
  const url = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
