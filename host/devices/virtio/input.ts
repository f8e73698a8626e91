/**
 * Virtio input: keys, buttons and positions for the guest.
 *
 * | offset | configuration space                                                   |
 * |--------|-----------------------------------------------------------------------|
 * | 0      | select u8, written by the driver: what it wants to know               |
 * | 1      | subsel u8, written by the driver                                       |
 * | 2      | size u8: bytes of the answer; 0 when there is none                    |
 * | 8      | the answer                                                            |
 *
 * | queue | carries                                                                |
 * |-------|------------------------------------------------------------------------|
 * | 0     | events to the guest: type u16, code u16, value u32                     |
 * | 1     | events from the guest, such as a keyboard's lights                     |
 *
 * Source: virtio 1.2 section 5.8.
 */
import { dataView, utf8 } from "../../util/bytes.js";
import { assert } from "../../util/errors.js";
import { list, type StateOf, schema, struct, u8, u16, u32 } from "../../util/schema.js";
import type { Width } from "../device.js";
import {
  ABS_X,
  ABS_Y,
  BTN_EXTRA,
  BTN_LEFT,
  EV_ABS,
  EV_KEY,
  EV_LED,
  EV_REL,
  EV_REP,
  EV_SYN,
  type InputEvent,
  KEY_MAX_OF_KEYBOARD,
  LED_NUM_LOCK,
  LED_SCROLL_LOCK,
  REL_HWHEEL,
  REL_WHEEL,
  SYN_REPORT,
} from "./input-events.js";
import { VIRTIO_ID_INPUT, type VirtioDevice, type VirtioDriver } from "./virtio-device.js";

const EVENTS_TO_GUEST = 0;
const EVENTS_FROM_GUEST = 1;
const QUEUE_MAX_SIZE = 64;
const EVENT_BYTE_LENGTH = 8;
/** Events that wait for a guest which does not look; whole reports are dropped beyond that. */
const WAITING_MAX = 1024;

const CONFIG_SELECT = 0;
const CONFIG_SUBSEL = 1;
const CONFIG_SIZE = 2;
const CONFIG_ANSWER = 8;
const CONFIG_BYTE_LENGTH = 136;

const SELECT_NAME = 0x01;
const SELECT_SERIAL = 0x02;
const SELECT_IDS = 0x03;
const SELECT_EVENT_CODES = 0x11;
const SELECT_ABSOLUTE_RANGE = 0x12;

const BUS_VIRTUAL = 0x06;
/** As QEMU's, which drivers and configurations know. */
const VENDOR = 0x0627;
const VERSION = 1;

/** Positions of a tablet go from 0 to this in both directions. */
export const TABLET_POSITION_MAX = 0x7fff;

export type InputKind = "keyboard" | "tablet";

/** What a kind of device is to the guest. */
interface Description {
  readonly name: string;
  readonly product: number;
  /** The codes it sends or takes, by type. */
  readonly codes: ReadonlyMap<number, readonly number[]>;
}

const DESCRIPTIONS: Readonly<Record<InputKind, Description>> = {
  keyboard: {
    name: "Vivarium keyboard",
    product: 1,
    codes: new Map([
      [EV_KEY, range(1, KEY_MAX_OF_KEYBOARD)],
      [EV_LED, range(LED_NUM_LOCK, LED_SCROLL_LOCK)],
      // The guest repeats keys that stay down.
      [EV_REP, [0, 1]],
    ]),
  },
  tablet: {
    name: "Vivarium tablet",
    product: 3,
    codes: new Map([
      [EV_KEY, range(BTN_LEFT, BTN_EXTRA)],
      [EV_REL, [REL_HWHEEL, REL_WHEEL]],
      [EV_ABS, [ABS_X, ABS_Y]],
    ]),
  },
};

const inputSchema = schema("virtio-input", 1, {
  select: u8("what the driver wants to know"),
  subsel: u8("of what"),
  waiting: list(
    "events the guest has given no buffers for, oldest first",
    struct("an event", { type: u16("EV_..."), code: u16("which"), value: u32("as 32 bits") }),
    WAITING_MAX,
  ),
});
type InputFields = typeof inputSchema.fields;
type InputState = StateOf<InputFields>;

export interface VirtioInputOptions {
  readonly kind: InputKind;
  /** What the guest asks of the device, such as EV_LED for a light of the keyboard. */
  readonly onEvent?: (event: InputEvent) => void;
}

export class VirtioInput implements VirtioDevice<InputFields> {
  readonly schema = inputSchema;
  readonly deviceId = VIRTIO_ID_INPUT;
  readonly features = 0n;
  readonly queueMaxSizes = [QUEUE_MAX_SIZE, QUEUE_MAX_SIZE];
  readonly configGeneration = 0;
  readonly kind: InputKind;
  readonly #onEvent: (event: InputEvent) => void;
  #select = 0;
  #subsel = 0;
  #waiting: InputEvent[] = [];
  #driver: VirtioDriver | null = null;

  constructor({ kind, onEvent = () => {} }: VirtioInputOptions) {
    this.kind = kind;
    this.#onEvent = onEvent;
  }

  /**
   * Tells the guest of things that happen at the same time.
   *
   * @returns false when they were dropped because too much waits already, or nobody is there to see them
   */
  report(events: readonly InputEvent[]): boolean {
    for (const { type, code } of events) {
      assert(hasInputCode(this.kind, type, code), `a ${this.kind} has no event ${type}, ${code}`);
    }
    if (this.#driver === null || this.#waiting.length + events.length + 1 > WAITING_MAX) return false;
    this.#waiting.push(...events, { type: EV_SYN, code: SYN_REPORT, value: 0 });
    this.#deliver();
    return true;
  }

  /** A key or button goes down or up. @param code KEY_... or BTN_... of Linux */
  key(code: number, isDown: boolean): boolean {
    return this.report([{ type: EV_KEY, code, value: Number(isDown) }]);
  }

  /** The pointer of a tablet is now here: 0 to TABLET_POSITION_MAX from the left and from the top. */
  moveTo(x: number, y: number): boolean {
    return this.report([
      { type: EV_ABS, code: ABS_X, value: clampPosition(x) },
      { type: EV_ABS, code: ABS_Y, value: clampPosition(y) },
    ]);
  }

  /** The wheel of a tablet has turned. @param steps up or, negative, down */
  turnWheel(steps: number): boolean {
    return this.report([{ type: EV_REL, code: REL_WHEEL, value: Math.trunc(steps) }]);
  }

  get config(): Uint8Array {
    const config = new Uint8Array(CONFIG_BYTE_LENGTH);
    const answer = this.#answer();
    config[CONFIG_SELECT] = this.#select;
    config[CONFIG_SUBSEL] = this.#subsel;
    config[CONFIG_SIZE] = answer.length;
    config.set(answer, CONFIG_ANSWER);
    return config;
  }

  writeConfig(offset: number, value: number, width: Width): void {
    if (width !== 1) return;
    if (offset === CONFIG_SELECT) this.#select = value;
    else if (offset === CONFIG_SUBSEL) this.#subsel = value;
  }

  start(driver: VirtioDriver): void {
    this.#driver = driver;
  }

  kick(queueIndex: number): void {
    if (queueIndex === EVENTS_TO_GUEST) this.#deliver();
    else if (queueIndex === EVENTS_FROM_GUEST) this.#takeEvents();
  }

  stop(): void {
    this.#driver = null;
    this.#select = 0;
    this.#subsel = 0;
    this.#waiting = [];
  }

  reset(): void {
    this.stop();
  }

  save(): InputState {
    return {
      select: this.#select,
      subsel: this.#subsel,
      waiting: this.#waiting.map(({ type, code, value }) => ({ type, code, value: value >>> 0 })),
    };
  }

  load({ select, subsel, waiting }: InputState): void {
    this.stop();
    this.#select = select;
    this.#subsel = subsel;
    this.#waiting = waiting.map(({ type, code, value }) => ({ type, code, value: value | 0 }));
  }

  #deliver(): void {
    const queue = this.#waiting.length > 0 ? this.#driver?.queue(EVENTS_TO_GUEST) : undefined;
    if (queue === undefined) return;
    let sent = 0;
    for (const chain of queue.chains()) {
      const bytes = encodeEvent(this.#waiting[sent++]!).subarray(0, chain.writable.byteLength);
      chain.writable.write(0, bytes);
      queue.push(chain, bytes.length);
      if (sent === this.#waiting.length) break;
    }
    this.#waiting.splice(0, sent);
    queue.notify();
  }

  #takeEvents(): void {
    const driver = this.#driver;
    if (driver === null) return;
    const queue = driver.queue(EVENTS_FROM_GUEST);
    for (const chain of queue.chains()) {
      const isEvent = chain.readable.byteLength >= EVENT_BYTE_LENGTH;
      const view = isEvent ? dataView(chain.readable.bytes(0, EVENT_BYTE_LENGTH)) : null;
      queue.push(chain, 0);
      if (view === null) continue;
      this.#onEvent({ type: view.getUint16(0, true), code: view.getUint16(2, true), value: view.getInt32(4, true) });
      if (driver !== this.#driver) return;
    }
    queue.notify();
  }

  /** What the driver wants to know; nothing if there is no such thing. */
  #answer(): Uint8Array {
    const { name, product, codes } = DESCRIPTIONS[this.kind];
    const isPlain = this.#subsel === 0;
    switch (this.#select) {
      case SELECT_NAME:
        return isPlain ? utf8(name) : new Uint8Array();
      case SELECT_SERIAL:
        return new Uint8Array();
      case SELECT_IDS:
        return isPlain ? littleEndian(2, [BUS_VIRTUAL, VENDOR, product, VERSION]) : new Uint8Array();
      case SELECT_EVENT_CODES:
        return bitmap(codes.get(this.#subsel) ?? []);
      case SELECT_ABSOLUTE_RANGE: {
        const isAxis = codes.get(EV_ABS)?.includes(this.#subsel) === true;
        return isAxis ? littleEndian(4, [0, TABLET_POSITION_MAX, 0, 0, 0]) : new Uint8Array();
      }
      default:
        return new Uint8Array();
    }
  }
}

/** Whether a kind of device can tell of this. */
export function hasInputCode(kind: InputKind, type: number, code: number): boolean {
  return DESCRIPTIONS[kind].codes.get(type)?.includes(code) === true;
}

function encodeEvent({ type, code, value }: InputEvent): Uint8Array {
  const bytes = new Uint8Array(EVENT_BYTE_LENGTH);
  const view = dataView(bytes);
  view.setUint16(0, type, true);
  view.setUint16(2, code, true);
  view.setInt32(4, value, true);
  return bytes;
}

function littleEndian(width: 2 | 4, values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(width * values.length);
  const view = dataView(bytes);
  for (const [index, value] of values.entries()) {
    if (width === 2) view.setUint16(2 * index, value, true);
    else view.setUint32(4 * index, value, true);
  }
  return bytes;
}

/** One bit for each number; no longer than it must be. */
function bitmap(numbers: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(numbers.length === 0 ? 0 : Math.floor(Math.max(...numbers) / 8) + 1);
  for (const number of numbers) bytes[Math.floor(number / 8)]! |= 1 << (number % 8);
  return bytes;
}

function clampPosition(position: number): number {
  return Math.max(0, Math.min(TABLET_POSITION_MAX, Math.round(position)));
}

function range(first: number, last: number): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
