import { describe, expect, test } from "vitest";
import { HostClock, VirtualClock } from "../../host/machine/clock.js";
import { FakeHost, FakeTimer } from "./fake-host.js";

const TICKS_PER_MS = 10_000;
const NO_LIMIT = Number.MAX_SAFE_INTEGER;

describe("virtual clock", () => {
  test("time passes with instructions only, at 100 ns a tick", () => {
    const timer = new FakeTimer();
    const clock = new VirtualClock(timer);
    const start = clock.now();
    const budget = clock.startSlice(NO_LIMIT);
    timer.retire(budget);
    expect(clock.now() - start).toBe(timer.mtime * 100n);
    expect(timer.mtime).toBeGreaterThan(0n);
    // Every slice is as long as the last one, however fast it went.
    clock.endSlice();
    expect(clock.startSlice(NO_LIMIT)).toBe(budget);
  });

  test("a slice ends where an alarm is due, and the alarm goes off at the start of the next", () => {
    const timer = new FakeTimer();
    const clock = new VirtualClock(timer);
    const fired: bigint[] = [];
    clock.at(clock.now() + 150n, () => fired.push(timer.mtime));
    const budget = clock.startSlice(NO_LIMIT);
    timer.retire(budget);
    expect(timer.mtime).toBe(2n);
    clock.startSlice(NO_LIMIT);
    expect(fired).toEqual([2n]);
  });

  test("an idle machine skips to the next timer or alarm, whichever is earlier", () => {
    const timer = new FakeTimer();
    const clock = new VirtualClock(timer);
    timer.nextTimer = 5000n;
    const cancel = clock.at(clock.now() + 400_000n, () => {});
    expect(clock.idleMs()).toBe(0);
    expect(timer.mtime).toBe(4000n);
    cancel();
    expect(clock.idleMs()).toBe(0);
    expect(timer.mtime).toBe(5000n);
  });

  test("a machine without timer and alarm waits for the outside", () => {
    const timer = new FakeTimer();
    expect(new VirtualClock(timer).idleMs()).toBe(Number.POSITIVE_INFINITY);
    expect(timer.mtime).toBe(0n);
  });

  test("a machine that only takes traps gets older all the same", () => {
    const timer = new FakeTimer();
    new VirtualClock(timer).stuckMs();
    expect(timer.mtime).toBeGreaterThan(0n);
  });

  test("setting mtime moves neither the wall clock nor the alarms", () => {
    const timer = new FakeTimer();
    const clock = new VirtualClock(timer);
    const start = clock.now();
    clock.at(start + 1000n, () => {});
    clock.setMtime(1_000_000n);
    expect(clock.now()).toBe(start);
    clock.idleMs();
    expect(timer.mtime).toBe(1_000_010n);
  });
});

describe("host clock", () => {
  test("mtime follows the host's time from slice to slice", () => {
    const host = new FakeHost();
    const timer = new FakeTimer();
    const clock = new HostClock(timer, host);
    for (let ms = 7; ms < 100; ms += 7) {
      host.ms = 1000 + ms;
      clock.startSlice(NO_LIMIT);
      expect(timer.mtime).toBe(BigInt(ms * TICKS_PER_MS));
    }
  });

  test("a slice is sized to take some milliseconds at the speed measured", () => {
    const host = new FakeHost();
    const timer = new FakeTimer();
    const clock = new HostClock(timer, host);
    const speed = 400_000; // instructions a ms
    let budget = 0;
    for (let slice = 0; slice < 40; slice++) {
      budget = clock.startSlice(NO_LIMIT);
      timer.retire(budget);
      host.ms += budget / speed;
      clock.endSlice(budget, true);
    }
    expect(budget / speed).toBeGreaterThan(2);
    expect(budget / speed).toBeLessThan(4);
  });

  test("time never runs backwards and is never ahead of the host by more than a slice, whatever the speed does", () => {
    const host = new FakeHost();
    const timer = new FakeTimer();
    const clock = new HostClock(timer, host);
    let last = 0n;
    for (let slice = 0; slice < 200; slice++) {
      const budget = clock.startSlice(NO_LIMIT);
      expect(timer.mtime).toBeGreaterThanOrEqual(last);
      timer.retire(budget);
      last = timer.mtime;
      const aheadMs = Number(timer.mtime) / TICKS_PER_MS - (host.ms - 1000);
      expect(aheadMs).toBeLessThanOrEqual(5);
      // Slices that take 0.1 to 30 ms, unrelated to their length.
      const elapsedMs = slice % 7 === 0 ? 30 : 0.1 * (slice % 5);
      host.ms += elapsedMs;
      clock.endSlice(budget, true);
    }
  });

  test("a host that is slow to tell time apart still finds the speed", () => {
    const host = new FakeHost();
    const timer = new FakeTimer();
    const clock = new HostClock(timer, host);
    const speed = 1_000_000;
    let trueMs = 0;
    let budget = 0;
    for (let slice = 0; slice < 200; slice++) {
      budget = clock.startSlice(NO_LIMIT);
      trueMs += budget / speed;
      host.ms = 1000 + Math.floor(trueMs); // a clock of 1 ms
      clock.endSlice(budget, true);
    }
    expect(budget / speed).toBeGreaterThan(1);
    expect(budget / speed).toBeLessThan(6);
  });

  test("a busy guest sees no jump of time when the host does something else, and is where the host is a slice later", () => {
    const host = new FakeHost();
    const timer = new FakeTimer();
    const clock = new HostClock(timer, host);
    const budget = clock.startSlice(NO_LIMIT);
    timer.retire(budget);
    host.ms += 40;
    clock.endSlice(budget, true);
    const before = timer.mtime;
    const next = clock.startSlice(NO_LIMIT);
    expect(timer.mtime).toBe(before);
    timer.retire(next);
    expect(Number(timer.mtime) / TICKS_PER_MS).toBeGreaterThanOrEqual(40);
    expect(Number(timer.mtime) / TICKS_PER_MS).toBeLessThan(45);
  });

  test.each([
    ["that waited", 40, false, undefined],
    ["whose host was away for long", 5000, true, undefined],
    ["that was not granted a turn meanwhile", 40, true, 10_000],
  ])("a guest %s goes on at the host's time", (_who, ms, isBusy, granted) => {
    const host = new FakeHost();
    const timer = new FakeTimer();
    const clock = new HostClock(timer, host);
    const budget = clock.startSlice(NO_LIMIT, granted);
    timer.retire(budget);
    host.ms += ms;
    clock.endSlice(budget, isBusy);
    clock.startSlice(NO_LIMIT, granted);
    expect(timer.mtime).toBe(BigInt(ms * TICKS_PER_MS));
  });

  test("an idle machine waits until the timer or the alarm is due", () => {
    const host = new FakeHost();
    const timer = new FakeTimer();
    const clock = new HostClock(timer, host);
    expect(clock.idleMs()).toBe(Number.POSITIVE_INFINITY);
    timer.nextTimer = BigInt(25 * TICKS_PER_MS);
    expect(clock.idleMs()).toBeCloseTo(25, 3);
    clock.at(clock.now() + 12_000_000n, () => {});
    expect(clock.idleMs()).toBeCloseTo(12, 3);
    host.ms += 30;
    expect(clock.idleMs()).toBe(0);
  });

  test("an alarm goes off at the start of the first slice after its time", () => {
    const host = new FakeHost();
    const clock = new HostClock(new FakeTimer(), host);
    const fired: number[] = [];
    clock.at(clock.now() + 10_000_000n, () => fired.push(host.ms));
    clock.startSlice(NO_LIMIT);
    host.ms += 11;
    clock.startSlice(NO_LIMIT);
    clock.startSlice(NO_LIMIT);
    expect(fired).toEqual([1011]);
  });

  test("the wall clock does not go backwards when the host's is set back", () => {
    const host = new FakeHost();
    const clock = new HostClock(new FakeTimer(), host);
    const before = clock.now();
    host.ms -= 500;
    expect(clock.now()).toBe(before);
  });

  test("mtime goes on from what the guest sets it to", () => {
    const host = new FakeHost();
    const timer = new FakeTimer();
    const clock = new HostClock(timer, host);
    clock.startSlice(NO_LIMIT);
    clock.setMtime(7n);
    host.ms += 3;
    clock.startSlice(NO_LIMIT);
    expect(timer.mtime).toBe(BigInt(7 + 3 * TICKS_PER_MS));
  });
});
