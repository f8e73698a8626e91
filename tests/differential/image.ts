import {
  ARENA_BASE,
  BLOCK_BYTE_LENGTH,
  BLOCK_STRIDE,
  BLOCKS_BASE,
  blockOffset,
  CODE_BYTE_LENGTH,
  CODE_OFFSET,
  DATA_BYTE_LENGTH,
  FINAL_CSRS,
  LEAF_TABLE,
  MAX_PROGRAMS,
  MAX_TRAPS,
  MIDDLE_TABLE,
  PTE_COUNT,
  RAM_BASE,
  RESULT_BYTE_LENGTH,
  RESULT_CSRS,
  RESULT_DATA,
  RESULT_F,
  RESULT_PTES,
  RESULT_STATUS,
  RESULT_TRAP_COUNT,
  RESULT_TRAPS,
  RESULT_X,
  RESULTS_BASE,
  SV39_ROOT,
  SV48_ROOT,
  SV57_ROOT,
  TRAP_BYTE_LENGTH,
  WINDOW_COUNT,
  WINDOWS_BASE,
} from "./layout.js";
import { assembleMonitor } from "./monitor.js";
import type { Program } from "./program.js";
import { hardFloat, hardInteger, Random } from "./random.js";

const PAGE = 4096;

/** RAM from its first byte on, with the monitor and the programs it is to run, at most MAX_PROGRAMS. */
export function buildImage(programs: readonly Program[]): Uint8Array {
  if (programs.length > MAX_PROGRAMS) throw new RangeError(`${programs.length} programs, expected ${MAX_PROGRAMS}`);
  const image = new Uint8Array(BLOCKS_BASE - RAM_BASE + BLOCK_STRIDE * (programs.length + 1));
  image.set(commonPart());
  const view = new DataView(image.buffer);
  programs.forEach((program, n) => {
    writeBlock(image, view, program, n);
  });
  return image;
}

let common: Uint8Array | undefined;

/** What every image begins with. */
function commonPart(): Uint8Array {
  if (common) return common;
  common = new Uint8Array(BLOCKS_BASE - RAM_BASE);
  common.set(assembleMonitor());
  const view = new DataView(common.buffer);
  const pointer = (table: number, index: number, to: number) =>
    view.setBigUint64(table - RAM_BASE + 8 * index, (BigInt(to) >> 2n) | 1n, true);
  pointer(MIDDLE_TABLE, 0, LEAF_TABLE);
  for (const index of [1, 511]) pointer(SV39_ROOT, index, MIDDLE_TABLE);
  for (const index of [0, 511]) pointer(SV48_ROOT, index, SV39_ROOT);
  for (const index of [0, 511]) pointer(SV57_ROOT, index, SV48_ROOT);
  for (let window = 0; window < WINDOW_COUNT; window++) {
    const random = new Random(0x57494e00 + window);
    const base = WINDOWS_BASE - RAM_BASE + window * DATA_BYTE_LENGTH;
    for (let offset = 0; offset < DATA_BYTE_LENGTH; offset += 8) {
      const value = random.chance(50) ? hardFloat(random) : hardInteger(random);
      view.setBigUint64(base + offset, value, true);
    }
  }
  return common;
}

function writeBlock(image: Uint8Array, view: DataView, program: Program, index: number): void {
  const paddr = BLOCKS_BASE + BLOCK_STRIDE * index;
  const offset = paddr - RAM_BASE;
  const set = (field: string, value: bigint | number) =>
    view.setBigUint64(offset + blockOffset(field), BigInt.asUintN(64, BigInt(value)), true);
  for (const [field, value] of Object.entries(program.block)) set(field, value);
  set("result", RESULTS_BASE + RESULT_BYTE_LENGTH * index);
  set("window", WINDOWS_BASE + DATA_BYTE_LENGTH * program.window);

  const code = new Uint8Array(CODE_BYTE_LENGTH);
  for (const unit of program.units) code.set(unit.bytes, unit.offset);
  const first = program.units[0]!.offset & ~7;
  const last = program.units.at(-1)!;
  const end = (last.offset + last.bytes.length + 7) & ~7;
  let source = BLOCK_BYTE_LENGTH;
  for (const page of [0, 1]) {
    const from = Math.max(first, PAGE * page);
    const to = Math.min(end, PAGE * (page + 1));
    const pageBase = ARENA_BASE + CODE_OFFSET + PAGE * (program.isSwapped ? 1 - page : page);
    set(`codePage${page}`, pageBase);
    if (to <= from) continue;
    if (source + to - from > BLOCK_STRIDE) throw new RangeError(`program ${program.seed}: too much code`);
    image.set(code.subarray(from, to), offset + source);
    set(`codeTo${page}`, pageBase + from - PAGE * page);
    set(`codeFrom${page}`, paddr + source);
    set(`codeByteLength${page}`, to - from);
    source += to - from;
  }
}

export interface Trap {
  readonly cause: bigint;
  readonly epc: bigint;
  readonly tval: bigint;
  readonly mstatus: bigint;
  readonly via: bigint;
}

/** What became of a program. */
export interface Result {
  readonly status: number;
  readonly traps: readonly Trap[];
  readonly x: readonly bigint[];
  readonly f: readonly bigint[];
  /** In the order of FINAL_CSRS. */
  readonly csrs: readonly bigint[];
  readonly ptes: readonly bigint[];
  readonly data: Uint8Array;
}

/** @param ram from its first byte on, at least as far as the result lies */
export function readResult(ram: Uint8Array, index: number): Result {
  const offset = RESULTS_BASE - RAM_BASE + RESULT_BYTE_LENGTH * index;
  const view = new DataView(ram.buffer, ram.byteOffset + offset, RESULT_BYTE_LENGTH);
  const u64 = (at: number) => view.getBigUint64(at, true);
  const u64s = (at: number, count: number) => Array.from({ length: count }, (_, n) => u64(at + 8 * n));
  const trapCount = Math.min(Number(u64(RESULT_TRAP_COUNT)), MAX_TRAPS);
  return {
    status: Number(u64(RESULT_STATUS)),
    traps: Array.from({ length: trapCount }, (_, n) => {
      const at = RESULT_TRAPS + TRAP_BYTE_LENGTH * n;
      return { cause: u64(at), epc: u64(at + 8), tval: u64(at + 16), mstatus: u64(at + 24), via: u64(at + 32) };
    }),
    x: [0n, ...u64s(RESULT_X + 8, 31)],
    f: u64s(RESULT_F, 32),
    csrs: u64s(RESULT_CSRS, FINAL_CSRS.length),
    ptes: u64s(RESULT_PTES, PTE_COUNT),
    data: ram.slice(offset + RESULT_DATA, offset + RESULT_DATA + DATA_BYTE_LENGTH),
  };
}

/** Whether two machines' results are the same to the bit, which is quicker told than what differs. */
export function areResultsEqual(a: Uint8Array, b: Uint8Array, index: number): boolean {
  const from = RESULTS_BASE - RAM_BASE + RESULT_BYTE_LENGTH * index;
  const to = from + RESULT_BYTE_LENGTH;
  return Buffer.compare(a.subarray(from, to), b.subarray(from, to)) === 0;
}
