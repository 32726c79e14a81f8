import { type PointerEvent, useEffect, useState } from "react";
import type { Session } from "../../session/session";
import type { KernelUsage, RuntimeUsage } from "../../session/usage";
import { ago, clock } from "../shared/time";
import { bytes, cpuWords } from "./amounts";
import { Chart } from "./Chart";
import { type History, type Measure, peak, sampleAt, spanOf, stretchesOf, topOf } from "./history";
import { placeOf } from "./place";

const STEP_S = 10;
const TICK_MS = 5000;

interface Row {
  readonly key: string;
  readonly title: string;
  readonly measure: Measure;
  readonly words: (value: number) => string;
  /** The same for the top of the chart. */
  readonly scale: (value: number) => string;
  readonly limit: number | null;
  readonly base: 1024 | 10;
}

const percent = (value: number): string => `${Math.round(value)}\u00a0%`;

const memory: Measure = (sample) => sample.memoryBytes;
const cpu: Measure = (sample) => sample.cpuPercent;
const disk: Measure = (sample) => sample.diskBytes;
/** One function a device: charts are drawn anew only when theirs changes. */
const ofGpu = new Map<string, { readonly memory: Measure; readonly use: Measure }>();

function gpuMeasures(uuid: string): { readonly memory: Measure; readonly use: Measure } {
  const known = ofGpu.get(uuid);
  if (known !== undefined) return known;
  const find = (sample: KernelUsage) => sample.gpus.find((gpu) => gpu.uuid === uuid);
  const made = {
    memory: (sample: KernelUsage) => find(sample)?.memoryBytes ?? null,
    use: (sample: KernelUsage) => find(sample)?.utilisation ?? null,
  };
  ofGpu.set(uuid, made);
  return made;
}

function rowsOf(usage: RuntimeUsage | null, history: History): readonly Row[] {
  const { limits, machine, gpus } = usage ?? { limits: null, machine: null, gpus: [] };
  const cpus = limits?.cpus ?? machine?.cpuCount ?? null;
  const rows: Row[] = [
    {
      key: "memory",
      title: "RAM",
      measure: memory,
      words: bytes,
      scale: bytes,
      limit: limits?.memoryBytes ?? machine?.memoryTotalBytes ?? null,
      base: 1024,
    },
    {
      key: "cpu",
      title: "CPU",
      measure: cpu,
      words: (value) => cpuWords(value, cpus),
      scale: percent,
      limit: cpus === null ? null : cpus * 100,
      base: 10,
    },
    {
      key: "disk",
      title: "Disk",
      measure: disk,
      words: bytes,
      scale: bytes,
      limit: limits?.diskBytes ?? machine?.diskTotalBytes ?? null,
      base: 1024,
    },
  ];
  for (const [at, gpu] of gpus.entries()) {
    const title = gpus.length === 1 ? "GPU" : `GPU ${at + 1}`;
    const device = machine?.gpus.find(({ uuid }) => uuid === gpu.uuid);
    const measures = gpuMeasures(gpu.uuid);
    rows.push(
      {
        key: `${gpu.uuid} memory`,
        title: `${title} memory`,
        measure: measures.memory,
        words: bytes,
        scale: bytes,
        limit: gpu.memoryBytes ?? device?.memoryTotalBytes ?? null,
        base: 1024,
      },
      {
        key: `${gpu.uuid} use`,
        title: `${title} use`,
        measure: measures.use,
        words: percent,
        scale: percent,
        limit: 100,
        base: 10,
      },
    );
  }
  return rows.filter(({ measure }) => history.some((sample) => measure(sample) !== null));
}

interface Props {
  readonly session: Session;
  readonly history: History;
  readonly usage: RuntimeUsage | null;
}

/** One chart a resource, all of the same time, and one slider to look back in them. */
export function Charts({ session, history, usage }: Props) {
  // Seconds before now; 0 is now.
  const [back, setBack] = useState(0);
  const now = useNow(history.at(-1)?.at ?? 0);
  const rows = rowsOf(usage, history);
  const stretches = stretchesOf(history);
  const span = spanOf(history, now);
  const cursor = back === 0 ? null : now - back * 1000;
  const sample = cursor === null ? (usage?.kernel ?? null) : sampleAt(history, cursor);
  const words = momentWords(session, sample, rows, back);

  const look = (event: PointerEvent<HTMLElement>): void => {
    const chart = event.currentTarget.querySelector(".chart")?.getBoundingClientRect();
    if (chart === undefined || chart.width === 0) return;
    const part = (event.clientX - chart.left) / chart.width;
    setBack(Math.round((Math.max(0, Math.min(1, 1 - part)) * span) / 1000));
  };

  return (
    <section className="charts pane-part" aria-label="The last hour">
      <div onPointerMove={look} onPointerLeave={() => setBack(0)}>
        {rows.map(({ key, title, measure, words: tell, scale, limit, base }) => {
          const most = peak(history, measure);
          const top = topOf(most, limit, base);
          const value = sample === null ? null : measure(sample);
          return (
            <figure key={key}>
              <figcaption>
                <span>{title}</span>
                <strong>{value === null ? "–" : tell(value)}</strong>
                <span className="chart-top">{scale(top)}</span>
              </figcaption>
              <Chart
                history={history}
                measure={measure}
                now={now}
                span={span}
                top={top}
                limit={limit}
                stretches={stretches}
                cursor={cursor}
              />
            </figure>
          );
        })}
      </div>
      <input
        type="range"
        className="chart-time"
        aria-label="Look back"
        aria-valuetext={words}
        min={-span / 1000}
        max={0}
        step={STEP_S}
        value={-back}
        onChange={(event) => setBack(-Number(event.target.value))}
      />
      <p className="chart-axis">
        <span>{ago(now - span, now)}</span>
        <span>{back === 0 ? "" : `${clock(back * 1000)} ago`}</span>
        <span>now</span>
      </p>
    </section>
  );
}

/** "2 min ago: RAM 1.25 GiB, CPU 30 %, cell 3". */
function momentWords(session: Session, sample: KernelUsage | null, rows: readonly Row[], back: number): string {
  const when = back === 0 ? "Now" : ago(Date.now() - back * 1000, Date.now());
  if (sample === null) return `${when}: not measured`;
  const facts = rows.flatMap(({ title, measure, words }) => {
    const value = measure(sample);
    return value === null ? [] : [`${title} ${words(value)}`];
  });
  const at = sample.cell === null ? 0 : placeOf(session, sample.cell);
  return `${when}: ${[...facts, ...(at > 0 ? [`cell ${at}`] : [])].join(", ")}`;
}

/** The server's clock: that of the newest sample, and what has gone by here since it came. */
function useNow(newest: number): number {
  const [seen, setSeen] = useState({ newest, came: performance.now() });
  const [, redraw] = useState(0);
  if (seen.newest !== newest) setSeen({ newest, came: performance.now() });
  useEffect(() => {
    const timer = setInterval(() => redraw((n) => n + 1), TICK_MS);
    return () => clearInterval(timer);
  }, []);
  const since = performance.now() - seen.came;
  return newest + (since < TICK_MS ? 0 : since);
}
