import { initials } from "../cells/gutter.ts";

interface Props {
  readonly name: string;
  readonly color: string;
  readonly dimmed?: boolean;
}

export function Avatar({ name, color, dimmed = false }: Props) {
  return (
    <span className={dimmed ? "avatar avatar-dimmed" : "avatar"} style={{ "--person": color }} aria-hidden="true">
      {initials(name)}
    </span>
  );
}
