import { beforeEach, describe, expect, test } from "vitest";
import { INTERRUPT_USED_BUFFER } from "../../../host/devices/virtio/mmio-registers.js";
import { VirtioRng } from "../../../host/devices/virtio/rng.js";
import { VirtioBench, virtioDeviceContract } from "../../contracts/virtio-device-contract.js";
import type { MockQueue } from "./mock-driver.js";

/** Counts instead of throwing dice. */
function counter(): (into: Uint8Array) => void {
  let next = 0;
  return (into) => {
    for (let index = 0; index < into.length; index++) into[index] = next++;
  };
}

let bench: VirtioBench;
let queue: MockQueue;

beforeEach(() => {
  bench = new VirtioBench(new VirtioRng(counter()));
  [queue] = bench.driver.start() as [MockQueue];
});

describe("virtio-rng", () => {
  test("it fills each buffer and says how far", () => {
    queue.add([], [4, 3]);
    queue.add([], [2]);
    queue.kick();
    const [first, second] = queue.takeUsed();
    expect(first).toMatchObject({ byteLength: 7, bytes: Uint8Array.of(0, 1, 2, 3, 4, 5, 6) });
    expect(second).toMatchObject({ byteLength: 2, bytes: Uint8Array.of(7, 8) });
    expect(bench.driver.takeInterrupts()).toBe(INTERRUPT_USED_BUFFER);
  });

  test("it fills no more than a page of a large buffer", () => {
    queue.send([], [8192]);
    expect(queue.takeUsed()[0]).toMatchObject({ byteLength: 4096 });
  });

  test("a buffer that cannot be written comes back empty", () => {
    queue.send([Uint8Array.of(1)], []);
    expect(queue.takeUsed()[0]).toMatchObject({ byteLength: 0 });
  });
});

virtioDeviceContract("virtio-rng", 4, () => ({
  device: new VirtioRng(counter()),
  eagerQueue: 0,
  examples: [{ queue: 0, readable: [], writable: [64] }],
}));
