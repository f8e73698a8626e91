import type { Machine } from "../machine/machine.js";
import type { WorkerStats } from "./messages.js";

/** @param machine null for one that is off */
export function statsOf(machine: Machine | null): WorkerStats {
  if (machine === null) return OFF;
  const [balloon] = machine.balloons;
  if (balloon === undefined) return { ...machine.stats(), balloon: null };
  const { byteLength, targetByteLength, givenByteLength } = balloon;
  return { ...machine.stats(), balloon: { byteLength, targetByteLength, givenByteLength } };
}

const OFF: WorkerStats = {
  instructions: 0n,
  elapsedMs: 0,
  exits: { budget: 0, idle: 0, ecall: 0, stop: 0, stuck: 0 },
  translation: {
    regions: 0,
    modules: 0,
    byteLength: 0,
    translateMs: 0,
    compileMs: 0,
    instructions: 0n,
    exits: { budget: 0, access: 0, step: 0, nested: 0, refused: 0, cold: 0 },
    invalidations: 0,
    restarts: 0,
  },
  balloon: null,
};
