/** Tabs of one browser tell each other that somebody signed in or out. */

export type Tidings = "in" | "out";

const NAME = "collab.session";

export function tellTabs(tidings: Tidings): void {
  if (typeof BroadcastChannel === "undefined") return;
  const channel = new BroadcastChannel(NAME);
  channel.postMessage(tidings);
  channel.close();
}

export function hearTabs(hear: (tidings: Tidings) => void): () => void {
  if (typeof BroadcastChannel === "undefined") return () => {};
  const channel = new BroadcastChannel(NAME);
  channel.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
    if (data === "in" || data === "out") hear(data);
  });
  return () => channel.close();
}
