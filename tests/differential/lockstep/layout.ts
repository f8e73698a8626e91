/**
 * Where a lockstep program and what belongs to it lie. Physical addresses:
 *
 *   0x80000000  the machine's trap handler
 *   0x80001000  the supervisor's
 *   0x80002000  what handlers save, 1 KiB a hart: the machine's, the supervisor's, and a place that it marked
 *   0x80004000  page tables of two address spaces: root, middle and leaf each
 *   0x80010000  code, 8 pages
 *   0x80018000  the two pages that may stand at the twin's place
 *   0x80020000  data, 8 pages
 *   0x80028000  stacks, 4 pages a hart
 *
 * Without translation all of it is used there. With it, the leaf table maps pages of code and data in any order, and
 * some of them twice; the root's entry 2 is a gigapage in which virtual and physical addresses are the same.
 */
export const RAM_BASE = 0x8000_0000;
export const RAM_BYTE_LENGTH = 0x4_0000;
export const PAGE = 0x1000;

export const MACHINE_HANDLER = RAM_BASE;
export const SUPERVISOR_HANDLER = RAM_BASE + 0x1000;
export const SAVED = RAM_BASE + 0x2000;
export const SAVED_STRIDE = 0x400;
/** From a hart's machine part to its supervisor part. */
export const SUPERVISOR_SAVED = 0x200;
export const TABLES = RAM_BASE + 0x4000;
export const SPACE_BYTE_LENGTH = 3 * PAGE;
export const CODE = RAM_BASE + 0x1_0000;
export const CODE_PAGES = 8;
export const TWINS = CODE + CODE_PAGES * PAGE;
export const DATA = RAM_BASE + 0x2_0000;
export const DATA_PAGES = 8;
export const STACKS = RAM_BASE + 0x2_8000;
export const STACK_BYTE_LENGTH = 4 * PAGE;
export const MAX_HARTS = 3;

/** Pages of the leaf table. */
export const LEAF_CODE = 0;
export const LEAF_TWIN = CODE_PAGES;
export const LEAF_DATA = 16;
export const LEAF_STACKS = 32;
/** The code again, writable whatever the first mapping is. */
export const LEAF_ALIAS = 48;
export const LEAF_SUPERVISOR_HANDLER = 59;
export const LEAF_SAVED = 60;
/** The leaf tables of both address spaces. */
export const LEAF_TABLES = 62;
export const LEAF_CLINT = 64;
export const LEAF_DEVICE = 72;
/** Never mapped. */
export const LEAF_HOLE = 100;

/** Virtual addresses of the leaf table's range. */
export const LOW_BASE = 0x4000_0000n;
export const HIGH_BASE = 0xffff_ffff_c000_0000n;

/** What a handler saves and is told, by offset. */
export const SAVED_REGISTERS = 0; // x5, x6, x7, x28
export const SAVED_SIGNATURE = 32; // of all traps so far
export const SAVED_RECOVER = 40; // where to go on after a trap that cannot be stepped over
export const SAVED_STACK = 48; // x18 then
export const SAVED_PRIVILEGE = 56; // MPP, or SPP, then
export const SAVED_RANDOM = 64; // state of the timer's intervals
export const SAVED_HART = 72; // number of the hart
/** Behind both parts: where the program has marked a place to jump to from anywhere, and x18 there. */
export const MARKED_PLACE = 0x3f0;
export const MARKED_STACK = 0x3f8;

export const CLINT = 0x200_0000;
export const CLINT_MTIMECMP = 0x200_4000;
export const CLINT_MTIME = 0x200_bff8;

/** A device that shows when it is accessed, and acts on the machine. */
export const DEVICE = 0x1000_0000;
export const DEVICE_NUMBER = 0; // reads: another number each time
export const DEVICE_INTERRUPT = 0x8; // writes: raises the external interrupt of hart value & 3
export const DEVICE_ACKNOWLEDGE = 0xc; // writes: lowers all
export const DEVICE_WORD = 0x10; // writes: by DMA, to the place in the code chosen before
export const DEVICE_PLACE = 0x14; // writes: a byte offset in the code
export const DEVICE_STOP = 0x18; // writes: ends the run
