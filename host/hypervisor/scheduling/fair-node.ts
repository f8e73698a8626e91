import { type ProcessorSettings, UNLIMITED } from "./settings.js";

/** How long a turn is while others want one, too. */
export const SLICE_MS = 1.5;
/** How long a turn is while nobody else wants one. */
export const LONE_SLICE_MS = 3;
/** A turn shorter than this costs more than it gives: who is at its limit waits until it has so much. */
export const GRANT_MS_MIN = 1;
/**
 * What a limit gives in this time can be had at once. The host's timers are late, and what one sleeps longer than this
 * is lost.
 */
const LIMIT_PERIOD_MS = 50;
/** Sums of times are not exact. */
const ROUNDING_MS = 1e-6;
/** What a member can be behind its reservation, in time; more is forgotten. */
const RESERVATION_PERIOD_MS = 50;

/**
 * A machine or a pool as its parent pool sees it: its virtual time, which grows by the time that it uses over its
 * shares, and two buckets of time, one that a limit fills and one that a reservation fills.
 *
 * Times are of a clock that the caller keeps; see `Dispatcher`.
 */
export class FairNode {
  parent: FairPool | null = null;
  /** Of the parent's clock. */
  virtualMs = 0;
  /** Whether it wants the processor. */
  isReady = false;
  /** The turn at which it ran last; who ran longest ago is first among equals. */
  lastTurn = 0;
  /** Whether its present turn is owed to its reservation. */
  #isReservedTurn = false;
  #isHeldBack = false;
  #settings: ProcessorSettings = UNLIMITED;
  #updatedMs = 0;
  #allowedMs = 0;
  #behindMs = 0;

  get settings(): ProcessorSettings {
    return this.#settings;
  }

  /** Takes effect at once. What it is ahead of others in time, it stays. */
  configure(settings: ProcessorSettings, nowMs: number): void {
    this.update(nowMs);
    if (this.parent !== null) {
      const aheadMs = this.virtualMs - this.parent.clockMs;
      this.virtualMs = this.parent.clockMs + (aheadMs * this.#settings.shares) / settings.shares;
    }
    const wasUnlimited = this.#settings.limit === null;
    this.#settings = settings;
    this.#allowedMs = Math.min(wasUnlimited ? GRANT_MS_MIN : this.#allowedMs, this.#allowedMsMax);
  }

  /** What it is guaranteed now. */
  get reservation(): number {
    return this.#settings.reservation;
  }

  /** How long its turn may be for its limit. */
  get allowedMs(): number {
    return this.#settings.limit === null ? Number.POSITIVE_INFINITY : this.#allowedMs;
  }

  /** When its limit lets it run again: 0 when it may at once. */
  get heldBackMs(): number {
    const { limit } = this.#settings;
    const missingMs = limit === null ? 0 : GRANT_MS_MIN - this.#allowedMs;
    return limit === null || missingMs < ROUNDING_MS ? 0 : missingMs / limit;
  }

  /** Part of its reservation's period that it is behind: more than 0 when it has a right to the next turn. */
  get urgency(): number {
    const { reservation } = this;
    return reservation > 0 ? this.#behindMs / reservation : 0;
  }

  update(nowMs: number): void {
    const passedMs = Math.max(0, nowMs - this.#updatedMs);
    this.#updatedMs = nowMs;
    const { limit } = this.#settings;
    if (limit !== null) this.#allowedMs = Math.min(this.#allowedMsMax, this.#allowedMs + limit * passedMs);
    if (this.isReady) {
      const most = Math.max(this.reservation * RESERVATION_PERIOD_MS, SLICE_MS);
      this.#behindMs = Math.min(most, this.#behindMs + this.reservation * passedMs);
    }
  }

  /** Its limit does not let it run. */
  holdBack(): void {
    this.#isHeldBack = true;
  }

  /** It may run: what it was kept from it does not catch up with. */
  admit(): void {
    if (!this.#isHeldBack) return;
    this.#isHeldBack = false;
    this.catchUp();
  }

  /** It has not been there for a while, or could not run: nothing is owed to it for that. */
  catchUp(): void {
    if (this.parent !== null) this.virtualMs = Math.max(this.virtualMs, this.parent.clockMs);
  }

  become(isReady: boolean, nowMs: number): void {
    this.update(nowMs);
    this.isReady = isReady;
    if (isReady) this.catchUp();
    else this.#behindMs = Math.min(0, this.#behindMs);
  }

  beginTurn(turn: number): void {
    this.lastTurn = turn;
    this.#isReservedTurn = this.urgency > 0;
    const { parent } = this;
    if (parent !== null && !this.#isReservedTurn) parent.clockMs = Math.max(parent.clockMs, this.virtualMs);
  }

  charge(usedMs: number, nowMs: number): void {
    this.update(nowMs);
    this.#allowedMs -= usedMs;
    this.#behindMs = Math.max(-LONE_SLICE_MS, this.#behindMs - usedMs);
    // What a reservation gives beyond the shares' part is no debt: the member would pay it when its reservation ends.
    if (this.#isReservedTurn && this.parent !== null) this.virtualMs = Math.min(this.virtualMs, this.parent.clockMs);
    this.virtualMs += usedMs / this.#settings.shares;
  }

  get #allowedMsMax(): number {
    return Math.max((this.#settings.limit ?? 0) * LIMIT_PERIOD_MS, 2 * GRANT_MS_MIN);
  }
}

export class FairPool extends FairNode {
  /** Where the member stands whose turn it was last: one that comes begins here. */
  clockMs = 0;
  readonly members = new Set<FairNode>();
  readonly ready = new Set<FairNode>();

  /** Its own, or what those in it have together if that is more: a pool gives what its members were promised. */
  override get reservation(): number {
    let sum = 0;
    for (const member of this.ready) sum += member.reservation;
    return Math.max(super.reservation, sum);
  }
}
