import { Bench } from "tinybench";
import { assert } from "../../host/util/errors.js";
import type { SmallFigure, SmallSubject } from "../subject.js";

const CASE_MS = 1000;
/** Long enough for the engine to have compiled the processor with its optimising tier, also on a busy host. */
const WARMUP_MS = 1500;

/** Measures each case of a subject for a second. */
export async function measureSmall(subject: SmallSubject): Promise<SmallFigure[]> {
  const figures: SmallFigure[] = [];
  for (const { operation, prepare } of subject.cases) {
    const { count, run } = await prepare();
    const bench = new Bench({ time: CASE_MS, warmupTime: WARMUP_MS, throws: true });
    bench.add(operation, run);
    const [task] = await bench.run();
    const result = task?.result;
    assert(result?.state === "completed", `${subject.name}: ${operation}: nothing was measured`);
    const { p50, rme } = result.latency;
    figures.push({
      subject: subject.name,
      operation,
      nsPerOperation: ((p50 ?? Number.NaN) * 1e6) / count,
      marginPercent: rme,
    });
  }
  return figures;
}
