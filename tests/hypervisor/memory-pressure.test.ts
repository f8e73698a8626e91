/** Real guests that together want more memory than the host gives them: nobody loses anything for it. */

import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:net";
import { afterAll, beforeAll, describe, expect } from "vitest";
import type { HypervisorBase } from "../../host/hypervisor/hypervisor-base.js";
import type { HypervisorMachine } from "../../host/hypervisor/hypervisor-machine.js";
import { hasApt } from "../images/requirements.js";
import { TEST_CACHE, testImage } from "../images/test-image.js";
import { longTest } from "../long-test.js";
import { createHypervisor, outputOf, type, until } from "./test-hypervisor.js";

const MIB = 2 ** 20;
const BUDGET_MIB = 320;

// Without apt there is nothing to build the image with.
describe.skipIf(!hasApt)("memory pressure", () => {
  let hypervisor: HypervisorBase;
  let port: number;

  beforeAll(async () => {
    process.env.VIV_CACHE_DIR ??= TEST_CACHE;
    await testImage();
    port = await freePort();
    hypervisor = await createHypervisor({ workers: 1, memoryMiB: BUDGET_MIB });
  });
  afterAll(() => hypervisor?.close());

  const residentMiB = (name: string) => hypervisor.managed.get(name).meter.residentByteLength / MIB;
  /** Fills so much of the guest's memory with what cannot be packed. @returns its checksum */
  const fill = async (machine: HypervisorMachine, mib: number) =>
    (await machine.exec(`dd if=/dev/urandom of=/tmp/filled bs=1M count=${mib} && md5sum < /tmp/filled`)).stdout;

  longTest(
    "balloons take what guests do not use, the longest idle one sleeps, and wakes by a connection or a key",
    async () => {
      const first = await hypervisor.machines.create({
        name: "first",
        memoryMiB: 256,
        networks: [`user,forward=127.0.0.1:${port}:7`],
      });
      await first.exec("echo kept > /tmp/mark; nc -ll -p 7 -e cat < /dev/null > /dev/null 2>&1 &");
      await echo(port, "hello");
      const [second] = await first.fork({ names: ["second"] });
      await fill(first, 70);
      await first.exec("rm /tmp/filled");
      await until(() => residentMiB("first") > 150, "what the first has touched");
      const checksum = await fill(second!, 90);
      expect(checksum).toMatch(/^[0-9a-f]{32} /);
      await until(() => first.load.balloonByteLength > 64 * MIB, "what the first does not use");
      expect(first.view().status).toBe("running");

      // The third one's room is that of the one that has done nothing for the longest time.
      const isAsleep = new Promise<void>((resolve) => {
        hypervisor.onEvent(({ machine, data }) => {
          if (machine === "first" && data.status === "hibernated") resolve();
        });
      });
      const restMs = () => Date.now() - hypervisor.managed.get("first").meter.lastActiveMs;
      await until(() => restMs() > 5500, "the first one's rest");
      await second!.exec("md5sum < /tmp/filled");
      await second!.fork({ names: ["third"] });
      await isAsleep;
      await hypervisor.machines.destroy("third");

      // It may have woken already, since there is room again.
      for (const wake of [() => echo(port, "hello"), () => keyed(first, "\recho typed-$((6*7))\r", "typed-42")]) {
        if (first.view().status === "running") await first.hibernate();
        const since = performance.now();
        await wake();
        expect(performance.now() - since).toBeLessThan(1000);
      }
      expect((await first.exec("cat /tmp/mark")).stdout).toBe("kept\n");
      // What its balloon had is in no memory of the host any more.
      await until(() => residentMiB("first") > 0, "a reading");
      expect(residentMiB("first")).toBeLessThan(100);
      expect((await second!.exec("md5sum < /tmp/filled")).stdout).toBe(checksum);
    },
  );

  /** Types to a machine until it has answered. */
  async function keyed(machine: HypervisorMachine, text: string, answer: string): Promise<void> {
    const output = outputOf(hypervisor, machine.name);
    type(machine, text);
    await until(() => output().includes(answer), "an answer");
  }
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Waits until what is sent to a port comes back. */
function echo(port: number, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    socket.on("error", reject);
    socket.on("data", (bytes) => {
      if (bytes.toString() === text) resolve();
      else reject(new Error(`${bytes}`));
      socket.destroy();
    });
  });
}
