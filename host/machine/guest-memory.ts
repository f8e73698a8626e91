import { PAGE_BYTE_LENGTH } from "../../assembly/shared/layout.js";
import type { Core } from "../core/core.js";
import { type AbsentPages, PAGES_PER_QUAD } from "../core/ram-pages.js";
import { CHUNK_BYTE_LENGTH, Chunk, type ChunkMap, chunkByteLength, emptyChunkMap } from "../storage/chunk.js";
import { assert } from "../util/errors.js";

const PAGES_PER_CHUNK = CHUNK_BYTE_LENGTH / PAGE_BYTE_LENGTH;
assert(PAGES_PER_CHUNK === PAGES_PER_QUAD, "a chunk is a quad of pages");

/** Copied ahead of a capture at a time: a millisecond or two, in which the guest and its neighbours stand still. */
const AHEAD_CHUNKS = 256;
/** Left to the capture itself. */
const LEFT_CHUNKS = 512;

/** In whole chunks. */
export interface MemoryUsage {
  readonly touchedByteLength: number;
  readonly residentByteLength: number;
}

/**
 * Guest RAM as chunks. What was captured last is remembered, so that the next capture copies only what was written
 * since; what is restored is brought in when it is first touched.
 */
export class GuestMemory {
  readonly #core: Core;
  /** What RAM held at the last capture or restore; true of every chunk none of whose pages was written since. */
  #base: ChunkMap;
  /** Whether nobody else has the base. */
  #isBaseOwn = false;
  readonly #absent: AbsentPages = {
    bringIn: (page) => this.#bringIn(page),
    makeZero: (page) => this.#makeZero(page),
  };
  readonly #onLost: (error: unknown) => void;

  /** @param onLost called when contents cannot be brought in; the guest sees zeros until it stops */
  constructor(core: Core, onLost: (error: unknown) => void) {
    this.#core = core;
    this.#onLost = onLost;
    this.#base = emptyChunkMap(core.ram.byteLength);
  }

  /** RAM as it is. The processor forgets its cached translations: see `Core.forgetWritten`. */
  capture(): ChunkMap {
    const { pages, byteLength } = this.#core.ram;
    const chunks = [...this.#base.chunks];
    for (let index = 0; index < chunks.length; index++) {
      if (this.#isWritten(index)) chunks[index] = Chunk.of(pages.copy(firstPage(index), this.#pageCount(index)));
    }
    this.#core.forgetWritten();
    this.#base = { byteLength, chunks };
    this.#isBaseOwn = false;
    return this.#base;
  }

  /**
   * Copies what was written since the last capture, so that the next one has little to copy: again as long as each time
   * the guest has written less than half as much anew. Yields where the guest may run on.
   */
  *copyAhead(): Generator<void> {
    let before = Number.POSITIVE_INFINITY;
    for (let count = this.#writtenCount(); count > LEFT_CHUNKS && count <= before / 2; count = this.#writtenCount()) {
      yield* this.#copyWritten();
      before = count;
    }
  }

  *#copyWritten(): Generator<void> {
    const { pages } = this.#core.ram;
    let copied = 0;
    for (let index = 0; index < this.#base.chunks.length; index++) {
      if (!this.#isWritten(index)) continue;
      this.#ownChunks()[index] = Chunk.of(pages.copy(firstPage(index), this.#pageCount(index)));
      pages.forgetWritten(firstPage(index), this.#pageCount(index));
      if (++copied % AHEAD_CHUNKS !== 0) continue;
      this.#core.flushTlbs();
      yield;
    }
    this.#core.flushTlbs();
  }

  #writtenCount(): number {
    let count = 0;
    for (let index = 0; index < this.#base.chunks.length; index++) if (this.#isWritten(index)) count++;
    return count;
  }

  /** How much of RAM there is something in, and how much of that takes up memory here and now. */
  usage(): MemoryUsage {
    let touched = 0;
    let resident = 0;
    const { pages } = this.#core.ram;
    const { chunks } = this.#base;
    // Without an iterator: this is done for every machine every few seconds.
    for (let index = 0; index < chunks.length; index++) {
      const isZero = chunks[index] === null;
      if (isZero && !this.#isWritten(index)) continue;
      touched += this.#pageCount(index);
      if (!pages.isAbsent(firstPage(index))) resident += this.#pageCount(index);
    }
    return { touchedByteLength: touched * PAGE_BYTE_LENGTH, residentByteLength: resident * PAGE_BYTE_LENGTH };
  }

  /** Makes RAM what was captured. Right after `Core.reset`: nothing of RAM may be cached in the processor. */
  restore(contents: ChunkMap): void {
    const { pages, byteLength } = this.#core.ram;
    assert(contents.byteLength === byteLength, `ram: ${contents.byteLength} bytes for ${byteLength}`);
    const before = this.#base;
    this.#base = contents;
    this.#isBaseOwn = false;
    // Hundreds of thousands of pages, most of them as they were: this is most of what a fork costs.
    for (let index = 0; index < contents.chunks.length; index++) {
      const isSame = contents.chunks[index] === before.chunks[index];
      if (isSame && !this.#isWritten(index)) continue;
      pages.leaveAbsent(firstPage(index), this.#pageCount(index), this.#absent);
    }
  }

  #bringIn(page: number): void {
    const index = Math.floor(page / PAGES_PER_CHUNK);
    this.#core.ram.pages.fill(firstPage(index), this.#pageCount(index), this.#contents(index));
  }

  #makeZero(page: number): void {
    const index = Math.floor(page / PAGES_PER_CHUNK);
    if (this.#base.chunks[index] === null) return;
    this.#ownChunks()[index] = null;
  }

  /** The chunks of the base, to be changed. */
  #ownChunks(): (Chunk | null)[] {
    if (!this.#isBaseOwn) this.#base = { byteLength: this.#base.byteLength, chunks: [...this.#base.chunks] };
    this.#isBaseOwn = true;
    return this.#base.chunks as (Chunk | null)[];
  }

  /** An error must not pass through the processor, which would be left amid an instruction. */
  #contents(index: number): Uint8Array | null {
    try {
      return this.#base.chunks[index]?.read() ?? null;
    } catch (error) {
      this.#onLost(error);
      return null;
    }
  }

  #isWritten(index: number): boolean {
    const { pages } = this.#core.ram;
    const first = firstPage(index);
    if (pages.arePlain(first, PAGES_PER_CHUNK)) return false;
    for (let page = first; page < first + this.#pageCount(index); page++) if (pages.isWritten(page)) return true;
    return false;
  }

  #pageCount(index: number): number {
    return chunkByteLength(this.#core.ram.byteLength, index) / PAGE_BYTE_LENGTH;
  }
}

function firstPage(index: number): number {
  return index * PAGES_PER_CHUNK;
}
