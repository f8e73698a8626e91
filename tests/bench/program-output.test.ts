import { describe, expect, test } from "vitest";
import { ProgramOutput } from "../../bench/large/program-output.js";

/** What a guest printed, each line a second after the one before. */
function read(...lines: readonly string[]): ProgramOutput {
  const output = new ProgramOutput();
  lines.forEach((line, index) => {
    output.line(line, index * 1000);
  });
  return output;
}

const MATMUL = [
  "bench begin matmul",
  "bench go",
  "bench name=matmul seconds=0.990000",
  "bench name=matmul work=67108864 unit=flop check=ok",
  "bench end matmul 0",
];

describe("program output", () => {
  test("a program's time is that between its two lines by the host's clock, its own beside it", () => {
    const { results, failures } = read("[    0.1] Linux says something", ...MATMUL, "reboot: Power down");
    expect(failures).toEqual([]);
    expect(results).toEqual([
      { name: "matmul", work: 67108864, unit: "flop", sample: { seconds: 1, guestSeconds: 0.99 } },
    ]);
  });

  test("a wrong result is a failure, whatever the exit status", () => {
    const { results, failures } = read(...MATMUL.map((line) => line.replace("check=ok", "check=failed")));
    expect(results).toEqual([]);
    expect(failures).toEqual(["matmul ended with status 0, its result wrong or missing"]);
  });

  test("a program that died is a failure, also after a right result", () => {
    const { results, failures } = read(...MATMUL.map((line) => line.replace("matmul 0", "matmul 139")));
    expect(results).toEqual([]);
    expect(failures).toEqual(["matmul ended with status 139, its result right"]);
  });

  test("a program that could not be started is a failure, and the next one is read", () => {
    const { results, failures } = read("bench begin nbody", "not found", "bench end nbody 127", ...MATMUL);
    expect(failures).toEqual(["nbody ended with status 127, its result wrong or missing"]);
    expect(results.map(({ name }) => name)).toEqual(["matmul"]);
  });

  test("a line in another program's name counts for nothing", () => {
    const { results } = read("bench begin nbody", ...MATMUL.slice(1, 4), "bench end nbody 0");
    expect(results).toEqual([]);
  });

  test("CoreMark's time is its own, for a thousand iterations", () => {
    const { results } = read(
      "bench begin coremark",
      "Total time (secs): 12.500000",
      "Iterations       : 10000",
      "Correct operation validated. See README.md for run and reporting rules.",
      "bench end coremark 0",
    );
    expect(results).toEqual([
      { name: "coremark", work: 1000, unit: "iterations", sample: { seconds: 1.25, guestSeconds: 1.25 } },
    ]);
  });

  test("a CoreMark whose checksums were wrong is a failure", () => {
    const lines = ["Total time (secs): 12.5", "Iterations       : 10000", "Errors detected"];
    const { failures } = read("bench begin coremark", ...lines, "bench end coremark 0");
    expect(failures).toHaveLength(1);
  });
});
