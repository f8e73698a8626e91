import { ahead } from "./tcp-segment.js";

/** Pieces that wait for others before them; more would be an attack. */
const PIECES_MAX = 256;

interface Piece {
  readonly sequence: number;
  readonly data: Uint8Array;
}

/** Data of a guest's that has come before what precedes it. */
export class ReceiveQueue {
  /** In ascending order, not overlapping. */
  readonly #pieces: Piece[] = [];
  #byteLength = 0;

  get byteLength(): number {
    return this.#byteLength;
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0;
  }

  /** Keeps what of the data is new. It must be within the window. */
  add(sequence: number, data: Uint8Array): void {
    let from = sequence;
    let rest = data;
    let index = 0;
    for (; index < this.#pieces.length && rest.length > 0; index++) {
      const piece = this.#pieces[index]!;
      const before = ahead(piece.sequence, from);
      if (before > 0) {
        const part = rest.subarray(0, Math.min(before, rest.length));
        if (!this.#insert(index, from, part)) return;
        index++;
        from = (from + part.length) >>> 0;
        rest = rest.subarray(part.length);
      }
      const covered = ahead((piece.sequence + piece.data.length) >>> 0, from);
      if (covered <= 0) continue;
      rest = rest.subarray(Math.min(covered, rest.length));
      from = (from + covered) >>> 0;
    }
    if (rest.length > 0) this.#insert(index, from, rest);
  }

  /** Takes the data that begins at `sequence` without a gap, or null. */
  take(sequence: number): Uint8Array | null {
    const [first] = this.#pieces;
    if (first === undefined || first.sequence !== sequence) return null;
    this.#pieces.shift();
    this.#byteLength -= first.data.length;
    return first.data;
  }

  /** The runs [from, to) that are here, the earliest first. @param countMax how many of them */
  blocks(countMax: number): (readonly [number, number])[] {
    const blocks: [number, number][] = [];
    for (const { sequence, data } of this.#pieces) {
      const end = (sequence + data.length) >>> 0;
      const last = blocks.at(-1);
      if (last !== undefined && last[1] === sequence) last[1] = end;
      else if (blocks.length < countMax) blocks.push([sequence, end]);
      else break;
    }
    return blocks;
  }

  clear(): void {
    this.#pieces.length = 0;
    this.#byteLength = 0;
  }

  #insert(index: number, sequence: number, data: Uint8Array): boolean {
    if (this.#pieces.length >= PIECES_MAX) return false;
    // A copy: small pieces must not keep large frames alive.
    this.#pieces.splice(index, 0, { sequence, data: data.slice() });
    this.#byteLength += data.length;
    return true;
  }
}
