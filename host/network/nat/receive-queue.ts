import { ahead } from "./tcp-segment.js";

/** Pieces that wait for others before them: more than a window of full segments has would be an attack. */
const PIECES_MAX = 2048;
/** What a piece takes beside its bytes. */
const PIECE_COST = 128;
/** So many runs are reported at most: more do not fit a segment's options. */
const BLOCKS_MAX = 4;

interface Piece {
  readonly sequence: number;
  readonly data: Uint8Array;
}

/** Data of a guest's that has come before what precedes it. */
export class ReceiveQueue {
  /** In ascending order, not overlapping. */
  readonly #pieces: Piece[] = [];
  /** A number in each of the runs that grew lately, the latest first. */
  #recent: number[] = [];
  #byteLength = 0;

  /** The memory that it takes. */
  get byteLength(): number {
    return this.#byteLength;
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0;
  }

  /** Keeps what of the data is new, or loses it when there are too many pieces. It must be within the window. */
  add(sequence: number, data: Uint8Array): void {
    let from = sequence;
    let rest = data;
    const skip = (count: number) => {
      from = (from + Math.min(count, rest.length)) >>> 0;
      rest = rest.subarray(Math.min(count, rest.length));
    };
    let index = this.#indexAfter(from);
    if (index > 0) skip(Math.max(0, ahead(endOf(this.#pieces[index - 1]!), from)));
    while (rest.length > 0) {
      const next = this.#pieces[index];
      const fresh = rest.subarray(0, next === undefined ? rest.length : ahead(next.sequence, from));
      if (fresh.length > 0 && !this.#insert(index++, from, fresh)) return;
      skip(fresh.length);
      if (next === undefined) break;
      skip(next.data.length);
      index++;
    }
    this.#recent = [sequence, ...this.#recent.slice(0, BLOCKS_MAX)];
  }

  /** Takes the data that begins at `sequence` without a gap, or null; forgets what lies before it. */
  take(sequence: number): Uint8Array | null {
    for (;;) {
      const [first] = this.#pieces;
      if (first === undefined || ahead(first.sequence, sequence) > 0) return null;
      this.#pieces.shift();
      this.#byteLength -= first.data.length + PIECE_COST;
      if (this.isEmpty) this.#recent = [];
      const rest = first.data.subarray(ahead(sequence, first.sequence));
      if (rest.length > 0) return rest;
    }
  }

  /** At most four of the runs [from, to) that are here, those that grew last first: RFC 2018 section 4. */
  blocks(): readonly (readonly [number, number])[] {
    const blocks: (readonly [number, number])[] = [];
    for (const sequence of this.#recent) {
      const isKnown = blocks.some(([from, to]) => ahead(sequence, from) >= 0 && ahead(to, sequence) > 0);
      const run = isKnown || blocks.length === BLOCKS_MAX ? null : this.#runAt(sequence);
      if (run !== null) blocks.push(run);
    }
    this.#recent = blocks.map(([from]) => from);
    return blocks;
  }

  clear(): void {
    this.#pieces.length = 0;
    this.#recent = [];
    this.#byteLength = 0;
  }

  /** The run that the byte of this number is in, or null. */
  #runAt(sequence: number): readonly [number, number] | null {
    let first = this.#indexAfter(sequence) - 1;
    const piece = this.#pieces[first];
    if (piece === undefined || ahead(endOf(piece), sequence) <= 0) return null;
    let last = first;
    while (first > 0 && endOf(this.#pieces[first - 1]!) === this.#pieces[first]!.sequence) first--;
    while (this.#pieces[last + 1]?.sequence === endOf(this.#pieces[last]!)) last++;
    return [this.#pieces[first]!.sequence, endOf(this.#pieces[last]!)];
  }

  /** Of the first piece that begins after this number; what is asked for is mostly at the end. */
  #indexAfter(sequence: number): number {
    let index = this.#pieces.length;
    while (index > 0 && ahead(this.#pieces[index - 1]!.sequence, sequence) > 0) index--;
    return index;
  }

  #insert(index: number, sequence: number, data: Uint8Array): boolean {
    if (this.#pieces.length >= PIECES_MAX) return false;
    // A copy: small pieces must not keep large frames alive.
    this.#pieces.splice(index, 0, { sequence, data: data.slice() });
    this.#byteLength += data.length + PIECE_COST;
    return true;
  }
}

function endOf({ sequence, data }: Piece): number {
  return (sequence + data.length) >>> 0;
}
