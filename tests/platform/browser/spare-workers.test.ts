import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { SpareWorkers } from "../../../host/platform/browser/spare-workers.js";

/** What of a worker counts here. */
class FakeWorker {
  static all: FakeWorker[] = [];
  onerror: ((event: { preventDefault(): void }) => void) | null = null;
  isTerminated = false;

  constructor() {
    FakeWorker.all.push(this);
  }

  terminate(): void {
    this.isTerminated = true;
  }
}

let workers: SpareWorkers;
beforeEach(() => {
  vi.useFakeTimers();
  FakeWorker.all = [];
  workers = new SpareWorkers(() => new FakeWorker() as unknown as Worker);
});
afterEach(() => {
  vi.useRealTimers();
});

const living = () => FakeWorker.all.filter(({ isTerminated }) => !isTerminated).length;

test("spare workers: a page with one machine has none", () => {
  workers.take();
  vi.runAllTimers();
  expect(FakeWorker.all).toHaveLength(1);
});

test("spare workers: beside a second machine two wait, which the next ones get, and others take their place", () => {
  workers.take();
  workers.take();
  expect(FakeWorker.all).toHaveLength(2);
  vi.runAllTimers();
  const [, , third, fourth] = FakeWorker.all;
  expect(FakeWorker.all).toHaveLength(4);
  expect([workers.take(), workers.take()]).toEqual([third, fourth]);
  vi.runAllTimers();
  expect(FakeWorker.all).toHaveLength(6);
});

test("spare workers: one that fails while it waits is given to nobody", () => {
  workers.take();
  workers.take();
  vi.runAllTimers();
  const [, , third, fourth] = FakeWorker.all;
  third!.onerror?.({ preventDefault: () => {} });
  expect(workers.take()).toBe(fourth);
});

test("spare workers: none are left when the last machine has gone", () => {
  workers.take();
  workers.take();
  vi.runAllTimers();
  expect(living()).toBe(4);
  workers.ended();
  workers.ended();
  vi.runAllTimers();
  expect(living()).toBe(2);
});
