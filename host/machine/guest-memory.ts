import { PAGE_BYTE_LENGTH } from "../../assembly/shared/layout.js";
import type { Core } from "../core/core.js";
import { type AbsentPages, PAGES_PER_QUAD } from "../core/ram-pages.js";
import { CHUNK_BYTE_LENGTH, Chunk, type ChunkMap, chunkByteLength, emptyChunkMap } from "../storage/chunk.js";
import { assert } from "../util/errors.js";

const PAGES_PER_CHUNK = CHUNK_BYTE_LENGTH / PAGE_BYTE_LENGTH;
assert(PAGES_PER_CHUNK === PAGES_PER_QUAD, "a chunk is a quad of pages");

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
      if (pages.arePlain(firstPage(index), PAGES_PER_CHUNK)) continue;
      if (this.#isWritten(index)) chunks[index] = Chunk.of(pages.copy(firstPage(index), this.#pageCount(index)));
    }
    this.#core.forgetWritten();
    this.#base = { byteLength, chunks };
    this.#isBaseOwn = false;
    return this.#base;
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
      if (isZero && (pages.arePlain(firstPage(index), PAGES_PER_CHUNK) || !this.#isWritten(index))) continue;
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
      if (isSame && (pages.arePlain(firstPage(index), PAGES_PER_CHUNK) || !this.#isWritten(index))) continue;
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
    const chunks = this.#isBaseOwn ? (this.#base.chunks as (Chunk | null)[]) : [...this.#base.chunks];
    chunks[index] = null;
    this.#base = { byteLength: this.#base.byteLength, chunks };
    this.#isBaseOwn = true;
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
