import { expect, test } from "vitest";
import { GarbageCollection } from "../../host/hypervisor/worker/garbage-collection.js";

/** A host in which time passes when it is told to, and while garbage is collected. */
class Host {
  nowMs = 0;
  readonly collectedAtMs: number[] = [];
  readonly garbage: GarbageCollection;
  readonly #sleepers: { readonly untilMs: number; readonly resolve: () => void }[] = [];

  constructor(collectingMs: number) {
    this.garbage = new GarbageCollection(
      {
        monotonicMs: () => this.nowMs,
        sleep: (ms) => {
          const done = new Promise<void>((resolve) => this.#sleepers.push({ untilMs: this.nowMs + ms, resolve }));
          return { done, wake: () => {} };
        },
      },
      () => {
        this.collectedAtMs.push(this.nowMs);
        this.nowMs += collectingMs;
      },
    );
  }

  async passUntil(ms: number): Promise<void> {
    for (; this.nowMs < ms; this.nowMs++) {
      for (const sleeper of this.#sleepers.filter(({ untilMs }) => untilMs <= this.nowMs)) {
        this.#sleepers.splice(this.#sleepers.indexOf(sleeper), 1);
        sleeper.resolve();
        await Promise.resolve();
      }
    }
  }
}

test("garbage collection: machines that end together have their memory collected once", async () => {
  const host = new Host(100);
  for (let count = 0; count < 200; count++) host.garbage.request();
  await host.passUntil(5000);
  expect(host.collectedAtMs).toHaveLength(1);
  expect(host.collectedAtMs[0]).toBeLessThan(200);
});

test("garbage collection: takes no more than a tenth of a thread's time, and what is asked for is done", async () => {
  const host = new Host(100);
  for (let ms = 0; ms < 10_000; ms += 10) {
    host.garbage.request();
    await host.passUntil(ms + 10);
  }
  expect(host.collectedAtMs.length * 100).toBeLessThanOrEqual(1100);
  expect(host.collectedAtMs.length).toBeGreaterThan(5);
  const last = host.nowMs;
  host.garbage.request();
  await host.passUntil(last + 2000);
  expect(host.collectedAtMs.at(-1)).toBeGreaterThan(last);
});
