import { expect, test } from "vitest";
import type { LaneReading } from "../../host/hypervisor/messages.js";
import { GIB_WATTS, Meter, NO_USAGE, PROCESSOR_WATTS, totalUsage } from "../../host/hypervisor/meter.js";

const GIB = 2 ** 30;

function reading(rest: Partial<LaneReading>): LaneReading {
  return {
    lane: 1,
    instructions: 0,
    busyMs: 0,
    stolenMs: 0,
    waits: 0,
    touchedByteLength: 0,
    residentByteLength: 0,
    spareByteLength: null,
    diskByteLength: 0,
    balloonByteLength: 0,
    diskReads: 0,
    diskReadBytes: 0,
    diskWrites: 0,
    diskWrittenBytes: 0,
    networkReceivedFrames: 0,
    networkReceivedBytes: 0,
    networkSentFrames: 0,
    networkSentBytes: 0,
    ...rest,
  };
}

test("what is used only grows, over any number of workers, and goes on from what was used before", () => {
  const meter = new Meter({ ...NO_USAGE, instructions: 1000, diskReads: 5 }, 0);
  meter.begin(0);
  meter.take(reading({ instructions: 100, busyMs: 500, touchedByteLength: GIB, diskReads: 1 }), 1000, 1);
  expect(meter.usage).toMatchObject({ instructions: 1100, diskReads: 6, processorSeconds: 0.5, memoryGibSeconds: 1 });
  meter.take(reading({ instructions: 150, busyMs: 500, touchedByteLength: GIB, diskReads: 1 }), 3000, 1);
  expect(meter.usage).toMatchObject({ instructions: 1150, diskReads: 6, processorSeconds: 0.5, memoryGibSeconds: 3 });
  meter.end();
  meter.begin(10_000);
  meter.take(reading({ instructions: 7, busyMs: 250 }), 11_000, 1);
  expect(meter.usage).toMatchObject({ instructions: 1157, processorSeconds: 0.75, memoryGibSeconds: 3 });
});

test("the energy is what the formula says", () => {
  const meter = new Meter(NO_USAGE, 0);
  meter.begin(0);
  meter.take(reading({ busyMs: 2000, touchedByteLength: GIB / 2 }), 4000, 1);
  expect(meter.usage.energyJoules).toBeCloseTo(2 * PROCESSOR_WATTS + 2 * GIB_WATTS);
});

test("the load is that of the last reading", () => {
  const meter = new Meter(NO_USAGE, 0);
  meter.begin(0);
  meter.take(reading({ busyMs: 250, stolenMs: 500, touchedByteLength: 7, balloonByteLength: 9 }), 1000, 0.5);
  expect(meter.load).toMatchObject({
    processors: 0.25,
    steal: 0.5,
    entitlement: 0.5,
    touchedByteLength: 7,
    balloonByteLength: 9,
  });
  meter.end();
  expect(meter.load).toMatchObject({ processors: 0, steal: 0, entitlement: 0, touchedByteLength: 0 });
});

test("samples are of an hour at most, one in five seconds", () => {
  const meter = new Meter(NO_USAGE, 0);
  meter.begin(1);
  for (let second = 1; second <= 5000; second++) {
    meter.take(reading({ busyMs: second * 100, diskWrittenBytes: second * 1000 }), second * 1000, 1);
    meter.sample(second * 1000);
  }
  expect(meter.samples.length).toBe(720);
  expect(meter.samples.at(-1)!.time - meter.samples[0]!.time).toBe(719 * 5000);
  expect(meter.samples.at(-1)!.processors).toBeCloseTo(0.1);
  expect(meter.samples.at(-1)!.diskBytesPerSecond).toBeCloseTo(1000);
});

test("a pool's usage is the sum of its machines'", () => {
  const one = { ...NO_USAGE, instructions: 3, energyJoules: 0.5 };
  expect(totalUsage([one, one])).toEqual({ ...NO_USAGE, instructions: 6, energyJoules: 1 });
  expect(totalUsage([])).toEqual(NO_USAGE);
});
