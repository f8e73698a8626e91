import type { Frame, Link, NetworkClock, Station } from "./link.js";
import { type Rate, TokenBucket } from "./token-bucket.js";

/** What a link may carry, each direction by itself. */
export interface LinkRate {
  /** It is never exceeded, but for the burst. */
  readonly ceiling: Rate;
  /** Bytes in a second that the link gets even while others use up what they share; 0 unless given. */
  readonly guaranteedBytesPerSecond?: number;
}

/** What several links together may carry, each direction by itself. */
export class SharedRate {
  readonly #clock: NetworkClock;
  readonly #buckets: readonly [TokenBucket, TokenBucket];

  constructor(rate: Rate, clock: NetworkClock) {
    this.#clock = clock;
    this.#buckets = [new TokenBucket(rate, clock.nowMs()), new TokenBucket(rate, clock.nowMs())];
  }

  set rate(rate: Rate) {
    for (const bucket of this.#buckets) bucket.setRate(rate, this.#clock.nowMs());
  }

  /** @param direction 0 from the machine, 1 to it */
  bucket(direction: 0 | 1): TokenBucket {
    return this.#buckets[direction];
  }
}

const GUARANTEE_BURST_MS = 50;

/**
 * A link whose rate is limited. It keeps no frames: while the rate is used up it refuses them, so that whoever sends
 * waits rather than loses.
 */
export class LimitedLink implements Link {
  readonly #link: Link;
  readonly #clock: NetworkClock;
  readonly #outward: Gate;
  readonly #inward: Gate;
  #rate: LinkRate | null;
  #station: Station | null = null;

  /** @param rate null for no limit */
  constructor(link: Link, rate: LinkRate | null, clock: NetworkClock, shared: SharedRate | null = null) {
    this.#link = link;
    this.#clock = clock;
    this.#rate = rate;
    this.#outward = new Gate(clock, rate, shared?.bucket(0) ?? null, () => this.#station?.resume());
    this.#inward = new Gate(clock, rate, shared?.bucket(1) ?? null, () => this.#link.resume());
  }

  get rate(): LinkRate | null {
    return this.#rate;
  }

  /** Another limit from now on; null for none. */
  set rate(rate: LinkRate | null) {
    this.#rate = rate;
    this.#outward.setRate(rate);
    this.#inward.setRate(rate);
  }

  connect(station: Station): void {
    this.#station = station;
    this.#link.connect({
      receive: (frame) => this.#inward.pass(frame, () => station.receive(frame)),
      resume: () => station.resume(),
      setLinkUp: (isUp) => station.setLinkUp(isUp),
    });
  }

  send(frame: Frame): boolean {
    return this.#outward.pass(frame, () => this.#link.send(frame));
  }

  resume(): void {
    this.#link.resume();
  }

  async close(): Promise<void> {
    this.#outward.close();
    this.#inward.close();
    await this.#link.close();
  }

  /** For those who wait for the rate: the link's time. */
  get clock(): NetworkClock {
    return this.#clock;
  }
}

/** One direction of a limited link. */
class Gate {
  readonly #clock: NetworkClock;
  readonly #shared: TokenBucket | null;
  readonly #reopen: () => void;
  #ceiling: TokenBucket | null = null;
  #guarantee: TokenBucket | null = null;
  #cancelTimer: (() => void) | null = null;

  constructor(clock: NetworkClock, rate: LinkRate | null, shared: TokenBucket | null, reopen: () => void) {
    this.#clock = clock;
    this.#shared = shared;
    this.#reopen = reopen;
    this.setRate(rate);
  }

  setRate(rate: LinkRate | null): void {
    const nowMs = this.#clock.nowMs();
    this.#ceiling = changed(this.#ceiling, rate?.ceiling ?? null, nowMs);
    const guaranteed = rate?.guaranteedBytesPerSecond ?? 0;
    const burstByteLength = Math.max(1, (guaranteed * GUARANTEE_BURST_MS) / 1000);
    const guarantee = guaranteed > 0 ? { bytesPerSecond: guaranteed, burstByteLength } : null;
    this.#guarantee = changed(this.#guarantee, guarantee, nowMs);
    if (this.#cancelTimer !== null) this.#open();
  }

  /** @returns whether the frame passed: the rate allowed it, and `forward` took it */
  pass({ bytes }: Frame, forward: () => boolean): boolean {
    const delayMs = this.#delayMs();
    if (delayMs > 0) {
      this.#cancelTimer ??= this.#clock.after(delayMs, () => this.#open());
      return false;
    }
    if (!forward()) return false;
    this.#ceiling?.take(bytes.length);
    this.#guarantee?.take(bytes.length);
    this.#shared?.take(bytes.length);
    return true;
  }

  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #open(): void {
    this.close();
    this.#reopen();
  }

  /** Within its guarantee a link need not wait for what it shares, but always for its own ceiling. */
  #delayMs(): number {
    const nowMs = this.#clock.nowMs();
    const ceilingMs = this.#ceiling?.delayMs(nowMs) ?? 0;
    const sharedMs = this.#shared?.delayMs(nowMs) ?? 0;
    const guaranteeMs = this.#guarantee?.delayMs(nowMs) ?? Number.POSITIVE_INFINITY;
    return Math.max(ceilingMs, Math.min(sharedMs, guaranteeMs));
  }
}

function changed(bucket: TokenBucket | null, rate: Rate | null, nowMs: number): TokenBucket | null {
  if (rate === null) return null;
  if (bucket === null) return new TokenBucket(rate, nowMs);
  bucket.setRate(rate, nowMs);
  return bucket;
}
