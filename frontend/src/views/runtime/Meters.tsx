import { type Meter, NEARLY_FULL } from "./amounts";

interface Props {
  readonly meters: readonly Meter[];
}

/** The thin bars of the chip. Only for the eye: the numbers are in its tooltip and description, and its name is its state,
 * so their labels are drawn by the style sheet. */
export function Meters({ meters }: Props) {
  return (
    <span className="meters" aria-hidden="true">
      {meters.map(({ key, label, part }) => (
        <span key={key} className="meter">
          <span className="meter-label" data-label={label} />
          <Bar part={part} />
        </span>
      ))}
    </span>
  );
}

interface BarProps {
  readonly part: number | null;
  /** Whether it says that it is nearly full; what is given away may be all of it. */
  readonly warns?: boolean;
}

export function Bar({ part, warns = true }: BarProps) {
  return (
    <span
      className="meter-bar"
      data-full={warns && part !== null && part >= NEARLY_FULL ? "" : undefined}
      style={{ "--part": part ?? 0 }}
    />
  );
}
