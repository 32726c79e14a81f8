import { useEffect, useState } from "react";
import { useStore } from "zustand";
import { getRuntime, type RuntimeInfo } from "../../runtime_api";
import type { Session } from "../../session/session";
import { Devices } from "./Devices";

const AGAIN_MS = 10_000;

/** The machine's GPUs and who holds them, asked for while somebody looks. */
export function Held({ session }: { readonly session: Session }) {
  const [gpus, setGpus] = useState<RuntimeInfo["gpus"]>(null);
  const { place, session: process } = useStore(session.store, (state) => state.runtime);

  // biome-ignore lint/correctness/useExhaustiveDependencies: who holds what is likely to be another then.
  useEffect(() => {
    let gone = false;
    const ask = (): void => {
      if (document.hidden) return;
      getRuntime(session.id)
        .then((info) => {
          if (!gone) setGpus(info.gpus);
        })
        .catch(() => {}); // what was known stands until the next time
    };
    ask();
    const timer = setInterval(ask, AGAIN_MS);
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [session, place, process]);

  if (gpus === null || gpus.devices.length === 0) return null;
  return (
    <section className="pane-part">
      <h3>GPUs</h3>
      <Devices devices={gpus.devices} waiting={gpus.waiting} />
    </section>
  );
}
