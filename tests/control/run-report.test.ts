import { expect, test } from "vitest";
import { formatRunReport } from "../../host/control/run-report.js";

test("run report: one fact a line, reasons that never happened left out", () => {
  const lines = formatRunReport({
    instructions: 1_234_567_890n,
    elapsedMs: 4_000,
    exits: { budget: 12, idle: 0, ecall: 3 },
    translation: {
      regions: 40,
      modules: 3,
      byteLength: 5 * 1024,
      translateMs: 20,
      compileMs: 1_300,
      instructions: 617_283_945n,
      exits: { budget: 7, access: 6, step: 5, nested: 4, refused: 3, cold: 2 },
      invalidations: 9,
      restarts: 1,
    },
    boot: { elapsedMs: 2_345, instructions: 620_000_000n },
    stateHash: "abc123",
  });
  expect(lines).toEqual([
    "instructions  1234567890",
    "seconds       4.00",
    "MIPS          308.6",
    "exits         budget 12, ecall 3",
    "translated    50.0 % of the instructions",
    "regions       40 in 3 modules, 5 KiB",
    "compiling     0.02 s writing, 1.30 s in the engine",
    "regions left  budget 7, access 6, step 5, nested 4, refused 3, cold 2",
    "invalidated   9 regions, everything 1 times",
    "boot          2.35 s, 620000000 instructions",
    "state hash    abc123",
  ]);
});

test("run report: a run that ended at once divides by nothing", () => {
  expect(formatRunReport({ instructions: 0n, elapsedMs: 0, exits: {} })).toEqual([
    "instructions  0",
    "seconds       0.00",
    "MIPS          0.0",
    "exits         none",
    "boot          not reached",
  ]);
});
