/**
 * The module's linear memory, low to high. Compiled by asc and imported by the host: the only place with addresses.
 *
 *   0x0000000  never used, so that a null pointer traps nothing of value
 *   0x0000400  asc's static data
 *   0x0010000  machine: fields shared by all harts            MACHINE_BASE (fields: isa/hart.ts)
 *   0x0011000  harts: registers and CSRs, 4 KiB each          HARTS_BASE
 *   0x0020000  TLBs, 64 KiB a hart                            TLBS_BASE
 *   0x0100000  slot of the decoded page, a u16 a RAM page     CODE_SLOTS_BASE
 *   0x0300000  written since the last snapshot, or absent: a u8 a page  DIRTY_BASE
 *   0x0400000  decoded pages                                  DECODED_BASE
 *   0x4000000  guest RAM, page-aligned, to the end            RAM_BASE
 */

export const MAX_HARTS: u32 = 8;

export const MACHINE_BASE: u32 = 0x10000;
export const HARTS_BASE: u32 = 0x11000;
export const HART_STRIDE: u32 = 0x1000;

export const TLBS_BASE: u32 = 0x20000;
export const TLB_STRIDE: u32 = 0x10000;

export const CODE_SLOTS_BASE: u32 = 0x100000;
export const DIRTY_BASE: u32 = 0x300000;
/** What the byte of a page in DIRTY_BASE says, besides 0. */
export const PAGE_WRITTEN: u32 = 1;
/** The page's contents are with the host, which brings them in before the first access. */
export const PAGE_ABSENT: u32 = 2;

/** A decoded page: one 8-byte entry a halfword, a sentinel entry, then the RAM page number it was made from. */
export const DECODED_BASE: u32 = 0x400000;
export const DECODED_ENTRIES_BYTE_LENGTH: u32 = 2048 * 8;
export const DECODED_STRIDE: u32 = 2048 * 8 + 64;
export const DECODED_PAGE_COUNT: u32 = 1024;

export const RAM_BASE: u32 = 0x4000000;

/** Guest physical address of RAM's first byte, as on QEMU's `virt` board. */
export const RAM_PADDR: u32 = 0x80000000;

/** wasm32 ends at 4 GiB; what lies below RAM_BASE is the core's own. */
export const MAX_RAM_BYTE_LENGTH: u32 = 0xfc000000;

export const PAGE_BYTE_LENGTH: u32 = 4096;
export const PAGE_SHIFT: u32 = 12;
