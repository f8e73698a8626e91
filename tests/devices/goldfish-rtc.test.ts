import { beforeEach, describe, expect, test } from "vitest";
import { GoldfishRtc } from "../../host/devices/goldfish-rtc.js";
import { deviceContract } from "../contracts/device-contract.js";
import { FakeClock } from "./fake-clock.js";
import { FakeLine } from "./fake-line.js";

const TIME_LOW = 0x00;
const TIME_HIGH = 0x04;
const ALARM_LOW = 0x08;
const ALARM_HIGH = 0x0c;
const IRQ_ENABLED = 0x10;
const CLEAR_ALARM = 0x14;
const ALARM_STATUS = 0x18;
const CLEAR_INTERRUPT = 0x1c;

const START = 0x1797_9cfe_362a_0000n;

let clock: FakeClock;
let line: FakeLine;
let rtc: GoldfishRtc;

function create(): { device: GoldfishRtc; clock: FakeClock; line: FakeLine } {
  const clock = new FakeClock(START);
  const line = new FakeLine();
  return { device: new GoldfishRtc({ clock, interrupt: line }), clock, line };
}

beforeEach(() => {
  ({ device: rtc, clock, line } = create());
});

const get = (register: number) => rtc.read(register, 4);
const set = (register: number, value: number) => rtc.write(register, value, 4);

function time(): bigint {
  const low = BigInt(get(TIME_LOW));
  return (BigInt(get(TIME_HIGH)) << 32n) | low;
}

function setTime(value: bigint): void {
  set(TIME_HIGH, Number(value >> 32n));
  set(TIME_LOW, Number(value & 0xffff_ffffn));
}

function setAlarm(value: bigint): void {
  set(ALARM_HIGH, Number(value >> 32n));
  set(ALARM_LOW, Number(value & 0xffff_ffffn));
}

describe("goldfish-rtc: time", () => {
  test("it is the clock's", () => {
    expect(time()).toBe(START);
    clock.advance(5_000_000_000n);
    expect(time()).toBe(START + 5_000_000_000n);
  });

  test("reading TIME_LOW latches TIME_HIGH", () => {
    clock.advance(0x1797_9cfe_ffff_ffffn - START);
    expect(get(TIME_LOW)).toBe(0xffff_ffff);
    clock.advance(1n);
    expect(get(TIME_HIGH)).toBe(0x1797_9cfe);
    expect(get(TIME_LOW)).toBe(0);
    expect(get(TIME_HIGH)).toBe(0x1797_9cff);
  });

  test("it can be set, and goes on from there", () => {
    setTime(1_000_000_000_000_000_000n);
    expect(time()).toBe(1_000_000_000_000_000_000n);
    clock.advance(7n);
    expect(time()).toBe(1_000_000_000_000_000_007n);
  });

  test("accesses that are not words reach nothing", () => {
    expect(rtc.read(TIME_LOW, 2)).toBe(0);
    rtc.write(IRQ_ENABLED, 1, 1);
    expect(get(IRQ_ENABLED)).toBe(0);
  });
});

describe("goldfish-rtc: alarm", () => {
  test("it goes off in time, stops running and interrupts until CLEAR_INTERRUPT", () => {
    set(IRQ_ENABLED, 1);
    setAlarm(START + 1000n);
    expect([get(ALARM_STATUS), line.level]).toEqual([1, false]);
    clock.advance(999n);
    expect(line.level).toBe(false);
    clock.advance(1n);
    expect([get(ALARM_STATUS), line.level]).toEqual([0, true]);
    set(CLEAR_INTERRUPT, 1);
    expect(line.level).toBe(false);
    clock.advance(5000n);
    expect(line.riseCount).toBe(1);
  });

  test("set in the past, it goes off at once", () => {
    set(IRQ_ENABLED, 1);
    setAlarm(START - 1n);
    expect([get(ALARM_STATUS), line.level]).toEqual([0, true]);
  });

  test("its interrupt waits for IRQ_ENABLED", () => {
    setAlarm(START);
    expect(line.level).toBe(false);
    set(IRQ_ENABLED, 1);
    expect(line.level).toBe(true);
    set(IRQ_ENABLED, 0);
    expect(line.level).toBe(false);
  });

  test("CLEAR_ALARM stops it", () => {
    set(IRQ_ENABLED, 1);
    setAlarm(START + 1000n);
    set(CLEAR_ALARM, 1);
    expect([get(ALARM_STATUS), clock.alarmCount]).toEqual([0, 0]);
    clock.advance(5000n);
    expect(line.level).toBe(false);
  });

  test("setting it again moves it, and it reads back", () => {
    setAlarm(START + 1000n);
    setAlarm(START + 3000n);
    expect((BigInt(get(ALARM_HIGH)) << 32n) | BigInt(get(ALARM_LOW))).toBe(START + 3000n);
    expect(clock.alarmCount).toBe(1);
    clock.advance(2999n);
    expect(get(ALARM_STATUS)).toBe(1);
    clock.advance(1n);
    expect(get(ALARM_STATUS)).toBe(0);
  });

  test("writing its high half stops it until the low half is written", () => {
    setAlarm(START + 3000n);
    set(ALARM_HIGH, 0);
    expect(get(ALARM_STATUS)).toBe(0);
    clock.advance(5000n);
    set(IRQ_ENABLED, 1);
    expect(line.level).toBe(false);
    set(ALARM_LOW, 0);
    expect(line.level).toBe(true);
  });

  test("it follows the guest's time when that is set", () => {
    setTime(5000n);
    setAlarm(6000n);
    setTime(5900n);
    clock.advance(99n);
    expect(get(ALARM_STATUS)).toBe(1);
    clock.advance(1n);
    expect(get(ALARM_STATUS)).toBe(0);
  });

  test("at the end of time it just waits", () => {
    setAlarm(0xffff_ffff_ffff_ffffn);
    clock.advance(1_000_000_000_000n);
    expect(get(ALARM_STATUS)).toBe(1);
  });
});

describe("goldfish-rtc: state", () => {
  test("a restored alarm goes off, once", () => {
    set(IRQ_ENABLED, 1);
    setAlarm(START + 1000n);
    const restored = create();
    restored.device.load(rtc.save());
    restored.clock.advance(1000n);
    expect(restored.line.riseCount).toBe(1);
  });

  test("an alarm whose time has passed in the meantime goes off on load", () => {
    set(IRQ_ENABLED, 1);
    setAlarm(START + 1000n);
    const restored = create();
    restored.clock.advance(2000n);
    restored.device.load(rtc.save());
    expect(restored.line.level).toBe(true);
  });

  test("reset leaves no alarm behind", () => {
    setAlarm(START + 1000n);
    rtc.reset();
    expect(clock.alarmCount).toBe(0);
  });
});

deviceContract("goldfish-rtc", () => {
  const { device, line } = create();
  const offsets = [TIME_LOW, TIME_HIGH, ALARM_LOW, ALARM_HIGH, IRQ_ENABLED, CLEAR_ALARM, ALARM_STATUS, CLEAR_INTERRUPT];
  return { device, lines: () => [line.level], offsets };
});
