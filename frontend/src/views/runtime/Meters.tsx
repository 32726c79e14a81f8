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

export function Bar({ part }: { readonly part: number | null }) {
  return (
    <span
      className="meter-bar"
      data-full={part !== null && part >= NEARLY_FULL ? "" : undefined}
      style={{ "--part": part ?? 0 }}
    />
  );
}
