/**
 * Where everything lies in the image that QEMU and our core both run. Physical addresses.
 *
 *   0x80000000  a jump to the monitor; addresses like this are often in registers, so nothing else is here
 *   0x80030000  the monitor, in machine mode (monitor.ts)
 *   0x80100000  page tables: one each for the levels Sv57 has
 *   0x80200000  arena, 2 MiB: the one program that runs; all that it may touch
 *   0x80400000  contents for the data window, the same in every image
 *   0x80500000  blocks: what each program begins with, in turn, ended by a block of zeros
 *   0x80d00000  results, in the same order
 *   0x83c00000  left to the device tree that QEMU puts near the end
 */
export const RAM_BASE = 0x8000_0000;
export const RAM_BYTE_LENGTH = 64 << 20;

export const MONITOR_BASE = 0x8003_0000;
export const TABLES_BASE = 0x8010_0000;
export const TABLES_BYTE_LENGTH = 0x8000;
export const ARENA_BASE = 0x8020_0000;
export const ARENA_BYTE_LENGTH = 0x20_0000;
export const WINDOWS_BASE = 0x8040_0000;
export const BLOCKS_BASE = 0x8050_0000;
export const RESULTS_BASE = 0x80d0_0000;

/** In the arena: two pages of code, the supervisor's trap stub, and the data window. */
export const CODE_OFFSET = 0;
export const CODE_BYTE_LENGTH = 0x2000;
export const STUB_OFFSET = 0x2000;
export const DATA_OFFSET = 0x10_0000;
export const DATA_BYTE_LENGTH = 0x4000;

/** In the supervisor's stub: an ECALL at each vector, and an SRET to come back through. */
export const STUB_VECTORS_BYTE_LENGTH = 0x40;
export const STUB_RETURN_OFFSET = 0x80;

export const WINDOW_COUNT = 16;

/**
 * The page tables under a program's root: every level's table has the entries its virtual addresses need.
 *
 *   tables + 0x0000  leaf     entries 0-15: 4 KiB pages, a program's own choice
 *   tables + 0x1000  middle   entry 0: leaf table; entries 1-3: megapages, a program's own choice
 *   tables + 0x2000  Sv39     entries 1 and 511: middle table; entry 2: a gigapage, a program's own choice
 *   tables + 0x3000  Sv48     entries 0 and 511: Sv39's root
 *   tables + 0x4000  Sv57     entries 0 and 511: Sv48's root
 */
export const LEAF_TABLE = TABLES_BASE;
export const MIDDLE_TABLE = TABLES_BASE + 0x1000;
export const SV39_ROOT = TABLES_BASE + 0x2000;
export const SV48_ROOT = TABLES_BASE + 0x3000;
export const SV57_ROOT = TABLES_BASE + 0x4000;

export const LEAF_COUNT = 16;
export const MEGAPAGE_COUNT = 3;
export const PTE_COUNT = LEAF_COUNT + MEGAPAGE_COUNT + 1;

/** Virtual addresses of the middle table's range, low and high half of the address space. */
export const LOW_BASE = 0x4000_0000n;
export const HIGH_BASE = 0xffff_ffff_c000_0000n;
/** From there: the megapage that maps the arena. */
export const MEGAPAGE_OFFSET = 0x20_0000n;
/** Pages of the leaf table. */
export const LEAF_CODE = 0;
export const LEAF_DATA = 4;
export const LEAF_STUB = 15;

/** CSRs the monitor sets before a program, in this order. */
export const INITIAL_CSRS = [
  "medeleg",
  "mideleg",
  "mie",
  "menvcfg",
  "stimecmp",
  "mip",
  "senvcfg",
  "mcounteren",
  "scounteren",
  "mcountinhibit",
  "stvec",
  "sscratch",
  "sepc",
  "scause",
  "stval",
  "mcause",
  "mtval",
  "pmpaddr0",
  "pmpaddr1",
  "pmpaddr2",
  "pmpaddr3",
  "pmpcfg0",
  "satp",
] as const;

/** CSRs the monitor records after a program. */
export const FINAL_CSRS = [
  "mstatus",
  "fcsr",
  "mepc",
  "mcause",
  "mtval",
  "medeleg",
  "mideleg",
  "mie",
  "mip",
  "menvcfg",
  "mcounteren",
  "mcountinhibit",
  "sstatus",
  "stvec",
  "sepc",
  "scause",
  "stval",
  "sscratch",
  "scounteren",
  "senvcfg",
  "satp",
  "stimecmp",
  "pmpaddr0",
  "pmpaddr1",
  "pmpcfg0",
] as const;

/** A block's fields, each a doubleword, in order. Addresses of sources and destinations are physical. */
export const BLOCK_FIELDS = [
  "entry", // virtual; 0 in the block behind the last
  "result",
  "window",
  "codeTo0", // the two pages of code: where to, where from, how much (bytes, a multiple of 8)
  "codeFrom0",
  "codeByteLength0",
  "codeTo1",
  "codeFrom1",
  "codeByteLength1",
  "codeBase", // virtual address of the two pages, and where each lies
  "codePage0",
  "codePage1",
  "end", // virtual address whose trap ends the program
  "stub", // virtual address of the supervisor's stub
  "mstatus",
  ...INITIAL_CSRS,
  "fcsr",
  ...Array.from({ length: PTE_COUNT }, (_, n) => `pte${n}`),
  ...Array.from({ length: 32 }, (_, n) => `x${n}`),
  ...Array.from({ length: 32 }, (_, n) => `f${n}`),
] as const;

export type Block = Readonly<Record<string, bigint>>;

export const BLOCK_BYTE_LENGTH = 8 * BLOCK_FIELDS.length;

export function blockOffset(field: string): number {
  const index = BLOCK_FIELDS.indexOf(field);
  if (index < 0) throw new Error(`no field "${field}" in a block`);
  return 8 * index;
}

/** Why the monitor ended a program: `status` of a result. */
export const STATUS_ENDED = 1; // it trapped at its end
export const STATUS_LOST = 2; // it trapped where there is no code to go on with
export const STATUS_TRAPS = 3; // it trapped as often as a result can tell
export const STATUS_TIMEOUT = 4; // it ran on until the monitor's timer

/** A result, by offset. A trap's record: cause, epc, tval, mstatus, and 0 or, for the supervisor's, what `via` says. */
export const RESULT_STATUS = 0;
export const RESULT_TRAP_COUNT = 8;
export const RESULT_TRAPS = 64;
export const TRAP_BYTE_LENGTH = 40;
export const MAX_TRAPS = 48;
/** In a supervisor trap's record: this plus the offset in the stub where it arrived. */
export const VIA_SUPERVISOR = 0x1000;
export const RESULT_X = 2048;
export const RESULT_F = RESULT_X + 256;
export const RESULT_CSRS = RESULT_F + 256;
export const RESULT_PTES = RESULT_CSRS + 8 * FINAL_CSRS.length;
export const RESULT_DATA = 4096;
export const RESULT_BYTE_LENGTH = RESULT_DATA + DATA_BYTE_LENGTH;

/** Bytes a block takes with its code at most; programs in one image follow from it. */
export const BLOCK_STRIDE = 4096;
export const MAX_PROGRAMS = 2000;

if (BLOCKS_BASE + BLOCK_STRIDE * (MAX_PROGRAMS + 1) > RESULTS_BASE) throw new Error("blocks reach into results");
if (RESULTS_BASE + RESULT_BYTE_LENGTH * MAX_PROGRAMS > RAM_BASE + RAM_BYTE_LENGTH - (4 << 20)) {
  throw new Error("results reach into the device tree");
}

/** The board's devices that the monitor uses. */
export const TEST_DEVICE = 0x10_0000;
export const TEST_PASS = 0x5555;
export const CLINT_MTIMECMP = 0x200_4000;
export const CLINT_MTIME = 0x200_bff8;
/** Until the monitor gives up a program: 20 seconds of 10 MHz, so that a busy host is not taken for an endless loop. */
export const TIMEOUT_TICKS = 200_000_000;
