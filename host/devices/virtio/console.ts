/**
 * Virtio console: a console and any number of named byte streams between host and guest.
 *
 * | offset | configuration space                                            |
 * |--------|----------------------------------------------------------------|
 * | 0      | cols u16                                                       |
 * | 2      | rows u16                                                       |
 * | 4      | max_nr_ports u32                                               |
 *
 * | queue            | carries                                              |
 * |------------------|------------------------------------------------------|
 * | 0, 1             | port 0: to the guest, from the guest                 |
 * | 2, 3             | control messages: to the guest, from the guest       |
 * | 2 n + 2, 2 n + 3 | port n from 1 on: to the guest, from the guest       |
 *
 *     control message: port id u32 | event u16 | value u16 | name, or cols u16 and rows u16
 *
 * Port 0 exists only as a console. A driver that does not know of ports has only that.
 *
 * Source: virtio 1.2 section 5.3.
 */
import { dataView, utf8 } from "../../util/bytes.js";
import { assert } from "../../util/errors.js";
import { type Schema, type StateOf, schema, table, u16, u32 } from "../../util/schema.js";
import {
  ANNOUNCE_ADD,
  ANNOUNCE_CONSOLE,
  ANNOUNCE_NAME,
  ANNOUNCE_OPEN,
  ANNOUNCE_RESIZE,
  type ConsolePort,
  consolePortState,
  VirtioConsolePort,
} from "./console-port.js";
import type { DescriptorChain } from "./descriptor-chain.js";
import { featureSet, hasFeature, VIRTIO_ID_CONSOLE, type VirtioDevice, type VirtioDriver } from "./virtio-device.js";

export const VIRTIO_CONSOLE_F_SIZE = 0;
export const VIRTIO_CONSOLE_F_MULTIPORT = 1;

export const CONSOLE_DEVICE_READY = 0;
export const CONSOLE_DEVICE_ADD = 1;
export const CONSOLE_PORT_READY = 3;
export const CONSOLE_CONSOLE_PORT = 4;
export const CONSOLE_RESIZE = 5;
export const CONSOLE_PORT_OPEN = 6;
export const CONSOLE_PORT_NAME = 7;

const CONTROL_TO_GUEST = 2;
const CONTROL_FROM_GUEST = 3;
const QUEUE_MAX_SIZE = 64;
const QUEUES_PER_PORT = 2;
const CONTROL_BYTE_LENGTH = 8;

const CONFIG_BYTE_LENGTH = 12;
const CONFIG_COLS = 0;
const CONFIG_ROWS = 2;
const CONFIG_MAX_NR_PORTS = 4;

const CONSOLE_PORT_ID = 0;
/** What a driver may send in one buffer. Linux sends at most 32 KiB, splice some pages more. */
const BUFFER_BYTE_LENGTH_MAX = 1 << 20;

function consoleFields(portCount: number) {
  return {
    columns: u16("width of the console in characters; 0 before it is known"),
    rows: u16("height of the console in characters"),
    configGeneration: u32("how often the size has changed, modulo 2^32"),
    ports: table("the ports that exist, by id", consolePortState, portCount),
  };
}
type ConsoleFields = ReturnType<typeof consoleFields>;
type ConsoleState = StateOf<ConsoleFields>;

export interface VirtioConsoleOptions {
  /** Becomes port 0, which the guest uses as its console (hvc0 in Linux). */
  readonly console?: ConsolePort;
  /** Become ports 1, 2, ... with different names. */
  readonly ports: readonly ConsolePort[];
}

export class VirtioConsole implements VirtioDevice<ConsoleFields> {
  readonly schema: Schema<ConsoleFields>;
  readonly deviceId = VIRTIO_ID_CONSOLE;
  readonly features = featureSet(VIRTIO_CONSOLE_F_SIZE, VIRTIO_CONSOLE_F_MULTIPORT);
  readonly queueMaxSizes: readonly number[];
  /** The ports that exist, by id. */
  readonly #ports: readonly VirtioConsolePort[];
  readonly #idCount: number;
  #columns = 0;
  #rows = 0;
  #configGeneration = 0;
  #driver: VirtioDriver | null = null;

  constructor({ console, ports }: VirtioConsoleOptions) {
    assert(new Set(ports.map(({ name }) => name)).size === ports.length, "virtio-console: two ports of one name");
    const numbered = ports.map((host, index) => this.#createPort(index + 1, host));
    this.#ports = console === undefined ? numbered : [this.#createPort(CONSOLE_PORT_ID, console), ...numbered];
    this.#idCount = ports.length + 1;
    this.queueMaxSizes = new Array<number>(QUEUES_PER_PORT * (this.#idCount + 1)).fill(QUEUE_MAX_SIZE);
    this.schema = schema("virtio-console", 1, consoleFields(this.#ports.length));
  }

  /** The host's end of the port of this name; undefined if there is none. */
  port(name: string): VirtioConsolePort | undefined {
    return this.#ports.find((port) => port.name === name);
  }

  /** Tells the guest the size of the console, in characters. */
  resize(columns: number, rows: number): void {
    this.#columns = columns & 0xffff;
    this.#rows = rows & 0xffff;
    this.#configGeneration = (this.#configGeneration + 1) >>> 0;
    if (!this.#hasSize) return;
    const console = this.#portOf(CONSOLE_PORT_ID);
    if (console?.isReady === true) console.announce(ANNOUNCE_RESIZE);
    this.#announce();
    this.#driver?.configChanged();
  }

  get config(): Uint8Array {
    const config = new Uint8Array(CONFIG_BYTE_LENGTH);
    const view = dataView(config);
    view.setUint16(CONFIG_COLS, this.#columns, true);
    view.setUint16(CONFIG_ROWS, this.#rows, true);
    view.setUint32(CONFIG_MAX_NR_PORTS, this.#idCount, true);
    return config;
  }

  get configGeneration(): number {
    return this.#configGeneration;
  }

  writeConfig(): void {}

  start(driver: VirtioDriver): void {
    this.#driver = driver;
    // Without ports nobody opens the console.
    if (!this.#hasPorts) this.#portOf(CONSOLE_PORT_ID)?.setGuestOpen(true);
  }

  kick(queueIndex: number): void {
    if (!this.#hasPorts) this.#kickPort(queueIndex, CONSOLE_PORT_ID);
    else if (queueIndex === CONTROL_TO_GUEST) this.#announce();
    else if (queueIndex === CONTROL_FROM_GUEST) this.#takeControl();
    else this.#kickPort(queueIndex, portIdOf(queueIndex));
  }

  stop(): void {
    this.#driver = null;
    for (const port of this.#ports) port.stop();
  }

  reset(): void {
    this.#driver = null;
    this.#columns = 0;
    this.#rows = 0;
    this.#configGeneration = 0;
    for (const port of this.#ports) port.reset();
  }

  save(): ConsoleState {
    return {
      columns: this.#columns,
      rows: this.#rows,
      configGeneration: this.#configGeneration,
      ports: this.#ports.map((port) => port.save()),
    };
  }

  load(state: ConsoleState): void {
    this.#driver = null;
    this.#columns = state.columns;
    this.#rows = state.rows;
    this.#configGeneration = state.configGeneration;
    this.#ports.forEach((port, index) => {
      port.load(state.ports[index]!);
    });
  }

  #createPort(id: number, host: ConsolePort): VirtioConsolePort {
    const port = new VirtioConsolePort(id, host, () => {
      this.#deliver(port);
      this.#announce();
    });
    return port;
  }

  #portOf(id: number): VirtioConsolePort | undefined {
    return this.#ports.find((port) => port.id === id);
  }

  #kickPort(queueIndex: number, id: number): void {
    if (queueIndex === toGuest(id)) this.#deliver(this.#portOf(id));
    else if (queueIndex === fromGuest(id)) this.#takeOutput(queueIndex, this.#portOf(id));
  }

  get #hasPorts(): boolean {
    return this.#driver !== null && hasFeature(this.#driver.features, VIRTIO_CONSOLE_F_MULTIPORT);
  }

  get #hasSize(): boolean {
    return this.#driver !== null && hasFeature(this.#driver.features, VIRTIO_CONSOLE_F_SIZE);
  }

  /** Moves what waits for the guest into the buffers it has made available. */
  #deliver(port: VirtioConsolePort | undefined): void {
    if (this.#driver === null || port === undefined || !port.isDeliverable) return;
    const queue = this.#driver.queue(toGuest(port.id));
    for (const chain of queue.chains()) {
      const bytes = port.take(chain.writable.byteLength);
      chain.writable.write(0, bytes);
      queue.push(chain, bytes.length);
      if (!port.isDeliverable) break;
    }
    queue.notify();
    this.#announce();
    port.offerRoom();
  }

  /** Hands the host what the guest has written; a port that does not exist swallows it. */
  #takeOutput(queueIndex: number, port: VirtioConsolePort | undefined): void {
    const queue = this.#driver?.queue(queueIndex);
    if (queue === undefined) return;
    for (const { chain, bytes } of this.#buffers(queueIndex)) {
      queue.push(chain, 0);
      if (bytes.length > 0) port?.receive(bytes);
    }
    queue.notify();
  }

  #takeControl(): void {
    const queue = this.#driver?.queue(CONTROL_FROM_GUEST);
    if (queue === undefined) return;
    for (const { chain, bytes } of this.#buffers(CONTROL_FROM_GUEST)) {
      queue.push(chain, 0);
      if (bytes.length >= CONTROL_BYTE_LENGTH) this.#control(dataView(bytes));
    }
    queue.notify();
    this.#announce();
  }

  /** What the driver sends in this queue, buffer by buffer. */
  *#buffers(queueIndex: number): Generator<{ readonly chain: DescriptorChain; readonly bytes: Uint8Array }> {
    const driver = this.#driver;
    if (driver === null) return;
    for (const chain of driver.queue(queueIndex).chains()) {
      const { byteLength } = chain.readable;
      if (byteLength > BUFFER_BYTE_LENGTH_MAX) {
        driver.needsReset(`queue ${queueIndex}: a buffer of ${byteLength} bytes`);
        return;
      }
      yield { chain, bytes: chain.readable.bytes(0, byteLength) };
    }
  }

  #control(message: DataView): void {
    const event = message.getUint16(4, true);
    const value = message.getUint16(6, true);
    if (event === CONSOLE_DEVICE_READY) {
      if (value === 1) for (const port of this.#ports) port.announce(ANNOUNCE_ADD);
      return;
    }
    const port = this.#portOf(message.getUint32(0, true));
    if (port === undefined) return;
    switch (event) {
      case CONSOLE_PORT_READY:
        if (value === 1) this.#portReady(port);
        return;
      case CONSOLE_PORT_OPEN:
        port.setGuestOpen(value === 1);
        this.#deliver(port);
        return;
      default:
        return;
    }
  }

  #portReady(port: VirtioConsolePort): void {
    port.setReady();
    port.announce(ANNOUNCE_NAME);
    if (port.hostOpen) port.announce(ANNOUNCE_OPEN);
    if (port.id !== CONSOLE_PORT_ID) return;
    port.announce(ANNOUNCE_CONSOLE);
    if (this.#hasSize && this.#columns > 0) port.announce(ANNOUNCE_RESIZE);
  }

  /** Sends what the guest has yet to be told, as far as there are buffers. */
  #announce(): void {
    if (this.#driver === null || !this.#hasPorts) return;
    let port = this.#ports.find(({ hasAnnouncement }) => hasAnnouncement);
    if (port === undefined) return;
    const queue = this.#driver.queue(CONTROL_TO_GUEST);
    for (const chain of queue.chains()) {
      const message = this.#message(port, port.takeAnnouncement());
      const sent = message.subarray(0, chain.writable.byteLength);
      chain.writable.write(0, sent);
      queue.push(chain, sent.length);
      port = this.#ports.find(({ hasAnnouncement }) => hasAnnouncement);
      if (port === undefined) break;
    }
    queue.notify();
  }

  #message(port: VirtioConsolePort, announcement: number): Uint8Array {
    switch (announcement) {
      case ANNOUNCE_ADD:
        return controlMessage(port.id, CONSOLE_DEVICE_ADD, 0);
      case ANNOUNCE_CONSOLE:
        return controlMessage(port.id, CONSOLE_CONSOLE_PORT, 1);
      case ANNOUNCE_NAME:
        return controlMessage(port.id, CONSOLE_PORT_NAME, 0, utf8(port.name));
      case ANNOUNCE_RESIZE:
        return controlMessage(port.id, CONSOLE_RESIZE, 0, sizeBytes(this.#columns, this.#rows));
      default:
        assert(announcement === ANNOUNCE_OPEN, `virtio-console: announcement ${announcement}`);
        return controlMessage(port.id, CONSOLE_PORT_OPEN, Number(port.hostOpen));
    }
  }
}

function toGuest(id: number): number {
  return id === CONSOLE_PORT_ID ? 0 : QUEUES_PER_PORT * (id + 1);
}

function fromGuest(id: number): number {
  return toGuest(id) + 1;
}

/** The port that a queue other than the control queues belongs to. */
function portIdOf(queueIndex: number): number {
  const pair = Math.floor(queueIndex / QUEUES_PER_PORT);
  return pair === 0 ? CONSOLE_PORT_ID : pair - 1;
}

function controlMessage(id: number, event: number, value: number, rest: Uint8Array = new Uint8Array()): Uint8Array {
  const message = new Uint8Array(CONTROL_BYTE_LENGTH + rest.length);
  const view = dataView(message);
  view.setUint32(0, id, true);
  view.setUint16(4, event, true);
  view.setUint16(6, value, true);
  message.set(rest, CONTROL_BYTE_LENGTH);
  return message;
}

function sizeBytes(columns: number, rows: number): Uint8Array {
  const bytes = new Uint8Array(4);
  const view = dataView(bytes);
  view.setUint16(0, columns, true);
  view.setUint16(2, rows, true);
  return bytes;
}
