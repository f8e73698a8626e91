import { generateProgram } from "./generator.js";
import { compareRuns, type Machines, type Mismatch } from "./machines.js";
import type { Program } from "./program.js";
import { reportOf } from "./report.js";
import { shrink } from "./shrink.js";

/** Programs in one image: few enough that little is lost when one spoils the run, many for the start of QEMU. */
const BATCH = 500;
/** Mismatches made smaller and told at length; there are seldom more causes than that. */
const REPORTED = 5;

export interface Campaign {
  readonly mismatches: readonly Mismatch[];
  /** Of the first ones, each with how to see it again. */
  readonly report: string;
}

/** Runs the programs of `count` seeds from `firstSeed` on in both machines. */
export async function runCampaign(machines: Machines, firstSeed: number, count: number): Promise<Campaign> {
  const mismatches: Mismatch[] = [];
  for (let done = 0; done < count; done += BATCH) {
    const seeds = Array.from({ length: Math.min(BATCH, count - done) }, (_, n) => firstSeed + done + n);
    const programs: Program[] = seeds.map((seed) => generateProgram(seed, machines.qemu.missing));
    mismatches.push(...(await compareRuns(machines, programs)));
  }
  const reports: string[] = [];
  for (const mismatch of mismatches.slice(0, REPORTED)) reports.push(await tell(machines, mismatch, firstSeed));
  const others = mismatches.slice(REPORTED).map(({ program }) => `${program.seed} (${program.title})`);
  if (others.length > 0) reports.push(`Also seeds ${others.join(", ")}.`);
  return { mismatches, report: reports.join("\n\n") };
}

async function tell(machines: Machines, mismatch: Mismatch, firstSeed: number): Promise<string> {
  const { seed } = mismatch.program;
  const smaller = await shrink(machines, mismatch);
  if (smaller)
    return `${reportOf(smaller)}\nAgain: VIV_FUZZ_SEED=${seed} VIV_FUZZ_PROGRAMS=1 npx vitest run tests/differential`;
  const before = firstSeed + Math.floor((seed - firstSeed) / BATCH) * BATCH;
  return (
    `${reportOf(mismatch)}\nOnly after others: ` +
    `VIV_FUZZ_SEED=${before} VIV_FUZZ_PROGRAMS=${seed - before + 1} npx vitest run tests/differential`
  );
}
