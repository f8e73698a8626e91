import { compareRuns, type Machines, type Mismatch } from "./machines.js";
import { isNop, type Program, withoutUnits } from "./program.js";

/**
 * A smaller program that ends differently, too: units are dropped as long as that is so. All that could be dropped next
 * is tried in one run of both machines.
 *
 * @returns undefined when the program by itself ends in the same way: what was before it matters
 */
export async function shrink(machines: Machines, mismatch: Mismatch): Promise<Mismatch | undefined> {
  let [smallest] = await compareRuns(machines, [mismatch.program]);
  let harmless = new Set<number>();
  while (smallest) {
    const { program } = smallest;
    const candidates = subsets(program).concat(harmless.size > 1 ? [harmless] : []);
    if (candidates.length === 0) return smallest;
    const tried = new Map<Program, ReadonlySet<number>>(
      candidates.map((dropped) => [withoutUnits(program, dropped), dropped]),
    );
    const failing = await compareRuns(machines, [...tried.keys()]);
    if (failing.length === 0) return smallest;
    const sizeOf = (m: Mismatch) => tried.get(m.program)!.size;
    harmless = new Set(failing.filter((m) => sizeOf(m) === 1).flatMap((m) => [...tried.get(m.program)!]));
    smallest = failing.reduce((best, m) => (sizeOf(m) > sizeOf(best) ? m : best));
  }
  return undefined;
}

/** Runs of units to drop, from half of them down to each by itself. The last unit is the program's end. */
function subsets(program: Program): ReadonlySet<number>[] {
  const units = [...program.units.keys()].slice(0, -1).filter((n) => !isNop(program.units[n]!));
  const sets: ReadonlySet<number>[] = [];
  for (let count = Math.ceil(units.length / 2); count >= 1; count = count === 1 ? 0 : Math.ceil(count / 2)) {
    for (let from = 0; from < units.length; from += count) sets.push(new Set(units.slice(from, from + count)));
  }
  return sets;
}
