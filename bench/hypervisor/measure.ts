import { Worker } from "node:worker_threads";
import { type ProcessorSettings, UNLIMITED } from "../../host/hypervisor/scheduling/settings.js";
import { median } from "../statistics.js";
import { BUSY, sleeper, TICKS_PER_MS } from "./guests.js";
import type { ThreadFigures, ThreadMachine, ThreadSpec } from "./thread.js";

export const HYPERVISOR = "hypervisor";
const DEFAULT_RUNS = 1;
const DURATION_MS = 10_000;
const SHORT_MS = 5000;
const SLEEP_MS = 37;

interface Row {
  readonly what: string;
  readonly unit: string;
  readonly goal: string;
  readonly values: number[];
}

class Table {
  readonly #rows = new Map<string, Row>();

  add(what: string, unit: string, value: number, goal = ""): void {
    const row = this.#rows.get(what) ?? { what, unit, goal, values: [] };
    row.values.push(value);
    this.#rows.set(what, row);
  }

  toString(): string {
    const lines = [...this.#rows.values()].map(({ what, unit, goal, values }) => {
      return `| ${what.padEnd(64)} | ${median(values).toFixed(2).padStart(8)} ${unit.padEnd(5)} | ${goal.padEnd(13)} |`;
    });
    const head = `| ${"median".padEnd(64)} | ${"".padEnd(14)} | ${"goal".padEnd(13)} |`;
    return [head, head.replaceAll(/[^|]/g, "-"), ...lines].join("\n");
  }
}

/** How the host's processor is divided among machines, with bare guests of a few instructions. */
export async function benchHypervisor(args: readonly string[]): Promise<void> {
  const runs = Number(args[args.indexOf("--runs") + 1] ?? DEFAULT_RUNS) || DEFAULT_RUNS;
  const table = new Table();
  for (let run = 0; run < runs; run++) {
    for (const [what, measure] of MEASUREMENTS) {
      process.stderr.write(`bench: ${HYPERVISOR}, ${what}, run ${run + 1} of ${runs}\n`);
      await measure(table);
    }
  }
  process.stdout.write(`${table}\n`);
}

const MEASUREMENTS: readonly (readonly [string, (table: Table) => Promise<void>])[] = [
  ["shares", addShares],
  ["limits and reservations", addBounds],
  ["waking", addWaking],
  ["two workers", addWorkers],
];

async function addShares(table: Table): Promise<void> {
  const shares = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => n * 100);
  const machines = shares.map((each) => busy(`m${each}`, { shares: each }));
  const { accounts, elapsedMs, processorMs } = await thread(machines, DURATION_MS);
  const worst = (parts: readonly number[]) => {
    const all = sum(parts);
    return Math.max(...parts.map((part, index) => offBy(part / all, shares[index]! / sum(shares))));
  };
  table.add(
    "8 busy machines, shares 100 to 800: the worst, by processor time",
    "%",
    worst(accounts.map((account) => account.processorMs)),
    "at most 2 %",
  );
  table.add(
    "the worst, by instructions",
    "%",
    worst(accounts.map(({ instructions }) => Number(instructions))),
    "at most 2 %",
  );
  table.add("what the host left this thread of its time", "%", (100 * processorMs) / elapsedMs);
}

async function addBounds(table: Table): Promise<void> {
  for (const limit of [0.1, 0.5]) {
    const alone = await thread([busy("a", { limit })], SHORT_MS);
    const [account] = alone.accounts;
    table.add(
      `limit ${limit * 100} %, alone: of its thread's time off by`,
      "%",
      offBy(account!.processorMs / alone.processorMs, limit),
      "at most 3 %",
    );
    const beside = await thread([busy("a", { limit, shares: 1000 }), busy("b")], SHORT_MS);
    table.add(
      `limit ${limit * 100} %, beside a busy one: of all instructions off by`,
      "%",
      offBy(firstPart(beside), limit),
      "at most 3 %",
    );
  }
  const machines = [busy("a", { reservation: 0.5, shares: 1 }), ...busyOnes(4)];
  table.add(
    "reservation 50 %, 1 share beside 400: of all instructions off by",
    "%",
    offBy(firstPart(await thread(machines, SHORT_MS)), 0.5),
    "at most 3 %",
  );
}

async function addWaking(table: Table): Promise<void> {
  for (const count of [0, 8]) {
    const machines = [{ name: "sleeper", program: sleeper(SLEEP_MS), cpu: UNLIMITED }, ...busyOnes(count)];
    const { outputs } = await thread(machines, DURATION_MS);
    const latencies = latenciesIn(outputs[0]!);
    const goal = count === 0 ? "" : "at most 10 ms";
    for (const percent of [50, 99]) {
      const value = latencies[Math.floor((latencies.length * percent) / 100)] ?? Number.NaN;
      table.add(`from its timer to running, ${count} others busy: p${percent}`, "ms", value, goal);
    }
  }
}

async function addWorkers(table: Table): Promise<void> {
  const one = await measured(() => inWorkers([[busy("a"), busy("b")]]));
  const two = await measured(() => inWorkers([[busy("a")], [busy("b")]]));
  table.add("two busy machines, two workers beside one: work", "times", two.rate / one.rate, "at least 1.8");
  table.add("processor time that the host gave them for it", "times", two.cpuMs / one.cpuMs);
}

async function measured(run: () => Promise<readonly ThreadFigures[]>): Promise<{ rate: number; cpuMs: number }> {
  const before = process.cpuUsage();
  const figures = await run();
  const { user, system } = process.cpuUsage(before);
  const rates = figures.map(({ accounts, elapsedMs }) => {
    return sum(accounts.map(({ instructions }) => Number(instructions))) / elapsedMs;
  });
  return { rate: sum(rates), cpuMs: (user + system) / 1000 };
}

function busy(name: string, cpu: Partial<ProcessorSettings> = {}): ThreadMachine {
  return { name, program: BUSY, cpu: { ...UNLIMITED, ...cpu } };
}

function busyOnes(count: number): ThreadMachine[] {
  return Array.from({ length: count }, (_, index) => busy(`busy${index}`));
}

async function thread(machines: readonly ThreadMachine[], durationMs: number): Promise<ThreadFigures> {
  return runWorker({ pools: [], machines, durationMs });
}

function inWorkers(threads: readonly (readonly ThreadMachine[])[]): Promise<ThreadFigures[]> {
  return Promise.all(threads.map((machines) => thread(machines, SHORT_MS)));
}

function runWorker(workerData: ThreadSpec): Promise<ThreadFigures> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./worker.mjs", import.meta.url), { workerData });
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

/** The first machine's part of all instructions. */
function firstPart({ accounts }: ThreadFigures): number {
  const instructions = accounts.map((account) => Number(account.instructions));
  return instructions[0]! / sum(instructions);
}

/** Ascending, in milliseconds. */
function latenciesIn(output: Uint8Array): number[] {
  const ticks = new Uint32Array(output.slice(0, output.length - (output.length % 4)).buffer);
  return [...ticks].map((each) => each / TICKS_PER_MS).sort((a, b) => a - b);
}

function offBy(part: number, wanted: number): number {
  return 100 * Math.abs(part / wanted - 1);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
