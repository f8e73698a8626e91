import { ReceiveQueue } from "./receive-queue.js";
import type { StreamMemory } from "./stream-memory.js";
import { ahead, FIN, SYN, type TcpSegment } from "./tcp-segment.js";

/** Windows up to 8 MiB can be stated. */
export const WINDOW_SCALE = 7;
const WINDOW_MAX = 0xffff;

/** What a receiver needs of its connection. */
export interface TcpReceiverWires {
  readonly memory: Pick<StreamMemory, "streamByteLength" | "isExhausted">;
  /** How much of what was delivered the outside has yet to take. */
  pendingByteLength(): number;
  /** The next of the guest's data, in order. */
  deliver(data: Uint8Array): void;
  /** Data has come that leaves a gap, or that may have filled one. */
  gapChanged(): void;
  /** The guest has sent all there is. */
  ended(): void;
}

/** The direction from the guest to the host: what has come, what is missing, what the guest may send. */
export class TcpReceiver {
  readonly #wires: TcpReceiverWires;
  readonly #queue = new ReceiveQueue();
  #next = 0;
  /** The end of the largest window that the guest was given. */
  #windowEnd = 0;
  #scale = 0;
  /** Where the guest's data ends, once that is known. */
  #finSequence: number | null = null;
  #isEnded = false;

  constructor(wires: TcpReceiverWires) {
    this.#wires = wires;
  }

  /** The sequence number that comes next. */
  get next(): number {
    return this.#next;
  }

  /** Whether the guest's end has come, and all before it. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Whether the guest takes windows as scaled ones. */
  get isScaled(): boolean {
    return this.#scale > 0;
  }

  /** The memory that data behind a gap takes. */
  get queuedByteLength(): number {
    return this.#queue.byteLength;
  }

  /** The runs [from, to) that have come behind a gap, at most four. */
  blocks(): readonly (readonly [number, number])[] {
    return this.#queue.isEmpty ? [] : this.#queue.blocks();
  }

  /** The guest's SYN has come. */
  begin(sequence: number, isScaled: boolean): void {
    this.#next = (sequence + 1) >>> 0;
    this.#windowEnd = this.#next;
    this.#scale = isScaled ? WINDOW_SCALE : 0;
  }

  /** Whether a segment is acceptable: RFC 9293 section 3.10.7.4. */
  isInWindow({ sequence, data, flags }: TcpSegment): boolean {
    const length = data.length + ((flags & FIN) !== 0 ? 1 : 0) + ((flags & SYN) !== 0 ? 1 : 0);
    const beforeEnd = ahead(this.#windowEnd, sequence);
    if (length === 0) return ahead(sequence, this.#next) >= 0 && beforeEnd >= 0;
    // An acknowledgment counts even where there is no room for the data: RFC 9293 section 3.10.7.4.
    if (sequence === this.#next) return true;
    return beforeEnd > 0 && ahead((sequence + length) >>> 0, this.#next) > 0;
  }

  /** Takes the data and the end that a segment within the window carries. */
  take({ sequence, data, flags }: TcpSegment): void {
    const skipped = Math.max(0, ahead(this.#next, sequence));
    const start = (sequence + skipped) >>> 0;
    const room = this.#roomAt(start);
    const fresh = data.subarray(Math.min(skipped, data.length), Math.min(data.length, skipped + room));
    const isWhole = skipped + room >= data.length;
    if (fresh.length > 0) {
      const hasGap = !this.#queue.isEmpty || start !== this.#next;
      if (start === this.#next) this.#deliver(fresh);
      else this.#queue.add(start, fresh);
      if (hasGap) this.#deliverQueued();
    }
    const end = (sequence + data.length) >>> 0;
    if ((flags & FIN) !== 0 && isWhole) this.#finSequence = end;
    if (this.#finSequence === this.#next) this.#takeFin();
  }

  /** How much the guest may send beyond `next` by what it was told. */
  get promised(): number {
    return ahead(this.#windowEnd, this.#next);
  }

  /** How much more the guest may send, if it were told now. */
  get room(): number {
    return this.#roomBeside(this.#queue.byteLength);
  }

  /** The window to state, as it stands in the segment. What was promised once is not taken back. */
  stateWindow(isSyn: boolean): number {
    const end = (this.#next + this.room) >>> 0;
    const scale = isSyn ? 0 : this.#scale;
    const wanted = Math.max(0, ahead(end, this.#next), this.promised);
    const stated = Math.min(WINDOW_MAX, wanted >> scale);
    const statedEnd = (this.#next + (stated << scale)) >>> 0;
    if (ahead(statedEnd, this.#windowEnd) > 0) this.#windowEnd = statedEnd;
    return stated;
  }

  /** Forgets what waits behind a gap. */
  clear(): void {
    this.#queue.clear();
  }

  #deliver(data: Uint8Array): void {
    this.#next = (this.#next + data.length) >>> 0;
    this.#wires.deliver(data);
  }

  #deliverQueued(): void {
    for (;;) {
      const next = this.#queue.take(this.#next);
      if (next === null) break;
      this.#deliver(next);
    }
    this.#wires.gapChanged();
  }

  #takeFin(): void {
    this.#next = (this.#next + 1) >>> 0;
    this.#isEnded = true;
    this.#wires.ended();
  }

  /**
   * How much the guest may send from `start` on. What it was promised it gets as long as there is memory; after that
   * its data is lost, which it sends again, but for what comes next and lets go of what waits behind it.
   */
  #roomAt(start: number): number {
    const promised = Math.max(0, ahead(this.#windowEnd, start));
    if (!this.#wires.memory.isExhausted) return promised;
    return Math.min(promised, this.#roomBeside(start === this.#next ? 0 : this.#queue.byteLength));
  }

  #roomBeside(queuedByteLength: number): number {
    const held = this.#wires.pendingByteLength() + queuedByteLength;
    return Math.max(0, this.#wires.memory.streamByteLength - held);
  }
}
