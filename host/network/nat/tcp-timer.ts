import type { NetworkClock } from "../link.js";
import { PostponedTimer } from "./postponed-timer.js";
import type { TcpSender } from "./tcp-sender.js";

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

/** What the timer needs of its connection. */
export interface TcpTimerWires {
  readonly clock: NetworkClock;
  readonly sender: TcpSender;
  /** The time is over: the connection calls what its phase asks for. */
  expired(): void;
  /** Asks a silent guest whether it is there. */
  sendKeepAlive(): void;
  /** The guest is gone. */
  reset(): void;
}

/** How long a connection waits: for an answer, for a sign of life, and for its end. One of them at a time. */
export class TcpTimer {
  readonly #wires: TcpTimerWires;
  readonly #timer: PostponedTimer;
  #heardMs: number;
  /** Whether the timer is set for an answer to what was sent. */
  #isAnswerTimed = false;

  constructor(wires: TcpTimerWires) {
    this.#wires = wires;
    this.#timer = new PostponedTimer(wires.clock, () => wires.expired());
    this.#heardMs = wires.clock.nowMs();
  }

  /** Whether the outside has had its time to take a guest's last data. */
  get hasLingered(): boolean {
    return this.#silentMs > LINGER_MS;
  }

  /** The guest has sent something. */
  heard(): void {
    this.#heardMs = this.#wires.clock.nowMs();
  }

  /** The guest has answered our SYN. */
  opened(): void {
    this.#isAnswerTimed = false;
  }

  /**
   * Waits for the guest to answer or, when nothing is owed, to be silent for long. Only progress puts the answer's time
   * off (RFC 6298 section 5): a guest that sends all the time would put it off for ever.
   */
  update(isProgress = false): void {
    const { sender } = this.#wires;
    const isOwed = sender.isInFlight || sender.isBlocked;
    if (!isOwed) this.#timer.arm(KEEP_ALIVE_MS);
    else if (isProgress || !this.#isAnswerTimed) this.#timer.arm(sender.timeout.ms);
    this.#isAnswerTimed = isOwed;
  }

  /** Both sides have ended, and the guest may not have heard of it. */
  awaitEnd(): void {
    this.#timer.arm(TIME_WAIT_MS);
  }

  cancel(): void {
    this.#timer.cancel();
  }

  /** The SYN was not answered. @param sendSyn sends it again */
  expireSyn(sendSyn: () => void): void {
    const { timeout } = this.#wires.sender;
    timeout.expired();
    if (timeout.expiredCount > ATTEMPTS_MAX) this.#wires.reset();
    else sendSyn();
  }

  /** The guest has not answered in time, or was silent for long. */
  expireOpen(): void {
    const { sender } = this.#wires;
    const { timeout } = sender;
    if (!sender.isInFlight && !sender.isBlocked) {
      this.#keepAlive();
      return;
    }
    // A guest that answers keeps its window closed for as long as it likes.
    const isAlive = this.#silentMs < 2 * timeout.ms;
    if (timeout.expiredCount >= ATTEMPTS_MAX && !isAlive) {
      this.#wires.reset();
      return;
    }
    if (sender.isBlocked) {
      timeout.expired();
      sender.probe();
    } else sender.expire();
    this.update(true);
  }

  get #silentMs(): number {
    return this.#wires.clock.nowMs() - this.#heardMs;
  }

  #keepAlive(): void {
    const silentMs = this.#silentMs;
    if (silentMs < KEEP_ALIVE_MS) {
      this.#timer.arm(KEEP_ALIVE_MS - silentMs);
    } else if (silentMs > KEEP_ALIVE_MS + KEEP_ALIVE_PROBES * KEEP_ALIVE_INTERVAL_MS) {
      this.#wires.reset();
    } else {
      this.#wires.sendKeepAlive();
      this.#timer.arm(KEEP_ALIVE_INTERVAL_MS);
    }
  }
}
