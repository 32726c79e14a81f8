import { initials } from "../cells/gutter.ts";

interface Props {
  readonly name: string;
  readonly color: string;
  readonly dimmed?: boolean;
}

export function Avatar({ name, color, dimmed = false }: Props) {
  return (
    // Drawn by the style sheet: letters would count as a label that differs from the button's name.
    <span
      className={dimmed ? "avatar avatar-dimmed" : "avatar"}
      style={{ "--person": color }}
      data-initials={initials(name)}
      aria-hidden="true"
    />
  );
}
