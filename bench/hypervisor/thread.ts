/** Machines that share one thread, as the worker of a hypervisor runs them. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  type DispatchedMachine,
  Dispatcher,
  type ProcessorAccount,
} from "../../host/hypervisor/scheduling/dispatcher.js";
import type { PoolPolicy, ProcessorSettings } from "../../host/hypervisor/scheduling/settings.js";
import { Machine } from "../../host/machine/machine.js";
import { loadCoreModule } from "../../host/platform/node/core-module.js";
import { NodeHostServices } from "../../host/platform/node/host-services.js";

export interface ThreadMachine {
  readonly name: string;
  readonly program: Uint8Array;
  readonly pool?: string;
  readonly cpu: ProcessorSettings;
}

export interface ThreadSpec {
  readonly pools: readonly PoolPolicy[];
  readonly machines: readonly ThreadMachine[];
  readonly durationMs: number;
}

/** By machine, in order: what it had while it was measured. */
export interface ThreadFigures {
  readonly elapsedMs: number;
  /** What of that the host left the thread, by the dispatcher's clock. */
  readonly processorMs: number;
  readonly accounts: readonly ProcessorAccount[];
  /** What each wrote meanwhile. */
  readonly outputs: readonly Uint8Array[];
}

const WARM_MS = 250;
const WARM_UP_MS_MAX = 10_000;
const SETTLING_MS = 200;
const MEMORY_BYTE_LENGTH = 1024 * 1024;

interface Running {
  readonly machine: Machine;
  readonly turns: DispatchedMachine;
  readonly ended: Promise<unknown>;
  readonly output: number[];
}

export async function runThread({ pools, machines, durationMs }: ThreadSpec): Promise<ThreadFigures> {
  const host = new NodeHostServices();
  const dispatcher = new Dispatcher(host);
  const core = await loadCoreModule();
  const running: Running[] = [];
  for (const { name, program } of machines) {
    const output: number[] = [];
    const turns = dispatcher.join(name);
    const machine = await Machine.create({
      core,
      hartCount: 1,
      memoryByteLength: MEMORY_BYTE_LENGTH,
      clock: "host",
      boot: { kind: "bare", program },
      drives: [],
      serial: { write: (bytes) => void output.push(...bytes) },
      host,
      turns,
    });
    running.push({ machine, turns, output, ended: machine.run() });
  }
  await warmUp(running);
  dispatcher.setPolicy({
    pools,
    machines: machines.map(({ name, pool, cpu }) => ({ name, pool: pool ?? "root", cpu })),
  });
  await sleep(SETTLING_MS);
  const before = running.map(({ turns }) => turns.account);
  for (const { output } of running) output.length = 0;
  const startMs = performance.now();
  const startProcessorMs = dispatcher.elapsedMs;
  await sleep(durationMs);
  const elapsedMs = performance.now() - startMs;
  const processorMs = dispatcher.elapsedMs - startProcessorMs;
  const accounts = running.map(({ turns }, index) => difference(turns.account, before[index]!));
  for (const { machine } of running) machine.stop();
  await Promise.all(running.map(({ ended }) => ended));
  return { elapsedMs, processorMs, accounts, outputs: running.map(({ output }) => Uint8Array.from(output)) };
}

/** The host's compiler needs a while for each of them; until then all have equal parts. */
async function warmUp(running: readonly Running[]): Promise<void> {
  for (let waitedMs = 0; waitedMs < WARM_UP_MS_MAX; waitedMs += SETTLING_MS) {
    await sleep(SETTLING_MS);
    const processorMs = running.reduce((sum, { turns }) => sum + turns.account.processorMs, 0);
    if (processorMs > WARM_MS * running.length) return;
  }
}

function difference(after: ProcessorAccount, before: ProcessorAccount): ProcessorAccount {
  return {
    instructions: after.instructions - before.instructions,
    processorMs: after.processorMs - before.processorMs,
    stolenMs: after.stolenMs - before.stolenMs,
    waits: after.waits - before.waits,
  };
}
