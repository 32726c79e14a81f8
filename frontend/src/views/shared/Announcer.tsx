import { useEffect, useRef } from "react";
import { useStore } from "zustand";
import { announcements, dismiss } from "./announcements.ts";
import { Icon } from "./Icon.tsx";
import { LiveRegions } from "./LiveRegions.tsx";

/** The live regions, always in the page, and the same messages for the eye. */
export function Announcer() {
  const messages = useStore(announcements, (state) => state.messages);
  const shown = messages.filter((message) => !message.heard);
  const newest = shown.at(-1)?.key;
  const toasts = useRef<HTMLDivElement>(null);

  // Last into the top layer is uppermost there: a message must not lie under the dialog that caused it.
  useEffect(() => {
    const box = toasts.current;
    if (box === null) return;
    if (box.matches(":popover-open")) box.hidePopover();
    if (newest !== undefined) box.showPopover();
  }, [newest]);

  return (
    <>
      <LiveRegions />
      <div ref={toasts} popover="manual" className="toasts">
        {shown.map(({ key, text, urgent: bad }) => (
          <div key={key} className={bad ? "toast toast-bad" : "toast"}>
            <Icon name={bad ? "warning" : "info"} />
            <span aria-hidden="true">{text}</span>
            <button type="button" className="icon-button" aria-label="Dismiss message" onClick={() => dismiss(key)}>
              <Icon name="close" />
            </button>
          </div>
        ))}
      </div>
    </>
  );
}
