import type { Device } from "../../runtime_api";
import { bytes } from "./amounts";
import { Bar } from "./Meters";

interface Props {
  readonly devices: readonly Device[];
  readonly waiting: number;
}

/** The GPUs there are, and who holds them: everyone may see (kernels.md G3). */
export function Devices({ devices, waiting }: Props) {
  return (
    <div className="devices">
      <ul>
        {devices.map(({ uuid, name, memory_total_bytes, free_fraction, held }) => (
          <li key={uuid}>
            <p className="device-name">
              <span>{name}</span>
              <span>{memory_total_bytes === null ? "" : bytes(memory_total_bytes)}</span>
            </p>
            <Bar part={free_fraction === null ? null : 1 - free_fraction} warns={false} />
            <p className="hint">{holders(held)}</p>
          </li>
        ))}
      </ul>
      {waiting > 0 && (
        <p className="hint">
          {waiting} {waiting === 1 ? "notebook waits" : "notebooks wait"} in line.
        </p>
      )}
    </div>
  );
}

function holders(held: Device["held"]): string {
  if (held.length === 0) return "Free";
  return held
    .map(({ fraction, memory_bytes, here, title }) => {
      const who = here ? "this notebook" : (title ?? "another notebook");
      const parts = [
        fraction === null ? "" : fraction >= 1 ? "all" : `${Math.round(fraction * 100)} %`,
        memory_bytes === null ? "" : bytes(memory_bytes),
      ].filter((part) => part !== "");
      return `${who}${parts.length === 0 ? "" : ` (${parts.join(", ")})`}`;
    })
    .join(" · ")
    .replace(/^./, (letter) => letter.toUpperCase());
}
