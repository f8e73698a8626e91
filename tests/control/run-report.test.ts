import { expect, test } from "vitest";
import { formatRunReport } from "../../host/control/run-report.js";

test("run report: one fact a line, reasons that never happened left out", () => {
  const lines = formatRunReport({
    instructions: 1_234_567_890n,
    elapsedMs: 4_000,
    exits: { budget: 12, idle: 0, ecall: 3 },
    translation: { regions: 40, modules: 3, byteLength: 5 * 1024 },
    boot: { elapsedMs: 2_345, instructions: 620_000_000n },
    stateHash: "abc123",
  });
  expect(lines).toEqual([
    "instructions  1234567890",
    "seconds       4.00",
    "MIPS          308.6",
    "exits         budget 12, ecall 3",
    "translated    40 regions in 3 modules, 5 KiB",
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
