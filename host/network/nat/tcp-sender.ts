import type { NetworkClock } from "../link.js";
import { Congestion } from "./congestion.js";
import { RetransmissionTimeout } from "./retransmission.js";
import { Scoreboard } from "./scoreboard.js";
import { SendBuffer } from "./send-buffer.js";
import { ahead, FIN, PSH } from "./tcp-segment.js";

/** Acknowledgments of the same that mean a loss: RFC 5681 section 3.2. */
const DUPLICATES_FOR_LOSS = 3;
/** Nothing longer fits an IP packet with its headers. */
const LARGE_SEGMENT_BYTE_LENGTH_MAX = 65_000;

/** What a sender needs of its connection. */
export interface TcpSenderWires {
  readonly clock: Pick<NetworkClock, "nowMs">;
  /** Sends a segment of data now. @param read copies its bytes into the frame */
  transmit(sequence: number, byteLength: number, flags: number, read: (into: Uint8Array) => void): void;
  /** Whether the wire takes nothing at the moment; `pump` is called when it does. */
  isWireBusy(): boolean;
}

/** The direction from the host to the guest: what was sent, what was acknowledged, what may be sent. */
export class TcpSender {
  readonly timeout = new RetransmissionTimeout();
  readonly buffer = new SendBuffer();
  readonly #wires: TcpSenderWires;
  readonly #congestion = new Congestion();
  readonly #scoreboard = new Scoreboard();
  /** The guest's maximum segment, in bytes of data. */
  mss = 536;
  /** Shift of the windows that the guest states. */
  windowScale = 0;
  /** The oldest sequence number not acknowledged, the next to send, and the end of what was ever sent. */
  #una: number;
  #next: number;
  #max: number;
  #window = 0;
  #windowMax = 0;
  /** Segment and acknowledgment that the window was last taken from. */
  #windowSequence = 0;
  #windowAck = 0;
  #isEnded = false;
  /** The sequence number of the end, once it was sent. */
  #finSequence: number | null = null;
  #duplicates = 0;
  /** In loss recovery until this is acknowledged, or null. */
  #recover: number | null = null;
  /** In loss recovery, what was sent again ends here. */
  #resentTo = 0;
  /** The end of what had been sent when each gap had been sent again; null while there are more gaps. */
  #resentAt: number | null = null;
  /** The segment whose time is taken: where it ends, and when it went. */
  #timed: { readonly end: number; readonly sentMs: number } | null = null;

  constructor(initialSequence: number, wires: TcpSenderWires) {
    this.#wires = wires;
    this.#una = initialSequence;
    this.#next = initialSequence;
    this.#max = initialSequence;
  }

  get una(): number {
    return this.#una;
  }

  /** The end of what was ever sent. */
  get max(): number {
    return this.#max;
  }

  /**
   * The sequence number of a segment without data. A guest takes nothing from a segment that lies outside its window
   * (RFC 9293 section 3.10.7.4): not its acknowledgment either. So it goes back to the window's end where a probe or
   * the end of the data lies beyond it, and not back with what is sent again.
   */
  get bareSequence(): number {
    const windowEnd = (this.#windowAck + this.#window) >>> 0;
    const isBeyond = ahead(this.#max, windowEnd) > 0 && ahead(windowEnd, this.#una) >= 0;
    return isBeyond ? windowEnd : this.#max;
  }

  /** Whether something is waiting for its acknowledgment. */
  get isInFlight(): boolean {
    return this.#una !== this.#max;
  }

  /** Whether there is data and no window to send it. */
  get isBlocked(): boolean {
    return this.buffer.byteLength > 0 && this.#window === 0;
  }

  /** Whether everything was acknowledged, the end included. */
  get isDone(): boolean {
    return this.#finSequence !== null && ahead(this.#una, this.#finSequence) > 0;
  }

  /** The SYN has gone, or goes again. */
  sentSyn(): void {
    this.#timed = this.#max === this.#una ? this.#timing((this.#una + 1) >>> 0) : null;
    this.#next = (this.#una + 1) >>> 0;
    this.#max = this.#next;
  }

  /** The SYN is acknowledged. */
  synAcknowledged(): void {
    this.#takeTime(this.#max);
    this.timeout.progressed();
    this.#una = this.#max;
  }

  /** There will be no more data after what is in the buffer. */
  end(): void {
    this.#isEnded = true;
  }

  /** Whether the acknowledgment is of something that was sent. */
  isPlausible(acknowledgment: number): boolean {
    return ahead(acknowledgment, this.#max) <= 0;
  }

  /** Whether a window that stands in a segment is the one there is, and open: its closing is no sign of a loss. */
  isWindow(window: number): boolean {
    return window !== 0 && window << this.windowScale === this.#window;
  }

  /**
   * @param window as it stands in the segment
   * @returns whether data has waited for it
   */
  updateWindow(sequence: number, acknowledgment: number, window: number): boolean {
    const isNewer =
      ahead(sequence, this.#windowSequence) > 0 ||
      (sequence === this.#windowSequence && ahead(acknowledgment, this.#windowAck) >= 0);
    if (!isNewer) return false;
    const wasBlocked = this.isBlocked;
    this.setWindow(sequence, acknowledgment, window << this.windowScale);
    const hasOpened = wasBlocked && !this.isBlocked;
    if (hasOpened) {
      // The probes that were not answered with a window say nothing of the way there, and their byte has found no room.
      this.timeout.progressed();
      if (ahead(this.#next, this.#una) === 1) this.#next = this.#una;
    }
    return hasOpened;
  }

  /** @param byteLength the window in bytes */
  setWindow(sequence: number, acknowledgment: number, byteLength: number): void {
    this.#window = byteLength;
    this.#windowMax = Math.max(this.#windowMax, byteLength);
    this.#windowSequence = sequence;
    this.#windowAck = acknowledgment;
  }

  /**
   * Takes an acknowledgment.
   *
   * @param isBare without data or a change of the window, so that it can be a sign of a loss
   * @param blocks what the guest has beyond it
   * @returns how many bytes of data it has acknowledged for the first time
   */
  acknowledge(acknowledgment: number, isBare: boolean, blocks: readonly (readonly [number, number])[]): number {
    const news = this.#scoreboard.add(blocks, acknowledgment, this.#max);
    const count = ahead(acknowledgment, this.#una);
    if (count <= 0) {
      // Reports count on whatever segment they come, but only for what they say of more (RFC 6675 section 2): the others
      // may be answers to what was sent twice.
      const isRepeated = isBare && blocks.length === 0;
      if (count === 0 && (news > 0 || isRepeated) && this.isInFlight) this.#duplicate(news);
      return 0;
    }
    this.#takeTime(acknowledgment);
    this.timeout.progressed();
    this.#duplicates = 0;
    this.#una = acknowledgment;
    const dataCount = this.isDone ? count - 1 : count;
    this.buffer.discard(dataCount);
    if (ahead(this.#next, this.#una) < 0) this.#next = this.#una;
    this.#scoreboard.advance(acknowledgment);
    if (this.#recover === null) this.#congestion.acknowledged(dataCount, this.mss);
    else if (ahead(acknowledgment, this.#recover) >= 0) this.#recover = null;
    else this.#resend(news);
    return dataCount;
  }

  /** Sends what may be sent. */
  pump(): void {
    while (!this.#wires.isWireBusy()) {
      // After a timeout: what the guest has is not sent again.
      this.#next = this.#scoreboard.endOfRunAt(this.#next) ?? this.#next;
      const inFlight = ahead(this.#next, this.#una);
      const unsent = this.buffer.byteLength - inFlight;
      if (unsent <= 0) {
        // The end follows the data, and needs no window.
        const isFinDue = this.#isEnded && unsent === 0 && !this.isDone;
        if (isFinDue) this.#sendFin();
        return;
      }
      const onTheWay = inFlight - this.#scoreboard.byteLengthBefore(this.#next);
      const usable = Math.min(this.#window - inFlight, this.#congestion.window - onTheWay);
      const gap = this.#scoreboard.gap(this.#next);
      const toRun = gap === null ? unsent : ahead(gap[1], this.#next);
      const byteLength = Math.min(unsent, usable, toRun, this.#segmentMax);
      // Silly windows are waited out while something is in flight (RFC 9293 section 3.8.6.2.1).
      const isSilly = byteLength < Math.min(this.mss, unsent, toRun) && byteLength < this.#windowMax / 2;
      if (byteLength <= 0 || (isSilly && inFlight > 0)) return;
      this.#send(this.#next, byteLength);
      this.#next = (this.#next + byteLength) >>> 0;
      this.#noteSent(this.#next);
    }
  }

  /** Nothing came back in time: begins again at the oldest that is not acknowledged. */
  expire(): void {
    // A guest that has thrown away what it had reported never gets on with it: RFC 2018 section 8.
    if (this.timeout.expiredCount > 0) this.#scoreboard.clear();
    this.timeout.expired();
    this.#congestion.expired(ahead(this.#max, this.#una), this.mss);
    this.#recover = null;
    this.#duplicates = 0;
    this.#timed = null;
    this.#next = this.#una;
    this.pump();
    if (this.#next === this.#una) this.probe();
  }

  /** Sends a byte that there is no window for, so that the answer tells of a window. */
  probe(): void {
    if (this.buffer.byteLength === 0 || this.#wires.isWireBusy()) return;
    this.#send(this.#una, 1);
    if (this.#next === this.#una) this.#next = (this.#una + 1) >>> 0;
    this.#noteSent(this.#next);
  }

  #duplicate(news: number): void {
    this.#duplicates++;
    if (this.#recover !== null) {
      this.#resend(news);
    } else if (this.#duplicates >= DUPLICATES_FOR_LOSS) {
      this.#congestion.lost(ahead(this.#max, this.#una), this.mss);
      this.#recover = this.#max;
      this.#resentTo = this.#una;
      this.#resentAt = null;
      this.#resend(news);
    }
  }

  /** In loss recovery: sends again what the guest is missing, for as much as it has got. */
  #resend(news: number): void {
    if (this.#isLostAgain()) this.#resentTo = this.#una;
    let budget = Math.max(1, news);
    while (budget > 0 && !this.#wires.isWireBusy()) {
      const byteLength = this.#resendNext();
      if (byteLength === 0) return;
      budget -= byteLength;
    }
  }

  /** @returns how much of the sequence it has filled */
  #resendNext(): number {
    const from = ahead(this.#resentTo, this.#una) > 0 ? this.#resentTo : this.#una;
    const gap = this.#scoreboard.gap(from);
    const isFirst = from === this.#una;
    if (gap === null && !isFirst) {
      this.#resentAt ??= this.#max;
      return 0;
    }
    this.#resentAt = null;
    const [start, end] = gap ?? [this.#una, this.#max];
    const offset = ahead(start, this.#una);
    const byteLength = Math.min(ahead(end, start), this.mss, this.buffer.byteLength - offset);
    this.#timed = null;
    if (byteLength > 0) this.#send(start, byteLength);
    else if (this.#finSequence !== null) this.#transmitFin();
    this.#resentTo = (start + Math.max(1, byteLength)) >>> 0;
    return Math.max(1, byteLength);
  }

  /** Whether the guest has what was sent after all gaps had been sent again, and still lacks some of these. */
  #isLostAgain(): boolean {
    const { highest } = this.#scoreboard;
    if (this.#resentAt === null || highest === null) return false;
    return ahead(highest, this.#resentAt) >= DUPLICATES_FOR_LOSS * this.mss;
  }

  #send(sequence: number, byteLength: number): void {
    const offset = ahead(sequence, this.#una);
    const isLast = offset + byteLength === this.buffer.byteLength;
    this.#wires.transmit(sequence, byteLength, isLast ? PSH : 0, (into) => this.buffer.copy(offset, into));
  }

  #sendFin(): void {
    this.#transmitFin();
    this.#next = (this.#next + 1) >>> 0;
    this.#noteSent(this.#next);
  }

  #transmitFin(): void {
    this.#finSequence ??= this.#next;
    this.#wires.transmit(this.#finSequence, 0, FIN, () => {});
  }

  /** As much as goes into one frame: many segments, which the guest or the device cuts. */
  get #segmentMax(): number {
    return Math.max(1, Math.floor(LARGE_SEGMENT_BYTE_LENGTH_MAX / this.mss)) * this.mss;
  }

  #noteSent(end: number): void {
    if (ahead(end, this.#max) <= 0) return;
    this.#max = end;
    this.#timed ??= this.#timing(end);
  }

  #timing(end: number): { readonly end: number; readonly sentMs: number } {
    return { end, sentMs: this.#wires.clock.nowMs() };
  }

  #takeTime(acknowledgment: number): void {
    if (this.#timed === null || ahead(acknowledgment, this.#timed.end) < 0) return;
    this.timeout.measured(this.#wires.clock.nowMs() - this.#timed.sentMs);
    this.#timed = null;
  }
}
