/** Machines that run nothing, on a thread whose time is simulated: by the dispatcher, and by its queue alone. */

import { type DispatchedMachine, Dispatcher } from "../../../host/hypervisor/scheduling/dispatcher.js";
import { FairNode } from "../../../host/hypervisor/scheduling/fair-node.js";
import { FairTree } from "../../../host/hypervisor/scheduling/fair-tree.js";
import type { Policy, PoolPolicy, ProcessorSettings } from "../../../host/hypervisor/scheduling/settings.js";
import type { HostServices } from "../../../host/machine/host-services.js";

/** Runs for `runMs` of its processor's time, then sleeps. */
export interface Burst {
  readonly runMs: number;
  readonly sleepMs: number;
}

export interface SimulatedMachine {
  readonly name: string;
  readonly pool?: string;
  readonly cpu?: Partial<ProcessorSettings>;
  /** Asked for again and again, with the time; a machine without it is always busy. */
  readonly nextBurst?: (nowMs: number) => Burst;
  /** 100,000 unless given; asked for at each turn. */
  readonly instructionsPerMs?: number;
  /** Accesses of devices in each millisecond that it runs; asked for at each turn. */
  readonly accessesPerMs?: number;
}

export interface Scenario {
  readonly pools?: readonly (Omit<PoolPolicy, "parent" | "cpu"> & {
    readonly parent?: string;
    readonly cpu?: Partial<ProcessorSettings>;
  })[];
  readonly machines: readonly SimulatedMachine[];
}

export interface Change {
  readonly atMs: number;
  readonly scenario: Scenario;
}

export interface Options {
  readonly changes?: readonly Change[];
  /** By how much the host's clock jumps in a turn that begins at this moment. */
  readonly stallMs?: (nowMs: number) => number;
  /** Of an access of a device, in the processor's time. */
  readonly accessMs?: number;
}

/** What was seen. */
export interface Outcome {
  /** By machine: processor time, as its instructions show. */
  readonly usedMs: ReadonlyMap<string, number>;
  /** By machine: how long each request had to wait. */
  readonly waits: ReadonlyMap<string, readonly number[]>;
  /** By machine: beginning of each of its turns. */
  readonly turns: ReadonlyMap<string, readonly number[]>;
  /** Time in which nobody ran although one that no limit held back wanted to. */
  readonly wastedMs: number;
}

export const DEFAULT_CPU: ProcessorSettings = { shares: 100, reservation: 0, limit: null };
export const INSTRUCTIONS_PER_MS = 100_000;

export function policyOf({ pools = [], machines }: Scenario): Policy {
  return {
    pools: pools.map(({ name, parent, cpu }) => ({ name, parent: parent ?? "root", cpu: { ...DEFAULT_CPU, ...cpu } })),
    machines: machines.map(({ name, pool, cpu }) => ({ name, pool: pool ?? "root", cpu: { ...DEFAULT_CPU, ...cpu } })),
  };
}

/** A thread's time and its event loop. */
export class SimulatedThread implements Pick<HostServices, "monotonicMs" | "sleep" | "yieldToEvents"> {
  nowMs = 5000;
  /** Time in which nobody ran and nobody slept: the host's own work. None, as it is. */
  readonly #timers: { readonly atMs: number; readonly fire: () => void }[] = [];
  #turns: (() => void)[] = [];

  monotonicMs(): number {
    return this.nowMs;
  }

  yieldToEvents(): Promise<void> {
    return new Promise((resolve) => this.#turns.push(resolve));
  }

  sleep(ms: number): { readonly done: Promise<void>; wake(): void } {
    let wake = () => {};
    const done = new Promise<void>((resolve) => {
      wake = resolve;
      this.#timers.push({ atMs: this.nowMs + ms, fire: resolve });
    });
    return { done, wake };
  }

  async runUntil(endMs: number): Promise<void> {
    while (this.nowMs < endMs) {
      await settled();
      const turns = this.#turns.splice(0);
      for (const resume of turns) resume();
      for (const timer of this.#timers.filter(({ atMs }) => atMs <= this.nowMs)) {
        this.#timers.splice(this.#timers.indexOf(timer), 1);
        timer.fire();
      }
      if (turns.length > 0) continue;
      await settled();
      if (this.#turns.length > 0) continue;
      const nextMs = Math.min(endMs, ...this.#timers.map(({ atMs }) => atMs));
      this.nowMs = Math.max(this.nowMs, nextMs);
    }
  }
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

class Recorder implements Outcome {
  readonly usedMs = new Map<string, number>();
  readonly waits = new Map<string, number[]>();
  readonly turns = new Map<string, number[]>();
  wastedMs = 0;

  note(name: string, startMs: number, usedMs: number, waitedMs: number): void {
    this.usedMs.set(name, (this.usedMs.get(name) ?? 0) + usedMs);
    listIn(this.waits, name).push(waitedMs);
    listIn(this.turns, name).push(startMs);
  }
}

function listIn(map: Map<string, number[]>, name: string): number[] {
  const list = map.get(name) ?? [];
  map.set(name, list);
  return list;
}

/** The dispatcher with machines that take turns as `RunLoop` does. */
export async function dispatch(scenario: Scenario, durationMs: number, options: Options = {}): Promise<Outcome> {
  const thread = new SimulatedThread();
  const dispatcher = new Dispatcher(thread);
  dispatcher.setPolicy(policyOf(scenario));
  const startMs = thread.nowMs;
  const recorder = new Recorder();
  const machines = scenario.machines.map((machine) => ({ machine, turns: dispatcher.join(machine.name) }));
  for (const { machine, turns } of machines) void runMachine(machine, turns, thread, recorder, options, startMs);
  for (const { atMs, scenario: next } of options.changes ?? []) {
    await thread.runUntil(startMs + atMs);
    dispatcher.setPolicy(policyOf(next));
  }
  await thread.runUntil(startMs + durationMs);
  for (const { turns } of machines) turns.quit();
  return recorder;
}

async function runMachine(
  machine: SimulatedMachine,
  turns: DispatchedMachine,
  thread: SimulatedThread,
  recorder: Recorder,
  { stallMs = () => 0, accessMs = 0 }: Options,
  startMs: number,
): Promise<void> {
  const { name, nextBurst } = machine;
  let burst = nextBurst?.(0) ?? FOR_EVER;
  let left = burst.runMs * (machine.instructionsPerMs ?? INSTRUCTIONS_PER_MS);
  for (;;) {
    const askedMs = thread.nowMs;
    const turn = await turns.take();
    if (turn === null) return;
    const { instructionsPerMs = INSTRUCTIONS_PER_MS, accessesPerMs = 0 } = machine;
    const beganMs = thread.nowMs;
    const retired = Math.round(Math.min(left, turn.budget));
    left -= retired;
    const ranMs = retired / instructionsPerMs;
    const deviceAccesses = Math.round(ranMs * accessesPerMs);
    const usedMs = ranMs + deviceAccesses * accessMs;
    thread.nowMs += usedMs + stallMs(beganMs - startMs);
    recorder.note(name, beganMs - startMs, usedMs, beganMs - askedMs);
    const waits = left < 1;
    turns.give({ retired, elapsedMs: thread.nowMs - beganMs, deviceAccesses, waits });
    await thread.yieldToEvents();
    if (!waits) continue;
    await thread.sleep(burst.sleepMs).done;
    burst = nextBurst?.(thread.nowMs - startMs) ?? FOR_EVER;
    left = burst.runMs * (machine.instructionsPerMs ?? INSTRUCTIONS_PER_MS);
  }
}

const FOR_EVER: Burst = { runMs: Number.POSITIVE_INFINITY, sleepMs: 0 };

interface ModelMember {
  readonly machine: SimulatedMachine;
  readonly node: FairNode;
  burst: Burst;
  leftMs: number;
  /** When it wakes; null while it is awake. */
  wakesMs: number | null;
  askedMs: number;
}

/** The queue alone, in exact time. */
export function model(scenario: Scenario, durationMs: number, { changes = [] }: Options = {}): Outcome {
  const tree = new FairTree();
  const recorder = new Recorder();
  let nowMs = 0;
  const members: ModelMember[] = scenario.machines.map((machine) => {
    const burst = machine.nextBurst?.(0) ?? FOR_EVER;
    return { machine, node: new FairNode(), burst, leftMs: burst.runMs, wakesMs: null, askedMs: 0 };
  });
  const apply = (next: Scenario): void => {
    const policy = policyOf(next);
    tree.setPools(policy.pools, nowMs);
    for (const [index, { pool, cpu }] of policy.machines.entries()) tree.place(members[index]!.node, pool, cpu, nowMs);
  };
  apply(scenario);
  for (const { node } of members) tree.ready(node, nowMs);
  const waiting = [...changes];
  while (nowMs < durationMs) {
    if (waiting[0] !== undefined && waiting[0].atMs <= nowMs) apply(waiting.shift()!.scenario);
    for (const member of members) wakeIfDue(member, tree, nowMs);
    const choice = tree.choose(nowMs);
    if (choice.kind === "turn") {
      nowMs += runInModel(members.find(({ node }) => node === choice.member)!, choice.sliceMs, nowMs, recorder, tree);
    } else {
      const nextMs = Math.min(...members.map(({ wakesMs }) => wakesMs ?? Number.POSITIVE_INFINITY));
      const untilMs = choice.kind === "wait" ? Math.min(nowMs + choice.ms, nextMs) : nextMs;
      const wants = members.some(({ wakesMs, node }) => wakesMs === null && node.settings.limit === null);
      if (wants && (scenario.pools ?? []).every(({ cpu }) => (cpu?.limit ?? null) === null)) {
        recorder.wastedMs += untilMs - nowMs;
      }
      nowMs = Math.min(durationMs, untilMs);
    }
  }
  return recorder;
}

function wakeIfDue(member: ModelMember, tree: FairTree, nowMs: number): void {
  if (member.wakesMs === null || member.wakesMs > nowMs) return;
  member.burst = member.machine.nextBurst?.(nowMs) ?? FOR_EVER;
  member.leftMs = member.burst.runMs;
  member.wakesMs = null;
  member.askedMs = nowMs;
  tree.ready(member.node, nowMs);
}

function runInModel(member: ModelMember, sliceMs: number, nowMs: number, recorder: Recorder, tree: FairTree): number {
  const usedMs = Math.min(sliceMs, member.leftMs);
  const endMs = nowMs + usedMs;
  recorder.note(member.machine.name, nowMs, usedMs, nowMs - member.askedMs);
  member.leftMs -= usedMs;
  member.askedMs = endMs;
  tree.charge(member.node, usedMs, endMs);
  if (member.leftMs <= 0) {
    tree.unready(member.node, endMs);
    member.wakesMs = endMs + member.burst.sleepMs;
  }
  return usedMs;
}

/** Whatever divides the processor, as tests run it. */
export type Simulate = (scenario: Scenario, durationMs: number, options?: Options) => Promise<Outcome>;

export const DIVIDERS: readonly (readonly [string, Simulate])[] = [
  ["the queue alone", async (scenario, durationMs, options) => model(scenario, durationMs, options)],
  ["the dispatcher", dispatch],
];

export function used(outcome: Outcome, name: string): number {
  return outcome.usedMs.get(name) ?? 0;
}

export function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
}
