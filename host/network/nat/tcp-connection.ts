import { foldSum } from "../checksum.js";
import type { NetworkClock } from "../link.js";
import { write16 } from "../octets.js";
import { PROTOCOL_TCP } from "./ip.js";
import type { Endpoint, OutsideStream, StreamEvents, StreamFailure } from "./outside.js";
import { PostponedTimer } from "./postponed-timer.js";
import { ReceiveQueue } from "./receive-queue.js";
import type { StreamMemory } from "./stream-memory.js";
import {
  ACK,
  ahead,
  FIN,
  parseSack,
  parseSynOptions,
  RST,
  SYN,
  sackOption,
  synOptions,
  TCP_CHECKSUM,
  TCP_HEADER_BYTE_LENGTH,
  type TcpSegment,
  writeTcpHeader,
} from "./tcp-segment.js";
import { TcpSender } from "./tcp-sender.js";
import { transportSum, type Wire } from "./wire.js";

/** Windows up to 8 MiB can be stated. */
const WINDOW_SCALE = 7;
const WINDOW_MAX = 0xffff;
const MSS_DEFAULT = 536;
/** A guest cannot make us send frames that are all header. */
const MSS_MIN = 88;
const IPV4_OVERHEAD = 40;
const IPV6_OVERHEAD = 60;
/** How often something is sent again before the guest counts as gone. */
const ATTEMPTS_MAX = 12;
/** Segments stay on a wire this short for no time worth waiting for. */
const TIME_WAIT_MS = 1000;
/** How long the outside may take to take a guest's last data. */
const LINGER_MS = 120_000;
/** A guest that is gone is noticed by this: RFC 9293 section 3.8.4. */
const KEEP_ALIVE_MS = 7_200_000;
const KEEP_ALIVE_INTERVAL_MS = 75_000;
const KEEP_ALIVE_PROBES = 9;
/** Answers to segments out of place, in a second: RFC 5961 section 7. */
const CHALLENGES_PER_SECOND = 100;

/**
 * When data of the guest's is acknowledged. Small pieces are mostly questions, whose answers take the acknowledgment
 * along: that spares the guest an interrupt and a segment (RFC 9293 section 3.8.6.3).
 */
export type AckTime = "soon" | "later";
/** So many full segments are acknowledged soon: RFC 5681 section 4.2. */
const SEGMENTS_PER_ACK = 2;

/** What connections need of what they are part of. */
export interface TcpServices {
  readonly wire: Wire;
  readonly clock: NetworkClock;
  readonly memory: StreamMemory;
  /** Calls `flushAck` of the connection: when what is running now has come to its end, or within a millisecond or two. */
  requestAck(connection: TcpConnection, when: AckTime): void;
  /** Calls `pump` of the connection when the wire is free again. */
  awaitWire(connection: TcpConnection): void;
  /** The outside did not accept: the guest is told in the connection's place. */
  refused(connection: TcpConnection, failure: StreamFailure, syn: TcpSegment): void;
  /** The connection is no more. */
  closed(connection: TcpConnection): void;
}

/**
 * - connecting: the guest asks, and the outside has not answered
 * - synReceived: the outside has accepted, and the guest has yet to hear of it
 * - synSent: the outside asks, and the guest has not answered
 * - open: both sides are there, until both have ended
 * - timeWait: both have ended, and the guest may not have heard of it
 */
type Phase = "connecting" | "synReceived" | "synSent" | "open" | "timeWait" | "closed";

/** One TCP connection of a guest's, between its own TCP and a stream of the host. RFC 9293. */
export class TcpConnection {
  readonly guest: Endpoint;
  /** The other end as the guest knows it. */
  readonly remote: Endpoint;
  readonly #services: TcpServices;
  readonly #sender: TcpSender;
  readonly #queue = new ReceiveQueue();
  readonly #timer: PostponedTimer;
  readonly #header: { readonly source: Uint8Array; readonly destination: Uint8Array; readonly protocol: number };
  #phase: Phase;
  #stream: OutsideStream | null = null;
  #syn: TcpSegment | null = null;
  #receiveNext = 0;
  /** The end of the largest window that the guest was given. */
  #windowEnd = 0;
  #receiveScale = 0;
  #sackPermitted = false;
  /** Where the guest's data ends, once that is known. */
  #finSequence: number | null = null;
  #guestEnded = false;
  #isPaused = false;
  #requestedAck: AckTime | null = null;
  /** The sequence number that the guest was told last. */
  #acknowledged = 0;
  /** What the stream memory counts for this connection. */
  #counted = 0;
  #heardMs: number;
  /** Whether the timer is set for an answer to what was sent. */
  #isAnswerTimed = false;
  #challenges = { secondMs: Number.NEGATIVE_INFINITY, count: 0 };

  /** @param initialSequence hard to guess */
  constructor(guest: Endpoint, remote: Endpoint, initialSequence: number, services: TcpServices) {
    this.guest = guest;
    this.remote = remote;
    this.#services = services;
    this.#header = { source: remote.address, destination: guest.address, protocol: PROTOCOL_TCP };
    this.#sender = new TcpSender(initialSequence, {
      clock: services.clock,
      transmit: (sequence, byteLength, flags, read) => this.#transmit(sequence, byteLength, flags | ACK, read),
      isWireBusy: () => this.#isWireBusy(),
    });
    this.#timer = new PostponedTimer(services.clock, () => this.#expire());
    this.#phase = "connecting";
    this.#heardMs = services.clock.nowMs();
  }

  get isTimeWait(): boolean {
    return this.#phase === "timeWait";
  }

  /** The guest asks for the connection. @param connect begins it outside */
  openFromGuest(syn: TcpSegment, connect: (events: StreamEvents) => OutsideStream): void {
    this.#syn = syn;
    this.#takeSyn(syn);
    this.#stream = connect(this.#events());
  }

  /** The outside asks for it. @param accept takes the stream over */
  openFromOutside(accept: (events: StreamEvents) => OutsideStream): void {
    this.#phase = "synSent";
    this.#stream = accept(this.#events());
    this.#sendSyn();
  }

  /** Takes a segment of the guest's. */
  receive(segment: TcpSegment): void {
    this.#heardMs = this.#services.clock.nowMs();
    switch (this.#phase) {
      case "connecting":
        if ((segment.flags & RST) !== 0 && segment.sequence === this.#receiveNext) this.abort();
        return;
      case "synSent":
        this.#receiveInSynSent(segment);
        return;
      case "synReceived":
      case "open":
      case "timeWait":
        this.#receiveSynchronized(segment);
        return;
      case "closed":
        return;
    }
  }

  /** Whether the guest may begin anew where this connection has ended: RFC 9293 section 3.10.7.4, TIME-WAIT. */
  mayReopen({ flags, sequence }: TcpSegment): boolean {
    return this.#phase === "timeWait" && (flags & (SYN | ACK | RST)) === SYN && ahead(sequence, this.#receiveNext) > 0;
  }

  /** Sends the guest what may be sent now. */
  pump(): void {
    if (this.#phase !== "open") return;
    this.#sender.pump();
    this.#updateTimer();
  }

  /** Sends the acknowledgment that was put off. */
  flushAck(): void {
    if (this.#requestedAck === null || this.#phase === "connecting" || this.#phase === "closed") return;
    this.#sendAck();
  }

  /** Ends the connection at once on both sides: the guest is sent a reset. */
  reset(): void {
    if (this.#phase === "closed") return;
    if (this.#phase !== "connecting") this.#transmit(this.#sender.bareSequence, 0, RST | ACK);
    this.abort();
  }

  /** Ends the connection at once without a word to the guest. */
  abort(): void {
    if (this.#phase === "closed") return;
    this.#stream?.abort();
    this.#close();
  }

  #events(): StreamEvents {
    return {
      connected: () => this.#connected(),
      received: (bytes) => this.#receivedOutside(bytes),
      ended: () => {
        this.#sender.end();
        this.pump();
      },
      drained: () => this.#drained(),
      failed: (failure) => this.#failed(failure),
      closed: () => {
        this.#stream = null;
      },
    };
  }

  #connected(): void {
    if (this.#phase !== "connecting") return;
    this.#phase = "synReceived";
    this.#sendSyn();
  }

  #receivedOutside(bytes: Uint8Array): void {
    if (this.#phase === "closed" || this.#phase === "timeWait") return;
    this.#sender.buffer.push(bytes);
    this.#account();
    if (!this.#isPaused && this.#sender.buffer.byteLength >= this.#services.memory.streamByteLength) {
      this.#isPaused = true;
      this.#stream?.pause();
    }
    this.pump();
  }

  /** The host's TCP has taken some of the guest's data: there may be a window to open. */
  #drained(): void {
    this.#account();
    if (this.#phase !== "open" || this.#guestEnded) return;
    const stated = ahead(this.#windowEnd, this.#receiveNext);
    const growth = this.#room - stated;
    // Small steps are not worth an acknowledgment (RFC 9293 section 3.8.6.2.2).
    if (growth >= Math.min(this.#services.memory.streamByteLength / 4, 2 * this.#ownMss) || stated === 0) {
      if (growth > 0) this.#sendAck();
    }
  }

  #failed(failure: StreamFailure): void {
    this.#stream = null;
    if (this.#phase === "connecting" && this.#syn !== null) {
      this.#services.refused(this, failure, this.#syn);
      this.#close();
    } else {
      this.reset();
    }
  }

  /** What a SYN of the guest's says of its side. */
  #takeSyn({ sequence, options, window }: TcpSegment): void {
    const { mss, windowScale, sackPermitted } = parseSynOptions(options);
    this.#receiveNext = (sequence + 1) >>> 0;
    this.#windowEnd = this.#receiveNext;
    this.#sender.mss = Math.max(MSS_MIN, Math.min(mss ?? MSS_DEFAULT, this.#ownMss));
    this.#sackPermitted = sackPermitted;
    this.#sender.windowScale = windowScale ?? 0;
    this.#receiveScale = windowScale === null ? 0 : WINDOW_SCALE;
    this.#sender.setWindow(sequence, this.#sender.una, window);
  }

  get #ownMss(): number {
    return this.#services.wire.mtu - (this.guest.address.length === 4 ? IPV4_OVERHEAD : IPV6_OVERHEAD);
  }

  #sendSyn(): void {
    const isAnswer = this.#phase === "synReceived";
    const options = synOptions(
      this.#ownMss,
      !isAnswer || this.#receiveScale > 0 ? WINDOW_SCALE : null,
      !isAnswer || this.#sackPermitted,
    );
    this.#sender.sentSyn();
    this.#transmit(this.#sender.una, 0, isAnswer ? SYN | ACK : SYN, undefined, options);
    this.#updateTimer(true);
  }

  /** RFC 9293 section 3.10.7.3. */
  #receiveInSynSent(segment: TcpSegment): void {
    const { flags, acknowledgment, sequence, window } = segment;
    const isOurs = (flags & ACK) !== 0 && acknowledgment === this.#sender.max;
    if ((flags & RST) !== 0) {
      if (isOurs) this.abort();
      return;
    }
    if ((flags & ACK) !== 0 && !isOurs) {
      this.#transmit(acknowledgment, 0, RST);
      return;
    }
    if ((flags & SYN) === 0 || !isOurs) return;
    this.#takeSyn(segment);
    this.#opened();
    this.#sender.setWindow(sequence, acknowledgment, window);
    this.#sendAck();
    this.pump();
  }

  /** RFC 9293 section 3.10.7.4. */
  #receiveSynchronized(segment: TcpSegment): void {
    const { flags, sequence, acknowledgment } = segment;
    if (!this.#isInWindow(segment)) {
      if ((flags & RST) === 0) this.#challenge(segment);
      return;
    }
    if ((flags & RST) !== 0) {
      // Anything but the exact number may be somebody's guess: RFC 5961 section 3.2.
      if (sequence === this.#receiveNext) this.abort();
      else this.#challenge(segment);
      return;
    }
    if ((flags & SYN) !== 0) {
      this.#challenge(segment);
      return;
    }
    if ((flags & ACK) === 0) return;
    if (!this.#sender.isPlausible(acknowledgment)) {
      if (this.#phase === "synReceived") this.#transmit(acknowledgment, 0, RST);
      else this.#challenge(segment);
      return;
    }
    if (this.#phase === "synReceived" && !this.#accepted(segment)) return;
    this.#takeAck(segment);
    if (this.#phase === "open") this.#takeData(segment);
    this.#finishIfDone();
    this.pump();
  }

  /** The guest has answered our SYN. */
  #accepted({ acknowledgment }: TcpSegment): boolean {
    if (acknowledgment !== this.#sender.max) return false;
    this.#syn = null;
    this.#opened();
    return true;
  }

  #opened(): void {
    this.#sender.synAcknowledged();
    this.#isAnswerTimed = false;
    this.#phase = "open";
  }

  #isInWindow({ sequence, data, flags }: TcpSegment): boolean {
    const length = data.length + ((flags & FIN) !== 0 ? 1 : 0) + ((flags & SYN) !== 0 ? 1 : 0);
    const beforeEnd = ahead(this.#windowEnd, sequence);
    if (length === 0) return ahead(sequence, this.#receiveNext) >= 0 && beforeEnd >= 0;
    // An acknowledgment counts even where there is no room for the data: RFC 9293 section 3.10.7.4.
    if (sequence === this.#receiveNext) return true;
    return beforeEnd > 0 && ahead((sequence + length) >>> 0, this.#receiveNext) > 0;
  }

  #challenge({ flags }: TcpSegment): void {
    // Our SYN has been lost when the guest repeats its own.
    if (this.#phase === "synReceived" && (flags & SYN) !== 0) {
      this.#sendSyn();
      return;
    }
    const nowMs = this.#services.clock.nowMs();
    if (nowMs - this.#challenges.secondMs >= 1000) this.#challenges = { secondMs: nowMs, count: 0 };
    if (this.#challenges.count++ < CHALLENGES_PER_SECOND) this.#sendAck();
    if (this.#phase === "timeWait") this.#timer.arm(TIME_WAIT_MS);
  }

  #takeAck({ sequence, acknowledgment, window, data, flags, options }: TcpSegment): void {
    const blocks = this.#sackPermitted && options.length > 0 ? parseSack(options) : [];
    const isBare = data.length === 0 && (flags & FIN) === 0 && this.#sender.isWindow(window);
    const count = this.#sender.acknowledge(acknowledgment, isBare, blocks);
    const hasOpened = this.#sender.updateWindow(sequence, acknowledgment, window);
    if (count > 0 || hasOpened) this.#updateTimer(true);
    if (count === 0) return;
    this.#account();
    if (this.#isPaused && this.#sender.buffer.byteLength < this.#services.memory.streamByteLength / 2) {
      this.#isPaused = false;
      this.#stream?.resume();
    }
  }

  #takeData({ sequence, data, flags }: TcpSegment): void {
    if (this.#guestEnded || (data.length === 0 && (flags & FIN) === 0)) return;
    const skipped = Math.max(0, ahead(this.#receiveNext, sequence));
    const start = (sequence + skipped) >>> 0;
    const room = this.#roomAt(start);
    const fresh = data.subarray(Math.min(skipped, data.length), Math.min(data.length, skipped + room));
    const isWhole = skipped + room >= data.length;
    if (fresh.length > 0) {
      const hasGap = !this.#queue.isEmpty || start !== this.#receiveNext;
      if (start === this.#receiveNext) this.#deliver(fresh);
      else this.#queue.add(start, fresh);
      if (hasGap) this.#deliverQueued();
    }
    const end = (sequence + data.length) >>> 0;
    if ((flags & FIN) !== 0 && isWhole) this.#finSequence = end;
    if (this.#finSequence === this.#receiveNext) this.#takeFin();
    this.#requestAck();
  }

  #deliverQueued(): void {
    for (;;) {
      const next = this.#queue.take(this.#receiveNext);
      if (next === null) break;
      this.#deliver(next);
    }
    this.#account();
    // Each tells the guest of the gap: RFC 5681 section 4.2.
    this.#sendAck();
  }

  #deliver(data: Uint8Array): void {
    this.#receiveNext = (this.#receiveNext + data.length) >>> 0;
    this.#stream?.write(data);
    this.#account();
  }

  #takeFin(): void {
    this.#receiveNext = (this.#receiveNext + 1) >>> 0;
    this.#guestEnded = true;
    this.#stream?.end();
  }

  #finishIfDone(): void {
    if (this.#phase !== "open" || !this.#guestEnded || !this.#sender.isDone) return;
    this.flushAck();
    this.#phase = "timeWait";
    this.#timer.arm(TIME_WAIT_MS);
  }

  #requestAck(): void {
    const much = SEGMENTS_PER_ACK * this.#sender.mss;
    const byteLength = ahead(this.#receiveNext, this.#acknowledged);
    const isSmall = byteLength > 0 && byteLength < much;
    // A guest that has filled its window waits for nothing else.
    const mayGoOn = !this.#guestEnded && ahead(this.#windowEnd, this.#receiveNext) >= much;
    const when = isSmall && mayGoOn ? "later" : "soon";
    if (this.#requestedAck === "soon" || this.#requestedAck === when) return;
    this.#requestedAck = when;
    this.#services.requestAck(this, when);
  }

  #sendAck(): void {
    const blocks = this.#sackPermitted && !this.#queue.isEmpty ? this.#queue.blocks() : [];
    const options = blocks.length === 0 ? undefined : sackOption(blocks);
    this.#transmit(this.#sender.bareSequence, 0, ACK, undefined, options);
  }

  /**
   * How much the guest may send from `start` on. What it was promised it gets as long as there is memory; after that
   * its data is lost, which it sends again, but for what comes next and lets go of what waits behind it.
   */
  #roomAt(start: number): number {
    const promised = Math.max(0, ahead(this.#windowEnd, start));
    if (!this.#services.memory.isExhausted) return promised;
    return Math.min(promised, this.#roomBeside(start === this.#receiveNext ? 0 : this.#queue.byteLength));
  }

  /** How much more the guest may send. */
  get #room(): number {
    return this.#roomBeside(this.#queue.byteLength);
  }

  #roomBeside(queuedByteLength: number): number {
    const held = (this.#stream?.pendingByteLength ?? 0) + queuedByteLength;
    return Math.max(0, this.#services.memory.streamByteLength - held);
  }

  /** The window to state. What was promised once is not taken back. */
  #statedWindow(isSyn: boolean): number {
    const end = (this.#receiveNext + this.#room) >>> 0;
    const scale = isSyn ? 0 : this.#receiveScale;
    const wanted = Math.max(0, ahead(end, this.#receiveNext), ahead(this.#windowEnd, this.#receiveNext));
    const stated = Math.min(WINDOW_MAX, wanted >> scale);
    const statedEnd = (this.#receiveNext + (stated << scale)) >>> 0;
    if (ahead(statedEnd, this.#windowEnd) > 0) this.#windowEnd = statedEnd;
    return stated;
  }

  #transmit(
    sequence: number,
    byteLength: number,
    flags: number,
    read?: (into: Uint8Array) => void,
    options: Uint8Array = NO_OPTIONS,
  ): void {
    const { wire } = this.#services;
    const headerByteLength = TCP_HEADER_BYTE_LENGTH + options.length;
    const { bytes, start } = wire.newPacket(this.#header, headerByteLength + byteLength);
    const hasAck = (flags & ACK) !== 0;
    if (hasAck) {
      this.#requestedAck = null;
      this.#acknowledged = this.#receiveNext;
    }
    writeTcpHeader(bytes, start, {
      sourcePort: this.remote.port,
      destinationPort: this.guest.port,
      sequence,
      acknowledgment: hasAck ? this.#receiveNext : 0,
      flags,
      window: (flags & RST) !== 0 ? 0 : this.#statedWindow((flags & SYN) !== 0),
      options,
    });
    read?.(bytes.subarray(start + headerByteLength));
    write16(bytes, start + TCP_CHECKSUM, foldSum(transportSum(this.#header, headerByteLength + byteLength)));
    const { mss } = this.#sender;
    const kind = this.guest.address.length === 4 ? "tcp4" : "tcp6";
    wire.emitTo(this.guest.address, {
      bytes,
      checksum: { start, offset: TCP_CHECKSUM },
      segmentation: byteLength > mss ? { kind, payloadByteLength: mss } : null,
    });
  }

  #isWireBusy(): boolean {
    if (!this.#services.wire.isCongested) return false;
    this.#services.awaitWire(this);
    return true;
  }

  #account(): void {
    const pending = this.#stream?.pendingByteLength ?? 0;
    const now = pending + this.#queue.byteLength + this.#sender.buffer.byteLength;
    this.#services.memory.change(now - this.#counted);
    this.#counted = now;
  }

  #forgetMemory(): void {
    this.#queue.clear();
    this.#services.memory.change(-this.#counted);
    this.#counted = 0;
  }

  /**
   * Waits for the guest to answer or, when nothing is owed, to be silent for long. Only progress puts the answer's time
   * off (RFC 6298 section 5): a guest that sends all the time would put it off for ever.
   */
  #updateTimer(isProgress = false): void {
    const isOwed = this.#sender.isInFlight || this.#sender.isBlocked;
    if (!isOwed) this.#timer.arm(KEEP_ALIVE_MS);
    else if (isProgress || !this.#isAnswerTimed) this.#timer.arm(this.#sender.timeout.ms);
    this.#isAnswerTimed = isOwed;
  }

  #expire(): void {
    switch (this.#phase) {
      case "synSent":
      case "synReceived":
        this.#sender.timeout.expired();
        if (this.#sender.timeout.expiredCount > ATTEMPTS_MAX) this.reset();
        else this.#sendSyn();
        return;
      case "open":
        this.#expireOpen();
        return;
      case "timeWait":
        // What the guest has sent may still be on its way into the host's TCP; the connection counts until it is there.
        if (this.#stream === null) this.#close();
        else if (this.#services.clock.nowMs() - this.#heardMs > LINGER_MS) this.abort();
        else this.#timer.arm(TIME_WAIT_MS);
        return;
      case "connecting":
      case "closed":
        return;
    }
  }

  #expireOpen(): void {
    const { timeout } = this.#sender;
    if (!this.#sender.isInFlight && !this.#sender.isBlocked) {
      this.#keepAlive();
      return;
    }
    // A guest that answers keeps its window closed for as long as it likes.
    const isAlive = this.#services.clock.nowMs() - this.#heardMs < 2 * timeout.ms;
    if (timeout.expiredCount >= ATTEMPTS_MAX && !isAlive) {
      this.reset();
      return;
    }
    if (this.#sender.isBlocked) {
      timeout.expired();
      this.#sender.probe();
    } else this.#sender.expire();
    this.#updateTimer(true);
  }

  #keepAlive(): void {
    const silentMs = this.#services.clock.nowMs() - this.#heardMs;
    if (silentMs < KEEP_ALIVE_MS) {
      this.#timer.arm(KEEP_ALIVE_MS - silentMs);
    } else if (silentMs > KEEP_ALIVE_MS + KEEP_ALIVE_PROBES * KEEP_ALIVE_INTERVAL_MS) {
      this.reset();
    } else {
      this.#transmit((this.#sender.una - 1) >>> 0, 0, ACK);
      this.#timer.arm(KEEP_ALIVE_INTERVAL_MS);
    }
  }

  #close(): void {
    this.#phase = "closed";
    this.#stream = null;
    this.#timer.cancel();
    this.#sender.buffer.clear();
    this.#forgetMemory();
    this.#services.closed(this);
  }
}

const NO_OPTIONS = new Uint8Array();
