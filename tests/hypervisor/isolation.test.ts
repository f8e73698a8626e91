/**
 * What a machine that means harm leaves to its neighbours, measured with real guests on one worker. It takes minutes of
 * a processor, so it runs when VIV_ISOLATION is set.
 */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { HypervisorBase } from "../../host/hypervisor/hypervisor-base.js";
import type { HypervisorMachine } from "../../host/hypervisor/hypervisor-machine.js";
import { hasApt } from "../images/requirements.js";
import { TEST_CACHE, testImage } from "../images/test-image.js";
import { createHypervisor } from "./test-hypervisor.js";

const BUSY = "while :; do :; done";
const PAIRS = 7;
const WINDOW_MS = 2500;
/** Caches warm up, code is translated. */
const SETTLE_MS = 500;

describe.skipIf(!hasApt || process.env.VIV_ISOLATION === undefined)("isolation (VIV_ISOLATION)", () => {
  let hypervisor: HypervisorBase;
  let victims: readonly HypervisorMachine[];
  let calm: HypervisorMachine;

  beforeAll(async () => {
    process.env.VIV_CACHE_DIR ??= TEST_CACHE;
    await testImage();
    hypervisor = await createHypervisor({ workers: 1, memoryMiB: 4096 });
    victims = [await busy("first"), await busy("second")];
    calm = await busy("calm");
    await calm.pause();
  }, 120_000);
  afterAll(() => hypervisor?.close());

  async function busy(name: string): Promise<HypervisorMachine> {
    const machine = await hypervisor.machines.create({ name, memoryMiB: 128 });
    await machine.spawn(BUSY);
    return machine;
  }

  /** Instructions of the victims in each second of the worker's processor time. */
  async function speedBeside(neighbour: HypervisorMachine): Promise<number> {
    await neighbour.resume();
    await sleep(SETTLE_MS);
    const instructions = () => victims.reduce((sum, { usage }) => sum + usage.instructions, 0);
    const [before, since] = [await settled(instructions), threadTimesNs()];
    await sleep(WINDOW_MS);
    const done = (await settled(instructions)) - before;
    const busiestNs = Math.max(...[...threadTimesNs()].map(([thread, time]) => time - (since.get(thread) ?? 0)));
    await neighbour.pause();
    return (done / busiestNs) * 1e9;
  }

  test.each([
    ["loops", BUSY],
    ["floods its console", "yes > /dev/ttyS0"],
    ["floods its entropy device", "cat /dev/hwrng > /dev/null"],
    ["floods its network", "while :; do head -c 1400 /dev/zero | nc -u -w 0 10.0.2.2 9; done"],
    ["fills its file system", "while :; do dd if=/dev/zero of=/tmp/full bs=64k; done 2> /dev/null"],
    ["forks for ever", "fork() { fork | fork & }; fork"],
  ])(
    "a machine that %s leaves the others 95 %% of what a busy one leaves them",
    { timeout: 180_000 },
    async (what, command) => {
      const wild = await hypervisor.machines.create({ name: "wild", memoryMiB: 128, restart: "never" });
      try {
        await wild.spawn(command);
        await wild.pause();
        const ratios: number[] = [];
        for (let pair = 0; pair < PAIRS; pair++) {
          const beside = [await speedBeside(calm), await speedBeside(wild)] as const;
          ratios.push(beside[1] / beside[0]);
        }
        const median = ratios.sort((a, b) => a - b)[PAIRS >> 1]!;
        console.log(`${what}: ${median.toFixed(3)} (${ratios.map((ratio) => ratio.toFixed(3)).join(" ")})`);
        expect(median).toBeGreaterThan(0.95);
      } finally {
        await hypervisor.machines.destroy("wild");
      }
    },
  );
});

/** Processor time of each thread of this program. Linux, Documentation/scheduler/sched-stats.rst. */
function threadTimesNs(): ReadonlyMap<string, number> {
  const tasks = "/proc/self/task";
  return new Map(
    readdirSync(tasks).map((thread) => [
      thread,
      Number(readFileSync(`${tasks}/${thread}/schedstat`, "utf8").split(" ")[0]),
    ]),
  );
}

/** Readings are taken once a second: waits for the next one. */
async function settled(read: () => number): Promise<number> {
  const before = read();
  while (read() === before) await sleep(5);
  return read();
}
