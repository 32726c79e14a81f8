import { useMemo } from "react";
import { type History, linesOf, type Measure, type Stretch } from "./history";

/** Points across: about one a pixel of the pane. */
const COLUMNS = 320;
const HEIGHT = 100;
/** Above the top, so that a line there is seen whole. */
const HEAD = 4;

interface Props {
  readonly history: History;
  readonly measure: Measure;
  readonly now: number;
  /** How far back it goes, in ms. */
  readonly span: number;
  readonly top: number;
  /** Drawn when it is within sight. */
  readonly limit: number | null;
  readonly stretches: readonly Stretch[];
  /** Where somebody looks, in ms; null: now. */
  readonly cursor: number | null;
}

/** One number over time as a line over a soft area, with the times at which cells ran behind it. Only for the eye: the
 * slider under the charts tells each moment in words. */
export function Chart({ history, measure, now, span, top, limit, stretches, cursor }: Props) {
  const lines = useMemo(() => linesOf(history, measure, { now, span }, COLUMNS), [history, measure, now, span]);
  const x = (at: number): number => Math.max(0, Math.min(COLUMNS, (1 - (now - at) / span) * COLUMNS));
  const y = (value: number): number => HEIGHT - (Math.min(value, top) / top) * (HEIGHT - HEAD);
  return (
    <svg className="chart" viewBox={`0 0 ${COLUMNS} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      {stretches.map(({ cell, from, to }) => (
        <rect
          key={`${cell} ${from}`}
          className="chart-run"
          x={x(from)}
          width={Math.max(1, x(to) - x(from))}
          y={0}
          height={HEIGHT}
        />
      ))}
      {lines.map((line) => {
        const path = line.map((point) => `${round(point.x * COLUMNS)} ${round(y(point.value))}`).join("L");
        const [first, last] = [line[0], line.at(-1)];
        if (first === undefined || last === undefined) return null;
        return (
          <g key={first.x}>
            <path
              className="chart-area"
              d={`M${round(first.x * COLUMNS)} ${HEIGHT}L${path}L${round(last.x * COLUMNS)} ${HEIGHT}Z`}
            />
            {/* A single sample is a dot: a line of no length with round ends. */}
            <path className="chart-line" d={line.length === 1 ? `M${path}h0.01` : `M${path}`} />
          </g>
        );
      })}
      {limit !== null && limit <= top && <path className="chart-limit" d={`M0 ${y(limit)}H${COLUMNS}`} />}
      {cursor !== null && <path className="chart-cursor" d={`M${x(cursor)} 0V${HEIGHT}`} />}
    </svg>
  );
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
