import { useEffect, useState } from "react";
import { useStore } from "zustand";
import { announcements } from "./announcements.ts";

/** Where screen readers hear of things: the page has these, and so has every modal dialog, as it makes the page's inert. */
export function LiveRegions() {
  const messages = useStore(announcements, (state) => state.messages);
  const run = useStore(announcements, (state) => state.run);
  // Only what comes into a region that stands there is read.
  const [since, setSince] = useState<number | null>(null);
  useEffect(() => setSince(announcements.getState().messages.at(-1)?.key ?? 0), []);
  const [runBefore] = useState(run);
  const fresh = since === null ? [] : messages.filter(({ key }) => key > since);
  return (
    <>
      <div role="status" aria-live="polite" className="only-heard" data-live="polite">
        {fresh.filter(({ urgent }) => !urgent).at(-1)?.text ?? ""}
      </div>
      <div role="alert" aria-live="assertive" className="only-heard">
        {fresh.filter(({ urgent }) => urgent).at(-1)?.text ?? ""}
      </div>
      <div role="log" aria-live="polite" className="only-heard" data-live="runs">
        {run === runBefore ? "" : run}
      </div>
    </>
  );
}
