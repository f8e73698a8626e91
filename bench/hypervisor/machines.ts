import { setTimeout as sleep } from "node:timers/promises";
import { HypervisorBase } from "../../host/hypervisor/hypervisor-base.js";
import { NodeHypervisorPlatform } from "../../host/platform/node/hypervisor/node-hypervisor-platform.js";

const MEMORY_MIB = 256;
const BUDGET_MIB = 65_536;
const FORKS = 20;
/** A kernel that has just been booted seeds its random numbers again and again, less often each time. */
const SETTLE_MS = [5000, 60_000];
const IDLE_MS = 20_000;
/** Forks at a time, as many as one call makes. */
const BATCH = 20;
const MIB = 2 ** 20;

/** Where a figure goes. */
export interface Figures {
  add(what: string, unit: string, value: number, goal?: string): void;
}

/** Whole guests of the default image: forking, sleeping in files and waking, and what idle ones cost. */
export async function measureMachines(figures: Figures, idleCount: number): Promise<void> {
  const hypervisor = await HypervisorBase.createOn(new NodeHypervisorPlatform(), { memoryMiB: BUDGET_MIB });
  try {
    const first = await hypervisor.machines.create({ name: "m", memoryMiB: MEMORY_MIB, networks: [] });
    await first.exec("true");
    await addWaking(figures, hypervisor);
    await addFork(figures, hypervisor);
    await addIdle(figures, hypervisor, idleCount);
  } finally {
    for (const { name } of hypervisor.machines.list()) await hypervisor.machines.destroy(name);
    await hypervisor.close();
  }
}

async function addWaking(figures: Figures, hypervisor: HypervisorBase): Promise<void> {
  const machine = hypervisor.machines.get("m");
  const [asleep] = await timed(() => machine.hibernate());
  const [awake] = await timed(() => machine.exec("true"));
  figures.add("hibernating a machine of the default image, the first time", "ms", asleep);
  figures.add("waking it by a command, to the command's end", "ms", awake, "under 1000");
}

async function addFork(figures: Figures, hypervisor: HypervisorBase): Promise<void> {
  const [forked, forks] = await timed(() => hypervisor.machines.get("m").fork({ count: FORKS }));
  figures.add(`fork of a running machine to ${FORKS}`, "ms", forked, "under 1000");
  await Promise.all(forks.map((fork) => fork.exec("true")));
}

async function addIdle(figures: Figures, hypervisor: HypervisorBase, count: number): Promise<void> {
  const before = process.memoryUsage().rss;
  const known = hypervisor.machines.list().length;
  while (hypervisor.machines.list().length < count) {
    const missing = count - hypervisor.machines.list().length;
    const forks = await hypervisor.machines.get("m").fork({ count: Math.min(BATCH, missing) });
    await Promise.all(forks.map((fork) => fork.exec("true")));
  }
  const forkedMs = performance.now();
  for (const settleMs of SETTLE_MS) {
    await sleep(forkedMs + settleMs - performance.now());
    const usage = process.cpuUsage();
    const [elapsed] = await timed(() => sleep(IDLE_MS));
    const { user, system } = process.cpuUsage(usage);
    const what = `${count} idle machines, ${settleMs / 1000} s after the last fork: of a processor`;
    figures.add(what, "%", (user + system) / 10 / elapsed, "under 5 %");
  }
  const each = (process.memoryUsage().rss - before) / Math.max(1, count - known) / MIB;
  figures.add(`${count} idle machines, forked: resident memory of each`, "MiB", each, "under 60");
}

async function timed<T>(work: () => Promise<T>): Promise<[number, T]> {
  const start = performance.now();
  const value = await work();
  return [performance.now() - start, value];
}
