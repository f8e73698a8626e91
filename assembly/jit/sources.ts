import { SOURCES_BASE, SOURCES_END } from "../shared/jit-layout";
import { RAM_BASE } from "../shared/layout";
import { Build, Instruction } from "./region";

/**
 * Which guest instruction which part of a module was made from, for people to read. At SOURCES_BASE the number of
 * entries, then from 16 bytes on an entry for each instruction of each body, in order:
 *
 *   0  u32  where in the bodies its code begins
 *   4  u32  its bits
 *   8  u64  its virtual address
 */
const ENTRY_BYTE_LENGTH: u32 = 16;

export function startSources(): void {
  store<u32>(<usize>SOURCES_BASE, 0);
}

/** Code for `i` begins at `offset`. Entries for which there is no room are left out. */
export function noteSource(b: Build, i: Instruction, offset: u32): void {
  const n = load<u32>(<usize>SOURCES_BASE) + 1;
  const entry = SOURCES_BASE + n * ENTRY_BYTE_LENGTH;
  if (entry + ENTRY_BYTE_LENGTH > SOURCES_END) return;
  store<u32>(<usize>SOURCES_BASE, n);
  store<u32>(<usize>entry, offset);
  store<u32>(<usize>entry, bitsOf(b, i), 4);
  store<u64>(<usize>entry, b.pcOf(i.slot), 8);
}

function bitsOf(b: Build, i: Instruction): u32 {
  const low = halfword(b, i.slot);
  return i.byteLength == 2 ? low : low | (halfword(b, i.slot + 1) << 16);
}

function halfword(b: Build, slot: u32): u32 {
  return load<u16>(<usize>(RAM_BASE + ((b.page(slot >> 11) - 1) << 12) + ((slot << 1) & 0xfff)));
}
