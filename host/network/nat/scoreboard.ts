import { ahead } from "./tcp-segment.js";

/** Runs kept; a guest reports at most four at a time. */
const RUNS_MAX = 64;

/** What a guest says it has beyond its acknowledgment: RFC 6675. Its word only speeds things up. */
export class Scoreboard {
  /** In ascending order, disjoint. */
  #runs: (readonly [number, number])[] = [];

  /** The end of the highest run, or null. */
  get highest(): number | null {
    return this.#runs.at(-1)?.[1] ?? null;
  }

  /**
   * @param blocks [from, to); those not within (acknowledged, sent] are ignored
   * @returns how many bytes they say of that were not known to be there
   */
  add(blocks: readonly (readonly [number, number])[], acknowledged: number, sent: number): number {
    if (blocks.length === 0) return 0;
    const known = this.byteLengthBefore(sent);
    for (const [from, to] of blocks) {
      const isSound = ahead(to, from) > 0 && ahead(from, acknowledged) > 0 && ahead(to, sent) <= 0;
      if (isSound) this.#insert(from, to);
    }
    return this.byteLengthBefore(sent) - known;
  }

  /** How many bytes before `sequence` are there. */
  byteLengthBefore(sequence: number): number {
    let byteLength = 0;
    for (const [from, to] of this.#runs) {
      if (ahead(sequence, from) <= 0) break;
      byteLength += Math.min(ahead(to, from), ahead(sequence, from));
    }
    return byteLength;
  }

  /** The end of the run that the byte of this number is in, or null. */
  endOfRunAt(sequence: number): number | null {
    const run = this.#runs.find(([from, to]) => ahead(sequence, from) >= 0 && ahead(to, sequence) > 0);
    return run?.[1] ?? null;
  }

  /** Forgets what lies before `acknowledged`. */
  advance(acknowledged: number): void {
    if (this.#runs.length > 0) this.#runs = this.#runs.filter(([, to]) => ahead(to, acknowledged) > 0);
  }

  /** The first gap [from, to) at or after `sequence` below the highest run, or null. */
  gap(sequence: number): readonly [number, number] | null {
    let from = sequence;
    for (const [start, end] of this.#runs) {
      if (ahead(start, from) > 0) return [from, start];
      if (ahead(end, from) > 0) from = end;
    }
    return null;
  }

  clear(): void {
    this.#runs = [];
  }

  #insert(from: number, to: number): void {
    let [first, last] = [from, to];
    const apart: (readonly [number, number])[] = [];
    for (const run of this.#runs) {
      if (ahead(run[0], last) > 0 || ahead(first, run[1]) > 0) apart.push(run);
      else {
        if (ahead(run[0], first) < 0) first = run[0];
        if (ahead(run[1], last) > 0) last = run[1];
      }
    }
    if (apart.length >= RUNS_MAX) return;
    apart.push([first, last]);
    apart.sort((a, b) => ahead(a[0], b[0]));
    this.#runs = apart;
  }
}
