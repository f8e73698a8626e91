import type { WasmModule } from "../../../host/core/wasm.js";
import {
  type Divergence,
  LATE,
  makePair,
  type Pair,
  runInLateLockstep,
  runInLockstep,
  WAYS,
  type Way,
} from "./lockstep.js";
import { reportOf } from "./report.js";
import { makeScenario } from "./scenario.js";
import { shrink } from "./shrink.js";

/** Programs after which a pair begins afresh; until then what was translated stays, and code comes over code. */
const FRESH_EVERY = 25;
/** Divergences told at length. */
const REPORTED = 3;

export interface Campaign {
  /** Instructions executed in translated code, of all. */
  readonly translatedShare: number;
  readonly divergences: number;
  readonly report: string;
}

/** Runs the programs of `count` seeds, each in one of `ways` to translate. */
export async function runCampaign(
  module: WasmModule,
  firstSeed: number,
  count: number,
  ways: readonly Way[] = WAYS,
): Promise<Campaign> {
  const pairs = new Map<string, Pair>();
  const found: Divergence[] = [];
  let [translated, executed] = [0n, 0n];
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const scenario = makeScenario(seed);
    const way = ways[seed % ways.length]!;
    const key = `${way.name} ${scenario.setting.hartCount}`;
    const pair = pairs.get(key) ?? (await makePair(module, scenario.setting.hartCount, way));
    pairs.set(key, pair);
    const isFresh = seed % FRESH_EVERY < ways.length;
    const divergence =
      way === LATE ? await runInLateLockstep(pair, scenario, isFresh) : runInLockstep(pair, scenario, way, isFresh);
    translated += pair.translated.core.translation.instructions;
    executed += pair.translated.core.retired;
    if (!divergence) continue;
    found.push(divergence);
    pairs.delete(key);
  }
  const reports: string[] = [];
  for (const divergence of found.slice(0, REPORTED)) reports.push(await tell(module, divergence));
  const others = found.slice(REPORTED).map(({ scenario }) => scenario.seed);
  if (others.length > 0) reports.push(`Also seeds ${others.join(", ")}.`);
  return {
    translatedShare: Number(translated) / Number(executed),
    divergences: found.length,
    report: reports.join("\n\n"),
  };
}

async function tell(module: WasmModule, { scenario, way, slice, what, pair }: Divergence): Promise<string> {
  const { seed } = scenario;
  const fresh = await makePair(module, scenario.setting.hartCount, way);
  fresh.translated.watch();
  const smaller = shrink(fresh, scenario, way);
  const again = (from: number) =>
    `VIV_FUZZ_SEED=${from} VIV_FUZZ_PROGRAMS=${seed - from + 1} npx vitest run tests/differential/lockstep`;
  if (smaller) return `${reportOf(smaller)}\nAgain: ${again(seed)}`;
  return `${reportOf({ scenario, way, slice, what, pair })}\nOnly after others: ${again(seed - (seed % FRESH_EVERY))}`;
}
