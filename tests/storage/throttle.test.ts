import { beforeEach, describe, expect, test } from "vitest";
import { MemoryBlockBackend } from "../../host/storage/memory.js";
import { type ThrottleClock, ThrottledDisk } from "../../host/storage/throttle.js";
import { blockBackendContract } from "../contracts/block-backend-contract.js";

/** Time that passes when the test says so. */
class ManualClock implements ThrottleClock {
  nowMs = 0;
  readonly #sleeps = new Set<{ readonly atMs: number; readonly wake: () => void }>();

  monotonicMs(): number {
    return this.nowMs;
  }

  sleep(ms: number) {
    let wake = () => {};
    const done = new Promise<void>((resolve) => {
      wake = resolve;
    });
    this.#sleeps.add({ atMs: this.nowMs + ms, wake });
    return { done, wake };
  }

  async pass(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const next = [...this.#sleeps].sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > endMs) break;
      this.#sleeps.delete(next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.wake();
    }
    this.nowMs = endMs;
  }
}

blockBackendContract("throttle without limits", {
  create: async (contents, options) => new ThrottledDisk(new MemoryBlockBackend(contents, options), new ManualClock()),
});

describe("throttle", () => {
  test("what is limited, or waits behind a limit that has gone, is not read at once", async () => {
    const disk = throttled({});
    const readsAtOnce = () => disk.tryRead(0, new Uint8Array(512));
    expect(readsAtOnce()).toBe(true);
    disk.setLimits({ operationsPerSecond: 1, burstOperations: 1 });
    expect(readsAtOnce()).toBe(false);
    request(disk, 2, 512);
    await clock.pass(0);
    expect(done).toBe(1);
    disk.setLimits({});
    expect(readsAtOnce()).toBe(false);
    await clock.pass(0);
    expect([done, readsAtOnce()]).toEqual([2, true]);
  });

  let clock: ManualClock;
  let done: number;

  beforeEach(() => {
    clock = new ManualClock();
    done = 0;
  });

  const throttled = (limits: ConstructorParameters<typeof ThrottledDisk>[2]) =>
    new ThrottledDisk(new MemoryBlockBackend(new Uint8Array(1 << 20)), clock, limits);

  function request(disk: ThrottledDisk, count: number, byteLength: number): void {
    for (let index = 0; index < count; index++) {
      void disk.read(0, new Uint8Array(byteLength)).then(() => {
        done++;
      });
    }
  }

  test("operations pass at their rate after the burst", async () => {
    const disk = throttled({ operationsPerSecond: 100, burstOperations: 10 });
    request(disk, 200, 512);
    await clock.pass(0);
    expect(done).toBe(10);
    await clock.pass(500);
    expect(done).toBeGreaterThanOrEqual(59);
    expect(done).toBeLessThanOrEqual(61);
    await clock.pass(1000);
    expect(done).toBeGreaterThanOrEqual(159);
    expect(done).toBeLessThanOrEqual(161);
  });

  test("bytes pass at their rate, however they are asked for", async () => {
    const disk = throttled({ bytesPerSecond: 1 << 20, burstBytes: 4096 });
    request(disk, 20, 128 << 10);
    await clock.pass(1000);
    expect(done).toBeGreaterThanOrEqual(8);
    expect(done).toBeLessThanOrEqual(9);
  });

  test("what was not used in a pause is there afterwards, up to the burst", async () => {
    const disk = throttled({ operationsPerSecond: 100, burstOperations: 10 });
    request(disk, 10, 512);
    await clock.pass(60_000);
    expect(done).toBe(10);
    request(disk, 100, 512);
    await clock.pass(0);
    expect(done).toBe(20);
  });

  test("limits can be changed while requests wait", async () => {
    const disk = throttled({ operationsPerSecond: 1, burstOperations: 1 });
    request(disk, 100, 512);
    await clock.pass(1000);
    expect(done).toBeLessThanOrEqual(3);
    disk.setLimits({});
    await clock.pass(0);
    expect(done).toBe(100);
  });

  test("closing does not leave requests waiting", async () => {
    const disk = throttled({ operationsPerSecond: 1, burstOperations: 1 });
    const waiting = [1, 2, 3].map(() => disk.read(0, new Uint8Array(512)));
    await clock.pass(0);
    await disk.close();
    const results = await Promise.allSettled(waiting);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
  });
});
