/** A relay whose code comes with the first frame: the page shows a notebook without it. */
import type { Relay } from "./relay";

/** `types` are the messages that the relay will take. */
export function lazyRelay(types: readonly string[], load: () => Promise<Relay>): Relay {
  let relay: Promise<Relay> | null = null;
  const act = (what: (relay: Relay) => void): void => {
    relay ??= load();
    void relay.then(what);
  };
  return {
    take(message, frame) {
      if (!types.includes(message.t)) return false;
      act((loaded) => loaded.take(message, frame));
      return true;
    },
    started: (frame) => act((loaded) => loaded.started?.(frame)),
    ended: (frame) => act((loaded) => loaded.ended?.(frame)),
  };
}
