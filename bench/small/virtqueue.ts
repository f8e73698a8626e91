import { RAM_PADDR } from "../../assembly/shared/layout.js";
import { Virtqueue } from "../../host/devices/virtio/virtqueue.js";
import { assert } from "../../host/util/errors.js";
import type { PreparedCase, SmallSubject } from "../subject.js";
import { startBareCore } from "./bare-core.js";

/** What a device does with a buffer whatever the buffer is for: takes the chain, gives it back, may interrupt. */
export const virtqueue: SmallSubject = {
  name: "virtqueue",
  cases: [
    { operation: "a chain of 3 descriptors taken and given back", prepare: () => prepareQueue(false) },
    { operation: "the same with EVENT_IDX", prepare: () => prepareQueue(true) },
  ],
};

const CHAINS = 64;
const CHAIN_LENGTH = 3;
const SIZE = 256;
const DESCRIPTORS = RAM_PADDR + 0x1000;
const AVAILABLE = RAM_PADDR + 0x3000;
const USED = RAM_PADDR + 0x4000;
const BUFFERS = RAM_PADDR + 0x10000;
const F_NEXT = 1;
const F_WRITE = 2;

async function prepareQueue(eventIndex: boolean): Promise<PreparedCase> {
  const { ram } = await startBareCore("nop");
  const queue = new Virtqueue(SIZE, {
    ram,
    ringFeatures: () => ({ indirectDescriptors: true, eventIndex }),
    notify() {},
    broken(reason) {
      assert(false, reason);
    },
  });
  queue.setAddress("descriptorTable", "low", DESCRIPTORS);
  queue.setAddress("availableRing", "low", AVAILABLE);
  queue.setAddress("usedRing", "low", USED);
  queue.setReady(true);
  for (let n = 0; n < CHAINS * CHAIN_LENGTH; n++) {
    const place = n % CHAIN_LENGTH;
    const flags = (place < CHAIN_LENGTH - 1 ? F_NEXT : 0) | (place > 0 ? F_WRITE : 0);
    ram.writeU32(DESCRIPTORS + 16 * n, BUFFERS + 4096 * n);
    ram.writeU32(DESCRIPTORS + 16 * n + 8, 512);
    ram.writeU16(DESCRIPTORS + 16 * n + 12, flags);
    ram.writeU16(DESCRIPTORS + 16 * n + 14, n + 1);
  }
  for (let n = 0; n < SIZE; n++) ram.writeU16(AVAILABLE + 4 + 2 * n, (n % CHAINS) * CHAIN_LENGTH);
  let madeAvailable = 0;
  return {
    count: CHAINS,
    run() {
      madeAvailable = (madeAvailable + CHAINS) & 0xffff;
      ram.writeU16(AVAILABLE + 2, madeAvailable);
      for (const chain of queue.chains()) queue.push(chain, 512);
      queue.notify();
      assert(ram.readU16(USED + 2) === madeAvailable, "the queue has left chains behind");
    },
  };
}
