import type { NetworkClock } from "../link.js";
import type { TcpReceiver } from "./tcp-receiver.js";
import { ahead } from "./tcp-segment.js";

/** Answers to segments out of place, in a second: RFC 5961 section 7. */
const CHALLENGES_PER_SECOND = 100;
/** So many full segments are acknowledged soon: RFC 5681 section 4.2. */
const SEGMENTS_PER_ACK = 2;

/**
 * When data of the guest's is acknowledged. Small pieces are mostly questions, whose answers take the acknowledgment
 * along: that spares the guest an interrupt and a segment (RFC 9293 section 3.8.6.3).
 */
export type AckTime = "soon" | "later";

/** What the guest was told of its data, and when it is told of more. */
export class TcpAcknowledgment {
  readonly #receiver: TcpReceiver;
  readonly #clock: Pick<NetworkClock, "nowMs">;
  #requested: AckTime | null = null;
  /** The sequence number that the guest was told last. */
  #told = 0;
  #challenges = { secondMs: Number.NEGATIVE_INFINITY, count: 0 };

  constructor(receiver: TcpReceiver, clock: Pick<NetworkClock, "nowMs">) {
    this.#receiver = receiver;
    this.#clock = clock;
  }

  /** Whether one was requested and has not gone. */
  get isDue(): boolean {
    return this.#requested !== null;
  }

  /** The guest is told now. @returns the number that tells it */
  tell(): number {
    this.#requested = null;
    this.#told = this.#receiver.next;
    return this.#told;
  }

  /**
   * Data has come.
   *
   * @param mss the guest's segments
   * @returns the time to request, or null when that was done
   */
  request(mss: number): AckTime | null {
    const much = SEGMENTS_PER_ACK * mss;
    const byteLength = ahead(this.#receiver.next, this.#told);
    const isSmall = byteLength > 0 && byteLength < much;
    // A guest that has filled its window waits for nothing else.
    const mayGoOn = !this.#receiver.isEnded && this.#receiver.promised >= much;
    const when = isSmall && mayGoOn ? "later" : "soon";
    if (this.#requested === "soon" || this.#requested === when) return null;
    this.#requested = when;
    return when;
  }

  /** Whether a segment out of place may be answered now; counts it. */
  mayChallenge(): boolean {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#challenges.secondMs >= 1000) this.#challenges = { secondMs: nowMs, count: 0 };
    return this.#challenges.count++ < CHALLENGES_PER_SECOND;
  }
}
