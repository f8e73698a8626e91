/**
 * What a machine that means harm leaves to its neighbours, measured with real guests on one worker. It takes minutes of
 * a processor, so it runs when VIV_ISOLATION is set.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { MachineRequest } from "../../host/control/hypervisor/schemas.js";
import type { HypervisorBase } from "../../host/hypervisor/hypervisor-base.js";
import type { HypervisorMachine } from "../../host/hypervisor/hypervisor-machine.js";
import { writeImageDirectory } from "../../host/platform/node/images/image-directory.js";
import { hasApt } from "../images/requirements.js";
import { TEST_CACHE, testImage } from "../images/test-image.js";
import { createHypervisor } from "./test-hypervisor.js";

const BUSY = "while :; do :; done";
const PAIRS = 7;
const WINDOW_MS = 2500;
/** Caches warm up, code is translated. */
const SETTLE_MS = 500;
const DISK_BYTE_LENGTH = 64 * 2 ** 20;
/** What is not all zeros, which disks take no room for. */
const NOISE = "head -c 1048576 /dev/urandom > /tmp/noise; mkdir -p /mnt";
const FILL_DISK = `${NOISE}; mke2fs /dev/vda > /dev/null; mount -t ext4 /dev/vda /mnt
while :; do while cat /tmp/noise; do :; done > /mnt/full 2> /dev/null; sync; rm /mnt/full; done`;
/** The host's own disk is not to be full. */
const FILL_FOLDER = `${NOISE}; mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 host /mnt
while :; do for each in $(seq 64); do cat /tmp/noise; done > /mnt/full; sync; rm /mnt/full; done`;

describe.skipIf(!hasApt || process.env.VIV_ISOLATION === undefined)("isolation (VIV_ISOLATION)", () => {
  let hypervisor: HypervisorBase;
  let victims: readonly HypervisorMachine[];
  let calm: HypervisorMachine;
  const directory = mkdtempSync(join(tmpdir(), "viv-isolation-"));
  const withDisk = join(directory, "with-disk");

  beforeAll(async () => {
    process.env.VIV_CACHE_DIR ??= TEST_CACHE;
    await writeImageWithDisk();
    hypervisor = await createHypervisor({ workers: 1, memoryMiB: 4096, allowFolder: (folder) => folder === directory });
    victims = [await busy("first"), await busy("second")];
    calm = await busy("calm");
    await calm.pause();
  }, 120_000);
  afterAll(async () => {
    await hypervisor?.close();
    rmSync(directory, { recursive: true });
  });

  /** The default guest with a disk of its own, which is a file of this host. */
  async function writeImageWithDisk(): Promise<void> {
    const { manifest, kernel, initrd } = await testImage();
    const diskFile = join(directory, "disk");
    writeFileSync(diskFile, "");
    truncateSync(diskFile, DISK_BYTE_LENGTH);
    await writeImageDirectory(withDisk, { manifest, kernel, initrd, diskFile }, () => {});
  }

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

  const ofDisk = { image: withDisk, append: "viv.stay" };
  const ofFolder = { folders: [{ directory, tag: "host", readOnly: false }] };
  test.each<[string, string, Partial<MachineRequest>]>([
    ["loops", BUSY, {}],
    ["floods its console", "yes > /dev/ttyS0", {}],
    ["floods its entropy device", "cat /dev/hwrng > /dev/null", {}],
    ["floods its network", "while :; do head -c 1400 /dev/zero | nc -u -w 0 10.0.2.2 9; done", {}],
    ["fills its file system", "while :; do dd if=/dev/zero of=/tmp/full bs=64k; done 2> /dev/null", {}],
    ["fills its disk", FILL_DISK, ofDisk],
    ["fills a folder of the host", FILL_FOLDER, ofFolder],
    ["forks for ever", "fork() { fork | fork & }; fork", {}],
  ])(
    "a machine that %s leaves the others 95 %% of what a busy one leaves them",
    { timeout: 180_000 },
    async (what, command, request) => {
      const wild = await hypervisor.machines.create({ name: "wild", memoryMiB: 128, restart: "never", ...request });
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
