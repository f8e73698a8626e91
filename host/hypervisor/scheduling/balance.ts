import { type Move, type PlacedMachine, planMoves } from "./placement.js";

/**
 * Loads that so many looks in a row have found uneven are no burst. Guests that do nothing have bursts, too, all those
 * that were forked from one at the same time; moving them costs more than they do.
 */
const UNEVEN_LOOKS = 5;
/** Afterwards machines stay where they are for so long: what moves did shows only after a while. */
const REST_MS = 5000;

/** When machines move to other workers; `planMoves` says which. */
export class Balance {
  #unevenLooks = 0;
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  /**
   * To be called about once a second.
   *
   * @param nowMs of any clock that is never set back
   * @returns the moves that are to be made now
   */
  look(machines: readonly PlacedMachine[], workerCount: number, nowMs: number): readonly Move[] {
    if (nowMs < this.#notBeforeMs) return [];
    const moves = planMoves(machines, workerCount);
    this.#unevenLooks = moves.length === 0 ? 0 : this.#unevenLooks + 1;
    if (this.#unevenLooks < UNEVEN_LOOKS) return [];
    this.#unevenLooks = 0;
    this.#notBeforeMs = nowMs + REST_MS;
    return moves;
  }
}
