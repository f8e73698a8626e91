/** Page tables written into a guest's RAM: Privileged ISA, "Sv39", "Sv48", "Sv57". */
import type { Guest } from "./fixture.js";

export const V = 1n << 0n;
export const R = 1n << 1n;
export const W = 1n << 2n;
export const X = 1n << 3n;
export const U = 1n << 4n;
export const G = 1n << 5n;
export const A = 1n << 6n;
export const D = 1n << 7n;
export const N = 1n << 63n;
/** A leaf that supervisor mode may do anything with. */
export const ALL = V | R | W | X | A | D;

const LEVELS = { sv39: 3, sv48: 4, sv57: 5 } as const;
const MODES = { sv39: 8n, sv48: 9n, sv57: 10n } as const;
export type Scheme = keyof typeof LEVELS;

/** A tree of page tables; tables are taken one after another from `firstTable` up. */
export class PageTables {
  readonly root: bigint;
  readonly #guest: Guest;
  readonly #levels: number;
  readonly #mode: bigint;
  #next: bigint;

  constructor(guest: Guest, scheme: Scheme, firstTable: bigint) {
    this.#guest = guest;
    this.#levels = LEVELS[scheme];
    this.#mode = MODES[scheme];
    this.root = firstTable;
    this.#next = firstTable + 4096n;
  }

  /** The value of satp that selects this tree. */
  satp(asid = 0n): bigint {
    return (this.#mode << 60n) | (asid << 44n) | (this.root >> 12n);
  }

  /**
   * Maps the page of `vaddr` to that of `paddr`.
   *
   * @param level 0 for 4 KiB, 1 for 2 MiB, 2 for 1 GiB ...
   * @returns the address of the leaf
   */
  map(vaddr: bigint, paddr: bigint, flags: bigint, level = 0): bigint {
    const entry = this.entry(vaddr, level);
    this.#guest.writeDword(entry, pte(paddr, flags));
    return entry;
  }

  /** Address of the entry for `vaddr` at `level`; the tables above it are made. */
  entry(vaddr: bigint, level: number): bigint {
    let table = this.root;
    for (let at = this.#levels - 1; at > level; at--) {
      const entry = table + indexAt(vaddr, at);
      if (this.#guest.dword(entry) === 0n) {
        this.#guest.writeDword(entry, pte(this.#next, V));
        this.#next += 4096n;
      }
      table = (this.#guest.dword(entry) >> 10n) << 12n;
    }
    return table + indexAt(vaddr, level);
  }
}

export function pte(paddr: bigint, flags: bigint): bigint {
  return ((paddr >> 12n) << 10n) | flags;
}

function indexAt(vaddr: bigint, level: number): bigint {
  return ((vaddr >> BigInt(12 + 9 * level)) & 0x1ffn) * 8n;
}
