/** One tooltip for the whole page: shows the `data-tip` of whatever is hovered or focused; Esc hides it (WCAG 1.4.13). */

import { element } from "./element.ts";

const DELAY_MS = 450;

export function mountTooltip(): () => void {
  const tip = element("div", { class: "tooltip", role: "tooltip", hidden: true });
  document.body.append(tip);
  let owner: Element | null = null;
  // Pressed: what it says is known, and the answer must not be covered.
  let pressed: Element | null = null;
  let timer = 0;
  // What is measured goes on while somebody looks.
  const changes = new MutationObserver(() => {
    tip.textContent = owner?.getAttribute("data-tip") ?? "";
  });

  const hide = (): void => {
    clearTimeout(timer);
    changes.disconnect();
    tip.hidden = true;
    owner = null;
  };

  const show = (target: Element): void => {
    const text = target.getAttribute("data-tip");
    if (text === null || text === "" || !target.isConnected) return;
    tip.textContent = text;
    tip.hidden = false;
    changes.observe(target, { attributeFilter: ["data-tip"] });
    const box = target.getBoundingClientRect();
    const own = tip.getBoundingClientRect();
    const below = box.bottom + 6 + own.height < window.innerHeight;
    const left = Math.max(4, Math.min(box.left + box.width / 2 - own.width / 2, window.innerWidth - own.width - 4));
    tip.style.left = `${left}px`;
    tip.style.top = `${below ? box.bottom + 6 : box.top - own.height - 6}px`;
  };

  const begin = (event: Event): void => {
    const target = event.target instanceof Element ? event.target.closest("[data-tip]") : null;
    if (target === owner) return;
    hide();
    if (target !== pressed) pressed = null;
    if (target === null || target === pressed) return;
    if (event.type === "focusin" && !target.matches(":focus-visible")) return;
    owner = target;
    timer = window.setTimeout(() => show(target), DELAY_MS);
  };

  // Moving onto the tip itself keeps it open.
  const end = (event: PointerEvent): void => {
    const to = event.relatedTarget;
    if (to instanceof Node && (tip.contains(to) || owner?.contains(to) === true)) return;
    hide();
  };
  const press = (event: PointerEvent): void => {
    hide();
    pressed = event.target instanceof Element ? event.target.closest("[data-tip]") : null;
  };
  // An output that scrolls by itself moves nothing else.
  const scrolled = (event: Event): void => {
    if (event.target instanceof Node && owner !== null && event.target.contains(owner)) hide();
  };
  const key = (event: KeyboardEvent): void => {
    if (event.key === "Escape") hide();
  };

  document.addEventListener("pointerover", begin);
  document.addEventListener("focusin", begin);
  document.addEventListener("pointerout", end);
  document.addEventListener("focusout", hide);
  document.addEventListener("pointerdown", press, true);
  document.addEventListener("keydown", key, true);
  document.addEventListener("scroll", scrolled, { capture: true, passive: true });
  return () => {
    hide();
    tip.remove();
    document.removeEventListener("pointerover", begin);
    document.removeEventListener("focusin", begin);
    document.removeEventListener("pointerout", end);
    document.removeEventListener("focusout", hide);
    document.removeEventListener("pointerdown", press, true);
    document.removeEventListener("keydown", key, true);
    document.removeEventListener("scroll", scrolled, { capture: true });
  };
}
