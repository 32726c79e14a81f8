import { ICONS, type IconName } from "./icons.ts";

/** Decoration only: whatever it stands for is also said in words. */
export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg viewBox="0 0 24 24" className={`icon icon-${name}`} aria-hidden="true">
      <path d={ICONS[name]} />
    </svg>
  );
}
