import type { TranslationTuning } from "../../../host/core/core.js";
import type { HartState } from "../../../host/core/hart.js";
import type { WasmModule } from "../../../host/core/wasm.js";
import { hardFloat, hardInteger, Random } from "../random.js";
import { RAM_BASE, RAM_BYTE_LENGTH } from "./layout.js";
import { assembleScenario, type Scenario } from "./scenario.js";
import { DATA_BYTE_LENGTH, Subject } from "./subject.js";

/** How a subject translates. */
export interface Way {
  readonly name: string;
  readonly tuning: TranslationTuning;
}

/** All at once; only what is hot and was executed. */
export const WAYS: readonly Way[] = [
  { name: "eager", tuning: { heatThreshold: 1, translatesAll: true, isSynchronous: true } },
  { name: "on", tuning: { heatThreshold: 6, translatesAll: false, isSynchronous: true } },
];

/** As "on", but the guest runs on while the host compiles: a module lands between any two slices. */
export const LATE: Way = { name: "late", tuning: { heatThreshold: 2, translatesAll: false, isSynchronous: false } };

/** The two that run side by side. */
export interface Pair {
  readonly interpreted: Subject;
  readonly translated: Subject;
}

/** Something that is not the same in both, after slice number `slice`. */
export interface Divergence {
  readonly scenario: Scenario;
  readonly way: Way;
  readonly slice: number;
  readonly what: readonly Difference[];
  readonly pair: Pair;
}

export interface Difference {
  /** A field of a hart's state or of the core's, "accesses" or "ram". */
  readonly place: string;
  readonly hart: number;
  /** Which register, or which byte of RAM. */
  readonly index: number;
  readonly interpreted: bigint;
  readonly translated: bigint;
}

export async function makePair(module: WasmModule, hartCount: number, way: Way): Promise<Pair> {
  return {
    interpreted: await Subject.create(module, hartCount, "off"),
    translated: await Subject.create(module, hartCount, way.tuning),
  };
}

/** Runs a scenario in both, comparing after every slice and at the end also RAM. */
export function runInLockstep(pair: Pair, scenario: Scenario, way: Way, isFresh: boolean): Divergence | undefined {
  const slices = lockstep(pair, scenario, way, isFresh);
  for (;;) {
    const { done, value } = slices.next();
    if (done === true) return value;
  }
}

/** As runInLockstep, with the host's turn after some of the slices. */
export async function runInLateLockstep(
  pair: Pair,
  scenario: Scenario,
  isFresh: boolean,
): Promise<Divergence | undefined> {
  const random = new Random(scenario.seed);
  for (const slices = lockstep(pair, scenario, LATE, isFresh); ; ) {
    const { done, value } = slices.next();
    if (done === true) return value;
    // Compiling takes about so long: some modules land at once, some slices later, some when their code is gone.
    if (random.chance(30)) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Yields after every slice. */
function* lockstep(
  pair: Pair,
  scenario: Scenario,
  way: Way,
  isFresh: boolean,
): Generator<void, Divergence | undefined, void> {
  const assembled = assembleScenario(scenario);
  const data = dataOf(scenario.seed);
  const { interpreted, translated } = pair;
  for (const subject of [interpreted, translated]) subject.load(scenario, assembled, data, isFresh);
  for (const [n, slice] of scenario.slices.entries()) {
    const exit = interpreted.run(slice);
    const otherExit = translated.run(slice);
    const what = differences(pair, exit, otherExit);
    if (what.length > 0) return { scenario, way, slice: n, what, pair };
    if (exit === undefined) break;
    yield;
  }
  const what = ramDifferences(pair);
  return what.length > 0 ? { scenario, way, slice: scenario.slices.length, what, pair } : undefined;
}

const CONTENTS = 16;
const contents: Uint8Array[] = [];

/** What the data begins with. */
function dataOf(seed: number): Uint8Array {
  contents[seed % CONTENTS] ??= makeData(seed % CONTENTS);
  return contents[seed % CONTENTS]!;
}

function makeData(seed: number): Uint8Array {
  const bytes = new Uint8Array(DATA_BYTE_LENGTH);
  const view = new DataView(bytes.buffer);
  const random = new Random(seed);
  for (let offset = 0; offset < bytes.length; offset += 8) {
    view.setBigUint64(offset, random.chance(40) ? hardFloat(random) : hardInteger(random), true);
  }
  return bytes;
}

function differences({ interpreted, translated }: Pair, exit: number | undefined, otherExit: number | undefined) {
  const found: Difference[] = [];
  const compare = (place: string, hart: number, index: number, a: bigint, b: bigint) => {
    if (a !== b) found.push({ place, hart, index, interpreted: a, translated: b });
  };
  const [one, other] = [interpreted.core, translated.core];
  compare("exit", 0, 0, BigInt(exit ?? -1), BigInt(otherExit ?? -1));
  for (const [name, value] of Object.entries(one.save())) {
    compare(name, 0, 0, value as bigint, other.save()[name] as bigint);
  }
  for (const [id, hart] of one.harts.entries()) {
    const [mine, theirs]: readonly HartState[] = [hart.save(), other.harts[id]!.save()];
    for (const [name, value] of Object.entries(mine!)) {
      const otherValue = theirs![name];
      if (typeof value === "bigint") compare(name, id, 0, value, otherValue as bigint);
      else
        for (const [n, item] of (value as bigint[]).entries()) compare(name, id, n, item, (otherValue as bigint[])[n]!);
    }
  }
  const [mine, theirs] = [interpreted.accesses, translated.accesses];
  for (let n = 0; n < Math.max(mine.length, theirs.length); n++) {
    compare("accesses", 0, n, mine[n] ?? -1n, theirs[n] ?? -1n);
  }
  return found;
}

function ramDifferences({ interpreted, translated }: Pair): Difference[] {
  const [mine, theirs] = [interpreted, translated].map(({ core }) => core.ram.view(RAM_BASE, RAM_BYTE_LENGTH)) as [
    Uint8Array,
    Uint8Array,
  ];
  if (Buffer.compare(mine, theirs) === 0) return [];
  const found: Difference[] = [];
  for (let n = 0; n < RAM_BYTE_LENGTH; n++) {
    if (mine[n] === theirs[n]) continue;
    found.push({ place: "ram", hart: 0, index: n, interpreted: BigInt(mine[n]!), translated: BigInt(theirs[n]!) });
  }
  return found;
}
