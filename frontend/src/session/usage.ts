/** What a runtime uses and may use (collab/usage.py), parsed where it comes in. Only gateways of ours measure: any of it
 * may be absent, and a number that is none is null, never 0. */

export interface GpuUsage {
  readonly uuid: string;
  readonly memoryBytes: number | null;
  /** Percent of the device's time. */
  readonly utilisation: number | null;
}

export interface KernelUsage {
  /** ms since 1970. */
  readonly at: number;
  /** 100 is one whole CPU. */
  readonly cpuPercent: number | null;
  readonly memoryBytes: number | null;
  readonly processes: number | null;
  readonly diskBytes: number | null;
  readonly gpus: readonly GpuUsage[];
  /** The cell that ran. */
  readonly cell: string | null;
}

/** Null: none but the machine's own. */
export interface Limits {
  readonly memoryBytes: number | null;
  readonly cpus: number | null;
  readonly processes: number | null;
  readonly diskBytes: number | null;
}

/** A GPU, or a share of one, that this runtime was given. */
export interface HeldGpu {
  readonly uuid: string;
  readonly name: string;
  readonly fraction: number | null;
  readonly memoryBytes: number | null;
}

export interface MachineGpu {
  readonly uuid: string;
  readonly name: string;
  readonly memoryBytes: number | null;
  readonly memoryTotalBytes: number | null;
  readonly utilisation: number | null;
}

export interface MachineUsage {
  /** 100 when every CPU is busy. */
  readonly cpuPercent: number | null;
  readonly cpuCount: number | null;
  readonly memoryBytes: number | null;
  readonly memoryTotalBytes: number | null;
  readonly diskBytes: number | null;
  readonly diskTotalBytes: number | null;
  readonly gpus: readonly MachineGpu[];
}

export interface RuntimeUsage {
  readonly kernel: KernelUsage | null;
  readonly limits: Limits;
  readonly gpus: readonly HeldGpu[];
  readonly machine: MachineUsage | null;
}

type Fields = Record<string, unknown>;

export function parseUsage(value: Fields): RuntimeUsage {
  return { kernel: parseSample(value["kernel"]), ...parseBounds(value) };
}

/** What it was given, and the machine it is on. */
export function parseBounds(value: Fields): Omit<RuntimeUsage, "kernel"> {
  return {
    limits: parseLimits(value["limits"]),
    gpus: objects(value["gpus"]).map((gpu) => ({
      uuid: text(gpu["uuid"]),
      name: text(gpu["name"]),
      fraction: amount(gpu["fraction"]),
      memoryBytes: amount(gpu["memory_bytes"]),
    })),
    machine: parseMachine(value["machine"]),
  };
}

/** Null for what is no sample. */
export function parseSample(value: unknown): KernelUsage | null {
  if (!isFields(value)) return null;
  const at = Date.parse(text(value["at"]));
  if (Number.isNaN(at)) return null;
  return {
    at,
    cpuPercent: amount(value["cpu_percent"]),
    memoryBytes: amount(value["memory_bytes"]),
    processes: amount(value["processes"]),
    diskBytes: amount(value["disk_bytes"]),
    gpus: objects(value["gpus"]).map((gpu) => ({
      uuid: text(gpu["uuid"]),
      memoryBytes: amount(gpu["memory_bytes"]),
      utilisation: amount(gpu["utilisation"]),
    })),
    cell: text(value["cell"]) || null,
  };
}

function parseLimits(value: unknown): Limits {
  const limits = isFields(value) ? value : {};
  return {
    memoryBytes: amount(limits["memory_bytes"]),
    cpus: amount(limits["cpus"]),
    processes: amount(limits["processes"]),
    diskBytes: amount(limits["disk_bytes"]),
  };
}

function parseMachine(value: unknown): MachineUsage | null {
  if (!isFields(value)) return null;
  return {
    cpuPercent: amount(value["cpu_percent"]),
    cpuCount: amount(value["cpu_count"]),
    memoryBytes: amount(value["memory_bytes"]),
    memoryTotalBytes: amount(value["memory_total_bytes"]),
    diskBytes: amount(value["disk_bytes"]),
    diskTotalBytes: amount(value["disk_total_bytes"]),
    gpus: objects(value["gpus"]).map((gpu) => ({
      uuid: text(gpu["uuid"]),
      name: text(gpu["name"]),
      memoryBytes: amount(gpu["memory_bytes"]),
      memoryTotalBytes: amount(gpu["memory_total_bytes"]),
      utilisation: amount(gpu["utilisation"]),
    })),
  };
}

/** A negative one is as good as none. */
function amount(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : null;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function objects(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.filter(isFields) : [];
}
