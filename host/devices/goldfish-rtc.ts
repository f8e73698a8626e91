/**
 * Goldfish real-time clock: nanoseconds since 1970, with one alarm.
 *
 * | offset | access | register                                                              |
 * |--------|--------|-----------------------------------------------------------------------|
 * | 0x00   | rw     | TIME_LOW: reading latches TIME_HIGH; writing sets the low half        |
 * | 0x04   | rw     | TIME_HIGH: the latched high half; writing sets the high half          |
 * | 0x08   | rw     | ALARM_LOW: writing also starts the alarm                              |
 * | 0x0c   | rw     | ALARM_HIGH: written before ALARM_LOW; writing stops the alarm         |
 * | 0x10   | rw     | IRQ_ENABLED: bit 0                                                    |
 * | 0x14   | w      | CLEAR_ALARM: stops the alarm                                          |
 * | 0x18   | r      | ALARM_STATUS: 1 while the alarm is running                            |
 * | 0x1c   | w      | CLEAR_INTERRUPT: the alarm that went off has been seen                |
 *
 * Registers are 32 bits wide; other accesses reach nothing.
 *
 * Source: Android's "Goldfish virtual hardware" document, section "Goldfish timer", and what Linux's rtc-goldfish
 * driver expects.
 */
import { flag, type LiveStateOf, type StateOf, schema, u32, u64 } from "../util/schema.js";
import type { AlarmClock } from "./clock.js";
import type { Device, InterruptLine, Width } from "./device.js";

const WINDOW_BYTE_LENGTH = 0x1000;

const TIME_LOW = 0x00;
const TIME_HIGH = 0x04;
const ALARM_LOW = 0x08;
const ALARM_HIGH = 0x0c;
const IRQ_ENABLED = 0x10;
const CLEAR_ALARM = 0x14;
const ALARM_STATUS = 0x18;
const CLEAR_INTERRUPT = 0x1c;

const rtcSchema = schema("goldfish-rtc", 1, {
  timeOffset: u64("guest time minus clock time in ns, modulo 2^64"),
  latchedHigh: u32("TIME_HIGH as of the last read of TIME_LOW"),
  alarm: u64("guest time in ns at which the alarm goes off"),
  alarmRunning: flag("the alarm has been set and has not gone off"),
  interruptEnabled: flag("IRQ_ENABLED"),
  interruptPending: flag("the alarm has gone off and CLEAR_INTERRUPT has not been written"),
});
type RtcFields = typeof rtcSchema.fields;
type RtcState = StateOf<RtcFields>;

const POWER_ON: RtcState = {
  timeOffset: 0n,
  latchedHigh: 0,
  alarm: 0n,
  alarmRunning: false,
  interruptEnabled: false,
  interruptPending: false,
};

export interface RtcWires {
  readonly interrupt: InterruptLine;
  readonly clock: AlarmClock;
}

export class GoldfishRtc implements Device<RtcFields> {
  readonly schema = rtcSchema;
  readonly windowByteLength = WINDOW_BYTE_LENGTH;
  readonly #wires: RtcWires;
  #state!: LiveStateOf<RtcFields>;
  #cancelAlarm: () => void = () => {};

  constructor(wires: RtcWires) {
    this.#wires = wires;
    this.reset();
  }

  read(offset: number, width: Width): number {
    if (width !== 4) return 0;
    const state = this.#state;
    switch (offset) {
      case TIME_LOW: {
        const time = this.#time();
        state.latchedHigh = highHalf(time);
        return lowHalf(time);
      }
      case TIME_HIGH:
        return state.latchedHigh;
      case ALARM_LOW:
        return lowHalf(state.alarm);
      case ALARM_HIGH:
        return highHalf(state.alarm);
      case IRQ_ENABLED:
        return Number(state.interruptEnabled);
      case ALARM_STATUS:
        return Number(state.alarmRunning);
      default:
        return 0;
    }
  }

  write(offset: number, value: number, width: Width): void {
    if (width !== 4) return;
    const state = this.#state;
    switch (offset) {
      case TIME_LOW:
        this.#setTime(withLowHalf(this.#time(), value));
        break;
      case TIME_HIGH:
        this.#setTime(withHighHalf(this.#time(), value));
        break;
      case ALARM_LOW:
        state.alarm = withLowHalf(state.alarm, value);
        state.alarmRunning = true;
        this.#schedule();
        break;
      case ALARM_HIGH:
        // With one half new and one old, the alarm is of no use until ALARM_LOW is written.
        this.#stopAlarm();
        state.alarm = withHighHalf(state.alarm, value);
        break;
      case IRQ_ENABLED:
        state.interruptEnabled = (value & 1) !== 0;
        break;
      case CLEAR_ALARM:
        this.#stopAlarm();
        break;
      case CLEAR_INTERRUPT:
        state.interruptPending = false;
        break;
      default:
        return;
    }
    this.#updateInterrupt();
  }

  reset(): void {
    this.load(POWER_ON);
  }

  save(): RtcState {
    return { ...this.#state };
  }

  load(state: RtcState): void {
    this.#state = { ...state };
    this.#schedule();
    this.#updateInterrupt();
  }

  /** Guest time in ns, modulo 2^64. */
  #time(): bigint {
    return BigInt.asUintN(64, this.#wires.clock.now() + this.#state.timeOffset);
  }

  #setTime(time: bigint): void {
    this.#state.timeOffset = BigInt.asUintN(64, time - this.#wires.clock.now());
    this.#schedule();
  }

  #stopAlarm(): void {
    this.#state.alarmRunning = false;
    this.#cancelAlarm();
  }

  /** Brings the clock's callback in line with the alarm: one while the alarm is running, else none. */
  #schedule(): void {
    this.#cancelAlarm();
    this.#cancelAlarm = () => {};
    if (!this.#state.alarmRunning) return;
    const time = this.#time();
    const remaining = this.#state.alarm - time;
    if (remaining <= 0n) this.#goOff();
    else this.#cancelAlarm = this.#wires.clock.at(this.#wires.clock.now() + remaining, () => this.#goOff());
  }

  #goOff(): void {
    this.#state.alarmRunning = false;
    this.#state.interruptPending = true;
    this.#updateInterrupt();
  }

  #updateInterrupt(): void {
    this.#wires.interrupt.set(this.#state.interruptEnabled && this.#state.interruptPending);
  }
}

const LOW_HALF = 0xffff_ffffn;

function lowHalf(value: bigint): number {
  return Number(value & LOW_HALF);
}

function highHalf(value: bigint): number {
  return Number(value >> 32n);
}

function withLowHalf(value: bigint, low: number): bigint {
  return (value & ~LOW_HALF) | BigInt(low);
}

function withHighHalf(value: bigint, high: number): bigint {
  return (value & LOW_HALF) | (BigInt(high) << 32n);
}
