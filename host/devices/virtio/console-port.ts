import { ByteQueue } from "../../util/bytes.js";
import { assert } from "../../util/errors.js";
import { bytes, flag, type StateOf, struct, uint } from "../../util/schema.js";

/** What the host may write ahead of the guest. */
export const WAITING_MAX = 1 << 16;

/** What the guest has yet to be told about a port, one bit each; sent from the lowest bit up. */
export const ANNOUNCE_ADD = 1 << 0;
export const ANNOUNCE_CONSOLE = 1 << 1;
export const ANNOUNCE_NAME = 1 << 2;
export const ANNOUNCE_RESIZE = 1 << 3;
export const ANNOUNCE_OPEN = 1 << 4;
const ANNOUNCE_MASK = 0x1f;

const fields = {
  announcements: uint("what the guest has yet to be told: add 1, console 2, name 4, resize 8, open 16", ANNOUNCE_MASK),
  ready: flag("the guest has the port"),
  guestOpen: flag("a program in the guest has the port open"),
  closed: flag("the host writes no more"),
  waiting: bytes("bytes from the host that the guest has given no buffers for, oldest first", WAITING_MAX),
};
export type ConsolePortState = StateOf<typeof fields>;
export const consolePortState = struct("a port", fields);

/** The host's end of a port: what the host is told. */
export interface ConsolePort {
  /** Under which the guest finds it: /dev/virtio-ports/NAME in Linux. */
  readonly name: string;
  /** What the guest has written. The bytes are the receiver's. */
  receive(bytes: Uint8Array): void;
  /** A program in the guest has opened or closed the port. */
  openChanged?(open: boolean): void;
  /** There is room again after a `write` that was cut short. */
  writable?(): void;
}

/** One port of a virtio console, as the host uses it. */
export class VirtioConsolePort {
  /** The guest's number for the port. */
  readonly id: number;
  readonly #host: ConsolePort;
  readonly #changed: () => void;
  readonly #waiting = new ByteQueue(WAITING_MAX);
  #announcements = 0;
  #ready = false;
  #guestOpen = false;
  #closed = false;
  /** A write was cut short, so the host waits to hear of room. */
  #refused = false;

  /** @param changed called when there is something new to send */
  constructor(id: number, host: ConsolePort, changed: () => void) {
    this.id = id;
    this.#host = host;
    this.#changed = changed;
  }

  get name(): string {
    return this.#host.name;
  }

  /** Whether a program in the guest has the port open. */
  get open(): boolean {
    return this.#guestOpen;
  }

  /**
   * Sends to the guest. What it has not opened the port or given buffers for yet waits.
   *
   * @returns how many of `bytes` were taken, from its start; for the rest, try again after `writable`
   */
  write(bytes: Uint8Array): number {
    assert(!this.#closed, `port ${this.name}: write after close`);
    let taken = 0;
    let pushed: number;
    do {
      pushed = this.#waiting.push(bytes.subarray(taken));
      taken += pushed;
      this.#changed();
    } while (pushed > 0 && taken < bytes.length);
    this.#refused = taken < bytes.length;
    return taken;
  }

  /**
   * Sends all of `bytes` to the guest, or nothing: so that what a saved machine has waiting ends with a message.
   *
   * @param bytes at most WAITING_MAX
   * @returns whether there was room; if not, try again after `writable`
   */
  writeWhole(bytes: Uint8Array): boolean {
    assert(bytes.length <= WAITING_MAX, `port ${this.name}: ${bytes.length} bytes never fit`);
    if (this.#waiting.room < bytes.length) this.#changed();
    this.#refused = this.#waiting.room < bytes.length;
    if (!this.#refused) this.write(bytes);
    return !this.#refused;
  }

  /** Ends what is sent to the guest: once it has read everything, it reads end of file. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#announceClosed();
    this.#changed();
  }

  /** Whether the guest should see the host's end connected. */
  get hostOpen(): boolean {
    return !this.#closed || this.#waiting.length > 0;
  }

  /** Whether bytes are waiting that a program in the guest could read. */
  get isDeliverable(): boolean {
    return this.#guestOpen && this.#waiting.length > 0;
  }

  get isReady(): boolean {
    return this.#ready;
  }

  /** Takes the bytes waiting longest, at most `maxLength`. */
  take(maxLength: number): Uint8Array {
    const bytes = this.#waiting.take(maxLength);
    this.#announceClosed();
    return bytes;
  }

  /** Tells the host of room if it waits for that. */
  offerRoom(): void {
    if (!this.#refused || this.#waiting.room === 0) return;
    this.#refused = false;
    this.#host.writable?.();
  }

  /** Bytes from the guest. */
  receive(bytes: Uint8Array): void {
    this.#host.receive(bytes);
  }

  announce(announcements: number): void {
    this.#announcements |= announcements;
  }

  /** Takes the next ANNOUNCE_*; 0 if there is none. */
  takeAnnouncement(): number {
    const next = this.#announcements & -this.#announcements;
    this.#announcements &= ~next;
    return next;
  }

  get hasAnnouncement(): boolean {
    return this.#announcements !== 0;
  }

  setReady(): void {
    this.#ready = true;
  }

  setGuestOpen(open: boolean): void {
    if (open === this.#guestOpen) return;
    this.#guestOpen = open;
    this.#host.openChanged?.(open);
  }

  /** The driver is gone; what the host has sent waits for the next. */
  stop(): void {
    this.#announcements = 0;
    this.#ready = false;
    this.setGuestOpen(false);
  }

  reset(): void {
    this.stop();
    this.#waiting.clear();
    this.#closed = false;
    this.#refused = false;
  }

  save(): ConsolePortState {
    return {
      announcements: this.#announcements,
      ready: this.#ready,
      guestOpen: this.#guestOpen,
      closed: this.#closed,
      waiting: this.#waiting.toBytes(),
    };
  }

  load(state: ConsolePortState): void {
    this.#announcements = state.announcements;
    this.#ready = state.ready;
    this.#closed = state.closed;
    this.#waiting.assign(state.waiting);
    this.#refused = false;
    this.setGuestOpen(state.guestOpen);
  }

  #announceClosed(): void {
    if (this.#ready && !this.hostOpen) this.announce(ANNOUNCE_OPEN);
  }
}
