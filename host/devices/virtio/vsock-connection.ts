import { ByteQueue } from "../../util/bytes.js";
import { assert } from "../../util/errors.js";
import {
  VSOCK_OP_CREDIT_UPDATE,
  VSOCK_OP_REQUEST,
  VSOCK_OP_RESPONSE,
  VSOCK_OP_RST,
  VSOCK_OP_RW,
  VSOCK_OP_SHUTDOWN,
  VSOCK_SHUTDOWN_BOTH,
  VSOCK_SHUTDOWN_RECEIVE,
  VSOCK_SHUTDOWN_SEND,
  type VsockHeader,
} from "./vsock-packet.js";

/** What a connection holds in each direction. */
export const VSOCK_BUFFER_BYTE_LENGTH = 1 << 16;
/** The guest is told of room when there is so much more than it knows of. */
const CREDIT_STEP = VSOCK_BUFFER_BYTE_LENGTH / 2;

/** What the host is told of a stream. */
export interface VsockEvents {
  /** The guest has accepted a connection that the host began. */
  opened?(): void;
  /** There are bytes to be read. */
  readable(): void;
  /** There is room again after a `write` that was cut short. */
  writable?(): void;
  /** The guest sends no more: what is left can be read. */
  ended(): void;
  /** The connection is over; `write` takes nothing any more, and what is left can be read. */
  closed(): void;
}

/** The host's end of a stream between host and guest. */
export interface VsockStream {
  readonly hostPort: number;
  readonly guestPort: number;
  /** How many bytes can be read. */
  readonly readableByteLength: number;
  /** Takes what the guest has sent, at most `maxByteLength` bytes; only this makes room for more. */
  read(maxByteLength: number): Uint8Array;
  /** @returns how many of `bytes` were taken, from its start; for the rest, try again after `writable` */
  write(bytes: Uint8Array): number;
  /** Nothing more is written: after everything that was, the guest reads an end of file. */
  end(): void;
  /** Ends the connection at once; the guest gets an error. */
  reset(): void;
}

/** What a packet says besides the connection's ports and credit. */
export interface VsockPacket {
  readonly op: number;
  readonly flags: number;
  readonly payload: Uint8Array;
}

const NOTHING = new Uint8Array();

/** One connection: what waits in each direction, and the credit of both sides. Virtio 1.2 section 5.10.6.3. */
export class VsockConnection implements VsockStream {
  readonly hostPort: number;
  readonly guestPort: number;
  readonly #changed: (connection: VsockConnection) => void;
  #events: VsockEvents | null = null;
  #received: ByteQueue | null = null;
  #waiting: ByteQueue | null = null;
  /** What has yet to be sent besides bytes: VSOCK_OP_* of one that goes first, and of a credit update. */
  #first: number | null = null;
  #owesCredit = false;
  #isOpen = false;
  #isOver = false;
  #hasEnded = false;
  #endIsSent = false;
  #guestShutdown = 0;
  #refused = false;
  /** Modulo 2^32. */
  #sentCount = 0;
  #takenCount = 0;
  #announcedCount = 0;
  #guestBufferByteLength = 0;
  #guestTakenCount = 0;

  /** @param changed called when there is something new to send */
  constructor(hostPort: number, guestPort: number, changed: (connection: VsockConnection) => void) {
    this.hostPort = hostPort;
    this.guestPort = guestPort;
    this.#changed = changed;
  }

  get readableByteLength(): number {
    return this.#received?.length ?? 0;
  }

  /** Whether nothing is to be heard of it any more but what may still be sent. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** What to send with each packet: the room there is, and how much of what came has been taken. */
  credit(): Pick<VsockHeader, "bufferByteLength" | "takenCount"> {
    this.#announcedCount = this.#takenCount;
    return { bufferByteLength: VSOCK_BUFFER_BYTE_LENGTH, takenCount: this.#takenCount };
  }

  /** Whether `next` has a packet. */
  get hasPacket(): boolean {
    return (
      this.#first !== null ||
      this.#owesCredit ||
      (this.#isOpen && ((this.#waiting?.length ?? 0) > 0 ? this.#guestRoom > 0 : this.#hasEnded && !this.#endIsSent))
    );
  }

  /** The next packet for the guest. @param payloadMax bytes that there is room for */
  next(payloadMax: number): VsockPacket {
    if (this.#first !== null) {
      const op = this.#first;
      this.#first = null;
      return { op, flags: 0, payload: NOTHING };
    }
    const waiting = this.#waiting?.length ?? 0;
    if (this.#isOpen && waiting > 0 && this.#guestRoom > 0 && payloadMax > 0) {
      this.#owesCredit = false;
      const payload = this.#waiting!.take(Math.min(payloadMax, this.#guestRoom));
      this.#sentCount = (this.#sentCount + payload.length) >>> 0;
      return { op: VSOCK_OP_RW, flags: 0, payload };
    }
    if (this.#isOpen && waiting === 0 && this.#hasEnded && !this.#endIsSent) {
      this.#endIsSent = true;
      // When nobody sends any more, nobody receives any more: the guest then ends the connection.
      const flags = (this.#guestShutdown & VSOCK_SHUTDOWN_SEND) !== 0 ? VSOCK_SHUTDOWN_BOTH : VSOCK_SHUTDOWN_SEND;
      return { op: VSOCK_OP_SHUTDOWN, flags, payload: NOTHING };
    }
    this.#owesCredit = false;
    return { op: VSOCK_OP_CREDIT_UPDATE, flags: 0, payload: NOTHING };
  }

  /** Tells the host of room if it waits for that. */
  offerRoom(): void {
    if (!this.#refused || this.#isOver || this.#waiting?.room === 0) return;
    this.#refused = false;
    this.#events?.writable?.();
  }

  /** The host begins: the guest is asked. */
  request(events: VsockEvents): void {
    this.#events = events;
    this.#send(VSOCK_OP_REQUEST);
  }

  /** The guest began, and the host has accepted. */
  accept(header: VsockHeader, events: VsockEvents): void {
    this.#events = events;
    this.#learnCredit(header);
    this.#isOpen = true;
    this.#send(VSOCK_OP_RESPONSE);
  }

  /** The guest has accepted. @returns false when it was not asked */
  confirm(header: VsockHeader): boolean {
    if (this.#isOpen) return false;
    this.#learnCredit(header);
    this.#isOpen = true;
    this.#events?.opened?.();
    this.#changed(this);
    return true;
  }

  /** Bytes from the guest. @returns false when it has broken the rules */
  receive(header: VsockHeader, bytes: Uint8Array): boolean {
    this.#learnCredit(header);
    this.#received ??= new ByteQueue(VSOCK_BUFFER_BYTE_LENGTH);
    const mayCome = this.#isOpen && (this.#guestShutdown & VSOCK_SHUTDOWN_SEND) === 0;
    if (!mayCome || bytes.length > this.#received.room) return false;
    if (bytes.length === 0) return true;
    this.#received.push(bytes);
    this.#events?.readable();
    return true;
  }

  /** What the guest says of its room. */
  learnCredit(header: VsockHeader, isAsked: boolean): void {
    this.#learnCredit(header);
    if (isAsked) this.#owesCredit = true;
    this.#changed(this);
  }

  /** The guest sends no more, receives no more, or both, which ends the connection. */
  shutDown(flags: number): void {
    const before = this.#guestShutdown;
    this.#guestShutdown |= flags & VSOCK_SHUTDOWN_BOTH;
    const endsNow = (this.#guestShutdown & ~before & VSOCK_SHUTDOWN_SEND) !== 0;
    if (endsNow) this.#events?.ended();
    if (this.#isOver) return;
    const nothingReaches = (this.#guestShutdown & VSOCK_SHUTDOWN_RECEIVE) !== 0 || this.#endIsSent;
    if ((this.#guestShutdown & VSOCK_SHUTDOWN_SEND) !== 0 && nothingReaches) {
      this.#over();
      this.#send(VSOCK_OP_RST);
    }
  }

  /** The connection is over without a word to the guest. */
  abort(): void {
    if (!this.#isOver) this.#over();
  }

  read(maxByteLength: number): Uint8Array {
    const bytes = this.#received?.take(maxByteLength) ?? NOTHING;
    this.#takenCount = (this.#takenCount + bytes.length) >>> 0;
    if (!this.#isOver && (this.#takenCount - this.#announcedCount) >>> 0 >= CREDIT_STEP) {
      this.#owesCredit = true;
      this.#changed(this);
    }
    return bytes;
  }

  write(bytes: Uint8Array): number {
    assert(!this.#hasEnded, `vsock port ${this.hostPort}: write after end`);
    if (this.#isOver || (this.#guestShutdown & VSOCK_SHUTDOWN_RECEIVE) !== 0) return 0;
    this.#waiting ??= new ByteQueue(VSOCK_BUFFER_BYTE_LENGTH);
    let taken = 0;
    let pushed: number;
    do {
      pushed = this.#waiting.push(bytes.subarray(taken));
      taken += pushed;
      this.#changed(this);
    } while (pushed > 0 && taken < bytes.length);
    this.#refused = taken < bytes.length;
    return taken;
  }

  end(): void {
    if (this.#hasEnded || this.#isOver) return;
    this.#hasEnded = true;
    this.#changed(this);
  }

  reset(): void {
    if (this.#isOver) return;
    this.#over();
    this.#send(VSOCK_OP_RST);
  }

  get #guestRoom(): number {
    const underWay = (this.#sentCount - this.#guestTakenCount) >>> 0;
    return Math.max(0, this.#guestBufferByteLength - underWay);
  }

  #learnCredit({ bufferByteLength, takenCount }: VsockHeader): void {
    this.#guestBufferByteLength = bufferByteLength;
    this.#guestTakenCount = takenCount;
  }

  #over(): void {
    this.#isOver = true;
    this.#isOpen = false;
    this.#first = null;
    this.#owesCredit = false;
    this.#waiting = null;
    this.#events?.closed();
  }

  #send(op: number): void {
    this.#first = op;
    this.#changed(this);
  }
}
