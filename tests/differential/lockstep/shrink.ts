import { type Divergence, type Pair, runInLockstep, type Way } from "./lockstep.js";
import { smaller } from "./node.js";
import type { Scenario, Slice } from "./scenario.js";

/** Programs tried at most: a shrunk one is easier to read, but not needed. */
const TRIES = 600;

/**
 * A smaller scenario that diverges too, from a fresh start.
 *
 * @returns undefined when this one by itself does not: what ran before it matters
 */
export function shrink(pair: Pair, scenario: Scenario, way: Way): Divergence | undefined {
  const run = (candidate: Scenario) => {
    try {
      return runInLockstep(pair, candidate, way, true);
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  };
  let best = run(scenario);
  if (!best) return undefined;
  let tries = TRIES;
  for (let found = true; found && tries > 0; ) {
    found = false;
    for (const candidate of variants(best.scenario)) {
      if (tries-- <= 0) break;
      const divergence = run(candidate);
      if (!divergence) continue;
      best = divergence;
      found = true;
      break;
    }
  }
  // So that what the pair holds is this divergence.
  return run(best.scenario);
}

function* variants(scenario: Scenario): Generator<Scenario> {
  const { slices, twins } = scenario;
  for (const code of smaller(scenario.code)) yield { ...scenario, code };
  for (const first of smaller(twins[0])) yield { ...scenario, twins: [first, twins[1]] };
  for (const second of smaller(twins[1])) yield { ...scenario, twins: [twins[0], second] };
  for (const [n, slice] of slices.entries()) {
    if (slice.afterwards !== undefined)
      yield { ...scenario, slices: replaced(slices, n, [{ ...slice, afterwards: undefined }]) };
    yield { ...scenario, slices: replaced(slices, n, []) };
  }
}

function replaced(slices: readonly Slice[], n: number, by: readonly Slice[]): Slice[] {
  return [...slices.slice(0, n), ...by, ...slices.slice(n + 1)];
}
