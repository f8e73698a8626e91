import { readFileSync } from "node:fs";

/** Of what this program may have open, guests' sockets take at most this part: the rest is for files and for others. */
const GUESTS_SHARE = 0.75;
/** One guest may have so many for each that is left for others. */
const OWN_PER_LEFT = 2;

/** Counts the sockets that guests have on the host, so that they cannot use up what this program may have open. */
export class SocketBudget {
  #left: number;

  /** @param count sockets of all guests */
  constructor(count: number = Math.floor(openFilesMax() * GUESTS_SHARE)) {
    this.#left = count;
  }

  /** @returns whether there is one more for somebody who has `own` already */
  take(own: number): boolean {
    if (own >= OWN_PER_LEFT * this.#left) return false;
    this.#left--;
    return true;
  }

  give(): void {
    this.#left++;
  }
}

/** How many files and sockets this program may have open; Infinity where the host does not say. */
function openFilesMax(): number {
  try {
    const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1")) ?? [];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
