import { DIRTY_BASE, PAGE_ABSENT, PAGE_BYTE_LENGTH, PAGE_WRITTEN, RAM_BASE } from "../../assembly/shared/layout.js";
import { assert } from "../util/errors.js";
import type { LinearMemory } from "./linear-memory.js";

export const PAGES_PER_QUAD = 4;

/** The flags of four pages that are all absent. */
const ABSENT_QUAD = PAGE_ABSENT * 0x0101_0101;

/** Who has the contents of absent pages. */
export interface AbsentPages {
  /** Puts the contents of a page in place with `fill`; it may fill others with it. */
  bringIn(page: number): void;
  /** The contents are zero from now on. */
  makeZero(page: number): void;
}

/**
 * What is known about each page of guest RAM, in a byte that host and processor share: whether it was written since
 * the last `forgetWritten`, and whether its contents are still with the host.
 *
 * An absent page is brought in before its first access, whoever makes it. Pages count from 0 at the start of RAM.
 */
export class RamPages {
  readonly count: number;
  readonly #flags: Uint8Array;
  /** The flags of four pages in each. */
  readonly #quads: Uint32Array;
  readonly #contents: Uint8Array;
  #source: AbsentPages | null = null;
  /** Nothing above it is absent. */
  #absentEnd = 0;

  constructor(memory: LinearMemory, ramByteLength: number) {
    this.count = ramByteLength / PAGE_BYTE_LENGTH;
    this.#flags = memory.bytes.subarray(DIRTY_BASE, DIRTY_BASE + this.count);
    this.#quads = new Uint32Array(memory.bytes.buffer, DIRTY_BASE, Math.floor(this.count / PAGES_PER_QUAD));
    this.#contents = memory.bytes.subarray(RAM_BASE, RAM_BASE + ramByteLength);
  }

  isWritten(page: number): boolean {
    return this.#flags[page] === PAGE_WRITTEN;
  }

  isAbsent(page: number): boolean {
    return this.#flags[page] === PAGE_ABSENT;
  }

  /** Whether none of these pages is written or absent. */
  arePlain(first: number, pageCount: number): boolean {
    // One look instead of four.
    if (pageCount === PAGES_PER_QUAD && first % PAGES_PER_QUAD === 0) return this.#quads[first / PAGES_PER_QUAD] === 0;
    for (let page = first; page < first + pageCount; page++) if (this.#flags[page] !== 0) return false;
    return true;
  }

  /**
   * Leaves `pageCount` pages absent. No translation of them may be cached: see `Core.reset`.
   *
   * @param source of all absent pages
   */
  leaveAbsent(first: number, pageCount: number, source: AbsentPages): void {
    this.#flags.fill(PAGE_ABSENT, first, first + pageCount);
    this.#source = source;
    this.#absentEnd = Math.max(this.#absentEnd, first + pageCount);
  }

  /** Has an absent page's contents put in place. */
  bringIn(page: number): void {
    assert(this.#source !== null, `ram: page ${page} is absent, and nobody has it`);
    this.#source.bringIn(page);
    assert(!this.isAbsent(page), `ram: page ${page} was not brought in`);
  }

  /** Makes four pages zero without bringing them in. @returns false when that cannot be: not all of them are absent */
  dropAbsent(quad: number): boolean {
    if (this.#quads[quad] !== ABSENT_QUAD || this.#source === null) return false;
    const first = quad * PAGES_PER_QUAD;
    for (let page = first; page < first + PAGES_PER_QUAD; page++) this.#source.makeZero(page);
    return true;
  }

  /** @param offset from the start of RAM; the range lies within RAM */
  ensurePresent(offset: number, byteLength: number): void {
    const first = Math.floor(offset / PAGE_BYTE_LENGTH);
    if (first >= this.#absentEnd || byteLength === 0) return;
    const last = Math.floor((offset + byteLength - 1) / PAGE_BYTE_LENGTH);
    for (let page = first; page <= last; page++) if (this.isAbsent(page)) this.bringIn(page);
  }

  /** Puts whole pages in place: they are present then, and count as not written. @param contents null for zeros */
  fill(first: number, pageCount: number, contents: Uint8Array | null): void {
    const start = first * PAGE_BYTE_LENGTH;
    if (contents === null) this.#contents.fill(0, start, start + pageCount * PAGE_BYTE_LENGTH);
    else this.#contents.set(contents, start);
    this.#flags.fill(0, first, first + pageCount);
  }

  /** A copy of the contents of pages that are present. */
  copy(first: number, pageCount: number): Uint8Array {
    const start = first * PAGE_BYTE_LENGTH;
    return this.#contents.slice(start, start + pageCount * PAGE_BYTE_LENGTH);
  }

  /** Pages that are present count as not written: all of them, or some. No translation of them may be cached. */
  forgetWritten(first = 0, pageCount = this.count): void {
    if (this.#absentEnd <= first) {
      this.#flags.fill(0, first, first + pageCount);
      return;
    }
    for (let page = first; page < first + pageCount; page++) if (this.isWritten(page)) this.#flags[page] = 0;
  }
}
