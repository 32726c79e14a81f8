/** Samples come from outside: what is missing or odd is null, and never 0. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseSample, parseUsage } from "./usage.ts";

const KERNEL = {
  at: "2026-11-24T10:00:00.250000Z",
  cpu_percent: 130.5,
  memory_bytes: 1024,
  processes: 3,
  disk_bytes: 0,
  gpus: [{ uuid: "GPU-1", memory_bytes: 5, utilisation: null }],
  cell: "c1",
};

describe("usage", () => {
  test("as the server writes it", () => {
    const machine = {
      cpu_percent: 40,
      cpu_count: 2,
      memory_bytes: 1,
      memory_total_bytes: 2,
      disk_bytes: 3,
      disk_total_bytes: 4,
      gpus: [{ uuid: "GPU-1", name: "H100", memory_bytes: 5, memory_total_bytes: 6, utilisation: 7 }],
    };
    const limits = { memory_bytes: 8, cpus: 0.5, processes: null, disk_bytes: 9 };
    const gpus = [{ uuid: "GPU-1", name: "H100", fraction: 0.25, memory_bytes: null }];
    expect(parseUsage({ type: "runtime_usage", kernel: KERNEL, limits, gpus, machine })).toEqual({
      kernel: {
        at: Date.UTC(2026, 10, 24, 10, 0, 0, 250),
        cpuPercent: 130.5,
        memoryBytes: 1024,
        processes: 3,
        diskBytes: 0,
        gpus: [{ uuid: "GPU-1", memoryBytes: 5, utilisation: null }],
        cell: "c1",
      },
      limits: { memoryBytes: 8, cpus: 0.5, processes: null, diskBytes: 9 },
      gpus: [{ uuid: "GPU-1", name: "H100", fraction: 0.25, memoryBytes: null }],
      machine: {
        cpuPercent: 40,
        cpuCount: 2,
        memoryBytes: 1,
        memoryTotalBytes: 2,
        diskBytes: 3,
        diskTotalBytes: 4,
        gpus: [{ uuid: "GPU-1", name: "H100", memoryBytes: 5, memoryTotalBytes: 6, utilisation: 7 }],
      },
    });
  });

  test("of a server that measures nothing", () => {
    const nothing = { memoryBytes: null, cpus: null, processes: null, diskBytes: null };
    const empty = { kernel: null, limits: nothing, gpus: [], machine: null };
    expect(parseUsage({})).toEqual(empty);
    expect(parseUsage({ kernel: null, limits: null, gpus: null, machine: null })).toEqual(empty);
  });

  test.each([null, 3, [], {}, { at: "yesterday" }, { at: 5 }])("%j is no sample", (value) => {
    expect(parseSample(value)).toBeNull();
  });

  test("whatever is in it, amounts are numbers from 0 on or null", () => {
    const odd = fc.oneof(fc.constantFrom(-1, "5", true, null, {}), fc.double(), fc.jsonValue());
    fc.assert(
      fc.property(
        fc.record({ cpu_percent: odd, memory_bytes: odd, processes: odd, gpus: odd, cell: odd }),
        (fields) => {
          const sample = parseSample({ ...fields, at: KERNEL.at });
          for (const amount of [sample?.cpuPercent, sample?.memoryBytes, sample?.processes])
            expect(amount === null || (typeof amount === "number" && amount >= 0 && Number.isFinite(amount))).toBe(
              true,
            );
          expect(Array.isArray(sample?.gpus)).toBe(true);
        },
      ),
    );
  });
});
