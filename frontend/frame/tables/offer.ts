/** A button below a DataFrame that the kernel still knows: it brings the table that is sorted, searched and paged. */

import type { DrawContext, Drawn } from "../draw";

export function offerTable(parent: HTMLElement, metadata: Map<string, unknown>, context: DrawContext): Drawn | null {
  const ours = metadata.get("collab");
  const key: unknown = typeof ours === "object" && ours !== null ? Reflect.get(ours, "table") : null;
  if (!context.isLive || typeof key !== "string") return null;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "save table-offer";
  button.textContent = "Interactive table";
  let drawn: Drawn | null = null;
  button.addEventListener("click", () => {
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    import("./open").then(async ({ openTable }) => {
      drawn = await openTable(parent, key, button, context);
    });
  });
  parent.append(button);
  return { destroy: () => drawn?.destroy() };
}
