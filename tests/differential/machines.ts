import type { WasmModule } from "../../host/core/wasm.js";
import { differences, type Observation } from "./compare.js";
import { areResultsEqual, buildImage, type Result, readResult } from "./image.js";
import type { Program } from "./program.js";
import { type Qemu, runInQemu } from "./qemu.js";
import { ENGINES, type Engine, runInVivarium } from "./vivarium.js";

/** The two that are compared. */
export interface Machines {
  readonly qemu: Qemu;
  readonly core: WasmModule;
}

/** A program that ended differently. */
export interface Mismatch {
  readonly program: Program;
  /** Interpreted or translated. */
  readonly engine: Engine;
  readonly ours: Result;
  readonly theirs: Result;
  readonly differences: readonly Observation[];
}

/** Far more than an image of MAX_PROGRAMS takes, even when many of them run into the monitor's timer. */
const TIMEOUT_MS = 300_000;

/**
 * Runs programs, one image full of them at most, in both machines at once, and in ours once in each way. What is
 * different in both of ours is told once.
 */
export async function compareRuns(machines: Machines, programs: readonly Program[]): Promise<Mismatch[]> {
  const image = buildImage(programs);
  const theirRun = runInQemu(machines.qemu, image, TIMEOUT_MS);
  const ourRun = async () => {
    const rams: [Engine, Uint8Array][] = [];
    for (const engine of ENGINES) rams.push([engine, (await runInVivarium(machines.core, image, engine)).slice()]);
    return rams;
  };
  const [ourRams, theirRam] = await Promise.all([ourRun(), theirRun]);
  return programs.flatMap((program, n) => {
    for (const [engine, ourRam] of ourRams) {
      if (areResultsEqual(ourRam, theirRam, n)) continue;
      const ours = readResult(ourRam, n);
      const theirs = readResult(theirRam, n);
      const found = differences(program, ours, theirs);
      if (found.length > 0) return [{ program, engine, ours, theirs, differences: found }];
    }
    return [];
  });
}
