import type { WasmModule } from "../../host/core/wasm.js";
import { differences, type Observation } from "./compare.js";
import { areResultsEqual, buildImage, type Result, readResult } from "./image.js";
import type { Program } from "./program.js";
import { type Qemu, runInQemu } from "./qemu.js";
import { runInVivarium } from "./vivarium.js";

/** The two that are compared. */
export interface Machines {
  readonly qemu: Qemu;
  readonly core: WasmModule;
}

/** A program that ended differently. */
export interface Mismatch {
  readonly program: Program;
  readonly ours: Result;
  readonly theirs: Result;
  readonly differences: readonly Observation[];
}

/** Far more than an image of MAX_PROGRAMS takes, even when many of them run into the monitor's timer. */
const TIMEOUT_MS = 300_000;

/** Runs programs, one image full of them at most, in both machines at once. */
export async function compareRuns(machines: Machines, programs: readonly Program[]): Promise<Mismatch[]> {
  const image = buildImage(programs);
  const theirRun = runInQemu(machines.qemu, image, TIMEOUT_MS);
  const [ourRam, theirRam] = await Promise.all([runInVivarium(machines.core, image), theirRun]);
  return programs.flatMap((program, n) => {
    if (areResultsEqual(ourRam, theirRam, n)) return [];
    const ours = readResult(ourRam, n);
    const theirs = readResult(theirRam, n);
    const found = differences(program, ours, theirs);
    return found.length === 0 ? [] : [{ program, ours, theirs, differences: found }];
  });
}
