/** Bytes, percents and shares in words, and the meters that are made of them. Pure. */

import type { RuntimeUsage } from "../../session/usage.ts";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** "0 B", "812 MiB", "1.25 GiB": three digits at most. */
export function bytes(amount: number): string {
  let value = amount;
  let unit = 0;
  // 1023.7 MiB would read as "1024 MiB".
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** "1.25 of 4.00 GiB", or with both units where they differ. */
export function share(used: number, total: number): string {
  const [amount = "", unit] = bytes(used).split(" ");
  const whole = bytes(total);
  return whole.endsWith(` ${unit}`) ? `${amount} of ${whole}` : `${bytes(used)} of ${whole}`;
}

/** "130 % of 2 CPUs", where 100 % is one of them. */
export function cpuWords(percent: number, cpus: number | null): string {
  return `${Math.round(percent)}\u00a0%${cpus === null ? "" : ` of ${cpus} ${cpus === 1 ? "CPU" : "CPUs"}`}`;
}

export interface Meter {
  readonly key: string;
  /** Short enough for the chip. */
  readonly label: string;
  /** Of a device; empty for the rest. */
  readonly name: string;
  /** 0 to 1; null where nothing says how much there is. */
  readonly part: number | null;
  /** The exact numbers. */
  readonly words: string;
  /** Whether the bound is the runtime's own limit; else it is all that the machine has. */
  readonly limited: boolean;
}

/** From here on a bar says that it is nearly full (kernels.md M5). */
export const NEARLY_FULL = 0.8;

/** RAM, disk, then each GPU that the runtime holds. What is not measured is left out. */
export function metersOf({ kernel, limits, machine, gpus }: RuntimeUsage): readonly Meter[] {
  if (kernel === null) return [];
  return [
    meter("memory", "RAM", "", kernel.memoryBytes, limits.memoryBytes, machine?.memoryTotalBytes ?? null),
    meter("disk", "Disk", "", kernel.diskBytes, limits.diskBytes, machine?.diskTotalBytes ?? null),
    ...gpus.map(({ uuid, name, memoryBytes }) => {
      const device = machine?.gpus.find((each) => each.uuid === uuid);
      const used = kernel.gpus.find((each) => each.uuid === uuid)?.memoryBytes ?? 0;
      return meter(`gpu ${uuid}`, "GPU", name, used, memoryBytes, device?.memoryTotalBytes ?? null);
    }),
  ].filter((each) => each !== null);
}

function meter(
  key: string,
  label: string,
  name: string,
  used: number | null,
  limit: number | null,
  all: number | null,
): Meter | null {
  if (used === null) return null;
  const total = (limit ?? all) || null;
  return {
    key,
    label,
    name,
    part: total === null ? null : Math.min(1, used / total),
    words: total === null ? bytes(used) : share(used, total),
    limited: limit !== null,
  };
}

/** "RAM 1.25 of 4.00 GiB (31 %)". */
export function meterWords({ label, name, words, part, limited }: Meter): string {
  const whose = part === null || limited ? "" : " of the machine’s";
  const percent = part === null ? "" : ` (${Math.round(part * 100)}\u00a0%${whose})`;
  return `${label}${name === "" ? "" : ` ${name}`}: ${words}${percent}`;
}
