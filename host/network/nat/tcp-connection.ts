import type { Endpoint, OutsideStream, StreamEvents, StreamFailure } from "./outside.js";
import { TcpAcknowledgment } from "./tcp-acknowledgment.js";
import { TcpOutput } from "./tcp-output.js";
import { TcpReceiver, WINDOW_SCALE } from "./tcp-receiver.js";
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
  type TcpSegment,
} from "./tcp-segment.js";
import { TcpSender } from "./tcp-sender.js";
import type { TcpServices } from "./tcp-services.js";
import { TcpTimer } from "./tcp-timer.js";

const MSS_DEFAULT = 536;
/** A guest cannot make us send frames that are all header. */
const MSS_MIN = 88;

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
  readonly #receiver: TcpReceiver;
  readonly #acknowledgment: TcpAcknowledgment;
  readonly #output: TcpOutput;
  readonly #timer: TcpTimer;
  #phase: Phase;
  #stream: OutsideStream | null = null;
  #syn: TcpSegment | null = null;
  #sackPermitted = false;
  #isPaused = false;
  /** What the stream memory counts for this connection. */
  #counted = 0;

  /** @param initialSequence hard to guess */
  constructor(guest: Endpoint, remote: Endpoint, initialSequence: number, services: TcpServices) {
    this.guest = guest;
    this.remote = remote;
    this.#services = services;
    this.#output = new TcpOutput(guest, remote, services.wire);
    this.#sender = new TcpSender(initialSequence, {
      clock: services.clock,
      transmit: (sequence, byteLength, flags, read) => this.#transmit(sequence, byteLength, flags | ACK, read),
      isWireBusy: () => this.#isWireBusy(),
    });
    this.#receiver = new TcpReceiver({
      memory: services.memory,
      pendingByteLength: () => this.#stream?.pendingByteLength ?? 0,
      deliver: (data) => {
        this.#stream?.write(data);
        this.#account();
      },
      gapChanged: () => {
        this.#account();
        // Each tells the guest of the gap: RFC 5681 section 4.2.
        this.#sendAck();
      },
      ended: () => this.#stream?.end(),
    });
    this.#acknowledgment = new TcpAcknowledgment(this.#receiver, services.clock);
    this.#timer = new TcpTimer({
      clock: services.clock,
      sender: this.#sender,
      expired: () => this.#expire(),
      sendKeepAlive: () => this.#transmit((this.#sender.una - 1) >>> 0, 0, ACK),
      reset: () => this.reset(),
    });
    this.#phase = "connecting";
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
    this.#timer.heard();
    switch (this.#phase) {
      case "connecting":
        if ((segment.flags & RST) !== 0 && segment.sequence === this.#receiver.next) this.abort();
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
    return (
      this.#phase === "timeWait" && (flags & (SYN | ACK | RST)) === SYN && ahead(sequence, this.#receiver.next) > 0
    );
  }

  /** Sends the guest what may be sent now. */
  pump(): void {
    if (this.#phase !== "open") return;
    this.#sender.pump();
    this.#timer.update();
  }

  /** Sends the acknowledgment that was put off. */
  flushAck(): void {
    if (!this.#acknowledgment.isDue || this.#phase === "connecting" || this.#phase === "closed") return;
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
    if (this.#phase !== "open" || this.#receiver.isEnded) return;
    const stated = this.#receiver.promised;
    const growth = this.#receiver.room - stated;
    // Small steps are not worth an acknowledgment (RFC 9293 section 3.8.6.2.2).
    if (growth >= Math.min(this.#services.memory.streamByteLength / 4, 2 * this.#output.mss) || stated === 0) {
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
    this.#receiver.begin(sequence, windowScale !== null);
    this.#sender.mss = Math.max(MSS_MIN, Math.min(mss ?? MSS_DEFAULT, this.#output.mss));
    this.#sackPermitted = sackPermitted;
    this.#sender.windowScale = windowScale ?? 0;
    this.#sender.setWindow(sequence, this.#sender.una, window);
  }

  #sendSyn(): void {
    const isAnswer = this.#phase === "synReceived";
    const options = synOptions(
      this.#output.mss,
      !isAnswer || this.#receiver.isScaled ? WINDOW_SCALE : null,
      !isAnswer || this.#sackPermitted,
    );
    this.#sender.sentSyn();
    this.#transmit(this.#sender.una, 0, isAnswer ? SYN | ACK : SYN, undefined, options);
    this.#timer.update(true);
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
    if (!this.#receiver.isInWindow(segment)) {
      if ((flags & RST) === 0) this.#challenge(segment);
      return;
    }
    if ((flags & RST) !== 0) {
      // Anything but the exact number may be somebody's guess: RFC 5961 section 3.2.
      if (sequence === this.#receiver.next) this.abort();
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
    this.#timer.opened();
    this.#phase = "open";
  }

  #challenge({ flags }: TcpSegment): void {
    // Our SYN has been lost when the guest repeats its own.
    if (this.#phase === "synReceived" && (flags & SYN) !== 0) {
      this.#sendSyn();
      return;
    }
    if (this.#acknowledgment.mayChallenge()) this.#sendAck();
    if (this.#phase === "timeWait") this.#timer.awaitEnd();
  }

  #takeAck({ sequence, acknowledgment, window, data, flags, options }: TcpSegment): void {
    const blocks = this.#sackPermitted && options.length > 0 ? parseSack(options) : [];
    const isBare = data.length === 0 && (flags & FIN) === 0 && this.#sender.isWindow(window);
    const count = this.#sender.acknowledge(acknowledgment, isBare, blocks);
    const hasOpened = this.#sender.updateWindow(sequence, acknowledgment, window);
    if (count > 0 || hasOpened) this.#timer.update(true);
    if (count === 0) return;
    this.#account();
    if (this.#isPaused && this.#sender.buffer.byteLength < this.#services.memory.streamByteLength / 2) {
      this.#isPaused = false;
      this.#stream?.resume();
    }
  }

  #takeData(segment: TcpSegment): void {
    if (this.#receiver.isEnded || (segment.data.length === 0 && (segment.flags & FIN) === 0)) return;
    this.#receiver.take(segment);
    const when = this.#acknowledgment.request(this.#sender.mss);
    if (when !== null) this.#services.requestAck(this, when);
  }

  #finishIfDone(): void {
    if (this.#phase !== "open" || !this.#receiver.isEnded || !this.#sender.isDone) return;
    this.flushAck();
    this.#phase = "timeWait";
    this.#timer.awaitEnd();
  }

  #sendAck(): void {
    const blocks = this.#sackPermitted ? this.#receiver.blocks() : [];
    const options = blocks.length === 0 ? undefined : sackOption(blocks);
    this.#transmit(this.#sender.bareSequence, 0, ACK, undefined, options);
  }

  #transmit(
    sequence: number,
    byteLength: number,
    flags: number,
    read?: (into: Uint8Array) => void,
    options: Uint8Array = NO_OPTIONS,
  ): void {
    const acknowledgment = (flags & ACK) !== 0 ? this.#acknowledgment.tell() : 0;
    const window = (flags & RST) !== 0 ? 0 : this.#receiver.stateWindow((flags & SYN) !== 0);
    this.#output.emit({ sequence, acknowledgment, flags, window, options }, byteLength, this.#sender.mss, read);
  }

  #isWireBusy(): boolean {
    if (!this.#services.wire.isCongested) return false;
    this.#services.awaitWire(this);
    return true;
  }

  #account(): void {
    const pending = this.#stream?.pendingByteLength ?? 0;
    const now = pending + this.#receiver.queuedByteLength + this.#sender.buffer.byteLength;
    this.#services.memory.change(now - this.#counted);
    this.#counted = now;
  }

  #forgetMemory(): void {
    this.#receiver.clear();
    this.#services.memory.change(-this.#counted);
    this.#counted = 0;
  }

  #expire(): void {
    switch (this.#phase) {
      case "synSent":
      case "synReceived":
        this.#timer.expireSyn(() => this.#sendSyn());
        return;
      case "open":
        this.#timer.expireOpen();
        return;
      case "timeWait":
        // What the guest has sent may still be on its way into the host's TCP; the connection counts until it is there.
        if (this.#stream === null) this.#close();
        else if (this.#timer.hasLingered) this.abort();
        else this.#timer.awaitEnd();
        return;
      case "connecting":
      case "closed":
        return;
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
