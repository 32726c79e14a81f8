/** The HTTP routes about a notebook's runtime (docs/runtime.md), apart from api.ts: only panes and dialogs need them. */

import { path, request } from "./api.ts";
import { type KernelUsage, parseBounds, parseSample, type RuntimeUsage } from "./session/usage.ts";

export interface KernelChoice {
  readonly name: string;
  readonly language: string;
  readonly title: string;
}

/** What the notebook is to run on from its next start; an empty text is the gateway's own default. */
export interface Chosen {
  readonly kernel: string;
  readonly gpus: string;
  readonly gpu_memory: string;
  readonly memory: string;
  readonly cpus: string;
  readonly venv: boolean;
}

export interface Device {
  readonly uuid: string;
  readonly name: string;
  readonly memory_total_bytes: number | null;
  /** 0 to 1. */
  readonly free_fraction: number | null;
  readonly held: readonly {
    readonly fraction: number | null;
    readonly memory_bytes: number | null;
    /** By this notebook. */
    readonly here: boolean;
    /** Null where this person may not know. */
    readonly title: string | null;
    readonly notebook: string | null;
  }[];
}

export interface RuntimeInfo {
  /** The default first. */
  readonly kernels: readonly KernelChoice[];
  readonly chosen: Chosen;
  readonly attached: string;
  readonly may_attach: boolean;
  /** Null where the server has no gateway that hands GPUs out. */
  readonly gpus: { readonly devices: readonly Device[]; readonly waiting: number } | null;
}

/** One run of the history. Times are ms since 1970. */
export interface Run {
  readonly id: number;
  readonly cell: string;
  readonly source: string;
  readonly shortened: boolean;
  readonly count: number | null;
  readonly kernel: string;
  readonly user: string;
  readonly user_id: string;
  readonly requested: number;
  readonly started: number;
  /** Null while it runs. */
  readonly finished: number | null;
  readonly state: "running" | "finished" | "failed";
  /** "ok", "error", "interrupted", "aborted" or a sentence. */
  readonly status: string;
}

export const getRuntime = (id: string): Promise<RuntimeInfo> => request("GET", path(id, "/runtime"));

/** The last hour, oldest sample first. */
export async function getUsage(
  id: string,
): Promise<Omit<RuntimeUsage, "kernel"> & { readonly samples: readonly KernelUsage[] }> {
  const { samples, ...bounds } = await request<{ samples: unknown[] }>("GET", path(id, "/runtime/usage"));
  return { samples: samples.map(parseSample).filter((sample) => sample !== null), ...parseBounds(bounds) };
}

/** Newest first; `before` is the id of the oldest one that is known. */
export function listRuns(
  id: string,
  choice: { readonly before?: number; readonly limit: number },
): Promise<{ readonly runs: readonly Run[]; readonly more: boolean }> {
  const query = new URLSearchParams({ limit: String(choice.limit) });
  if (choice.before !== undefined) query.set("before", String(choice.before));
  return request("GET", path(id, `/runs?${query}`));
}
