import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { formatReport, formatTable, type Report, ratioTo, significant, writeJson } from "../../bench/report.js";
import { median } from "../../bench/statistics.js";
import type { LargeFigure, Sample } from "../../bench/subject.js";

const sample = (seconds: number): Sample => ({ seconds, guestSeconds: seconds });

const BOOT: LargeFigure = {
  subject: "boot",
  work: "to the prompt",
  systems: [
    { system: "vivarium", samples: [3, 8, 5].map(sample) },
    { system: "qemu", samples: [2, 2, 2].map(sample) },
  ],
};

const REPORT: Report = {
  date: "2026-01-02T03:04:05.678Z",
  host: { processor: "Some CPU", processorCount: 2, memoryMiB: 1024, os: "Linux 6 x64", node: "20.0.0" },
  systems: [{ system: "qemu", version: "qemu-system-riscv64 7.2" }],
  small: [{ subject: "trap", operation: "ecall and mret", nsPerOperation: 76.54, marginPercent: 1.234 }],
  large: [BOOT, { subject: "spawn", work: "500 programs", systems: [{ system: "vivarium", samples: [sample(4)] }] }],
  unmeasured: [{ kind: "skipped", subject: "matmul", reason: "no compiler" }],
};

describe("statistics", () => {
  test("the median of an odd number of values is the middle one, of an even number the mean of two", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([10, 1, 9, 2])).toBe(5.5);
    expect(median([])).toBeNaN();
  });
});

describe("report", () => {
  test("a ratio compares the runs that were made side by side", () => {
    // 3/2, 8/2 and 5/2: the median of the ratios is not always the ratio of the medians.
    expect(ratioTo(BOOT, "qemu")).toBe(2.5);
    const drifting: LargeFigure = {
      ...BOOT,
      systems: [
        { system: "vivarium", samples: [1, 10, 100].map(sample) },
        { system: "qemu", samples: [1, 5, 200].map(sample) },
      ],
    };
    expect(ratioTo(drifting, "qemu")).toBe(1);
  });

  test("a ratio to a system without figures is none", () => {
    expect(ratioTo(BOOT, "rvvm")).toBeNaN();
  });

  test("figures have three significant digits, or none behind the point", () => {
    expect([0, 0.012345, 1.005, 12.345, 99.96, 123.4, 12345].map(significant)).toEqual([
      "0.00",
      "0.0123",
      "1.00",
      "12.3",
      "100",
      "123",
      "12345",
    ]);
    expect(significant(Number.NaN)).toBe("-");
  });

  test("a table's first two columns are flush left, the others flush right", () => {
    expect(
      formatTable([
        ["a", "work", "s"],
        ["boot", "x", "12.5"],
      ]),
    ).toBe("a     work     s\n----  ----  ----\nboot  x     12.5");
  });

  test("the text has both tables, and a line for what was not measured", () => {
    const lines = formatReport(REPORT).split("\n");
    expect(lines[0]).toBe("Some CPU, 2 processors, 1024 MiB; Linux 6 x64; Node 20.0.0");
    expect(lines).toContain("trap     ecall and mret     76.5      13.1   1.2");
    expect(lines).toContain("boot     to the prompt        5.00    2.00   2.50");
    expect(lines).toContain("spawn    500 programs         4.00       -      -");
    expect(lines).toContain("matmul: skipped: no compiler");
  });

  test("the JSON file has every sample beside medians and ratios", async () => {
    const directory = await mkdtemp(join(tmpdir(), "vivarium-test-"));
    try {
      const file = join(directory, "deep/er/report.json");
      await writeJson(REPORT, file);
      const read = JSON.parse(await readFile(file, "utf8"));
      expect(read.large[0].systems).toEqual([
        { system: "vivarium", medianSeconds: 5, ratio: 1, samples: BOOT.systems[0]!.samples },
        { system: "qemu", medianSeconds: 2, ratio: 2.5, samples: BOOT.systems[1]!.samples },
      ]);
      expect(read.small).toEqual(REPORT.small);
      expect(read.unmeasured).toEqual(REPORT.unmeasured);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
