import { describe, expect, test } from "vitest";
import { parseUsage } from "../../session/usage.ts";
import { bytes, cpuWords, metersOf, meterWords, share } from "./amounts.ts";

const GIB = 1024 ** 3;

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1023, "1.00 KiB"],
  [1536, "1.50 KiB"],
  [120 * 1024 ** 2, "120 MiB"],
  [1023.9 * 1024 ** 2, "1.00 GiB"],
  [9.996 * GIB, "10.0 GiB"],
  [79.6 * GIB, "79.6 GiB"],
  [3 * 1024 ** 6, "3072 PiB"],
])("%d bytes are %s", (amount, words) => {
  expect(bytes(amount)).toBe(words);
});

test("a share names the unit once where it is one", () => {
  expect(share(1.25 * GIB, 4 * GIB)).toBe("1.25 of 4.00 GiB");
  expect(share(300 * 1024 ** 2, 4 * GIB)).toBe("300 MiB of 4.00 GiB");
});

test("CPU time counts whole CPUs", () => {
  expect([cpuWords(130.4, 2), cpuWords(7, 1), cpuWords(7, null)]).toEqual([
    "130\u00a0% of 2 CPUs",
    "7\u00a0% of 1 CPU",
    "7\u00a0%",
  ]);
});

describe("meters", () => {
  const measured = (rest: object) =>
    parseUsage({
      kernel: {
        at: "2026-11-24T10:00:00Z",
        memory_bytes: GIB,
        disk_bytes: 0,
        gpus: [{ uuid: "a", memory_bytes: 2 * GIB }],
      },
      ...rest,
    });

  test("are bounded by the runtime's limits, else by the machine, and say which", () => {
    const usage = measured({
      limits: { memory_bytes: 4 * GIB, disk_bytes: null },
      machine: {
        memory_total_bytes: 16 * GIB,
        disk_total_bytes: 100 * GIB,
        gpus: [{ uuid: "a", name: "H100", memory_total_bytes: 80 * GIB }],
      },
      gpus: [{ uuid: "a", name: "H100", fraction: 0.5, memory_bytes: null }],
    });
    expect(metersOf(usage).map(meterWords)).toEqual([
      "RAM: 1.00 of 4.00 GiB (25\u00a0%)",
      "Disk: 0 B of 100 GiB (0\u00a0% of the machine’s)",
      "GPU H100: 2.00 of 80.0 GiB (3\u00a0% of the machine’s)",
    ]);
  });

  test("without a bound are a number alone, and a GPU held but not used counts as 0", () => {
    const usage = measured({ gpus: [{ uuid: "b", name: "L4" }] });
    expect(metersOf(usage).map(({ part, words }) => ({ part, words }))).toEqual([
      { part: null, words: "1.00 GiB" },
      { part: null, words: "0 B" },
      { part: null, words: "0 B" },
    ]);
  });

  test("are full at their bound and never more, and absent where nothing is measured", () => {
    expect(metersOf(measured({ limits: { memory_bytes: 10 } }))[0]?.part).toBe(1);
    expect(metersOf(measured({ limits: { memory_bytes: 0 } }))[0]?.part).toBeNull();
    expect(metersOf(parseUsage({}))).toEqual([]);
    expect(metersOf(parseUsage({ kernel: { at: "2026-11-24T10:00:00Z" } }))).toEqual([]);
  });
});
