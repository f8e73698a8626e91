import { KIND_ATOMIC, KIND_MEMORY } from "../generated/translate";
import * as op from "../generated/operations";
import { Block, Build, BUILD_END, Instruction } from "./region";
import { ACCESS, ACCESS_SIZE_SHIFT, STORES } from "./width";

// Where all that a block loads and stores lies near few addresses, as on the stack or in a structure, one look at the
// TLB for each of those will do: the block is emitted twice, and the first version, in which no access can miss, has no
// ways out. What the registers hold within it need never be known, which is worth as much as the checks.

/** An address that accesses lie near, for one kind of them: a register where the block begins, and what they reach. */
@unmanaged export class Span {
  base: u32;
  isStore: u32;
  /** Offsets from the register: of the first byte, and behind the last. */
  first: i32;
  end: i32;
}

export const MAX_SPANS: u32 = 3;
const SPAN_BYTE_LENGTH: u32 = 16;
const SPANS: u32 = BUILD_END + 0x200;
/** What a register holds: the register whose value it was where the block began, UNKNOWN if none, and its distance. */
const ORIGINS: u32 = SPANS + 0x100; // i32 an integer register
const DISTANCES: u32 = ORIGINS + 0x80; // i32 an integer register
const UNKNOWN: i32 = -1;

/** A span is shorter than a page, or it would hardly ever lie in one. */
const MAX_SPAN: i32 = 1024;
/** Beyond it an immediate cannot be what compilers make of a structure or the stack. */
const MAX_DISTANCE: i64 = 0x100000;
/** So many accesses more than spans are worth the second version. */
const WORTH: u32 = 3;

@inline export function spanAt(n: u32): Span {
  return changetype<Span>(<usize>(SPANS + n * SPAN_BYTE_LENGTH));
}

@inline function origin(r: u32): i32 {
  return load<i32>(<usize>(ORIGINS + (r << 2)));
}
@inline function distance(r: u32): i32 {
  return load<i32>(<usize>(DISTANCES + (r << 2)));
}
@inline function setOrigin(r: u32, from: i32, by: i32): void {
  store<i32>(<usize>(ORIGINS + (r << 2)), from);
  store<i32>(<usize>(DISTANCES + (r << 2)), by);
}

/** Finds the spans of a block. @returns how many; 0 when it is not worth it, or an access lies elsewhere */
export function findSpans(b: Build, block: Block): u32 {
  let spans: u32 = 0;
  let accesses: u32 = 0;
  forgetOrigins();
  for (let n: u32 = 0; n < block.count; n++) {
    const i = b.instruction(block.first + n);
    if (i.isStep || i.isFlags || i.kind == KIND_ATOMIC) return 0;
    if (i.kind == KIND_MEMORY) {
      spans = addAccess(i, spans);
      if (spans == 0) return 0;
      accesses++;
    }
    follow(i);
  }
  if (accesses < spans + WORTH) return 0;
  for (let n: u32 = 0; n < spans; n++) {
    if (spanAt(n).end - spanAt(n).first > MAX_SPAN || ((block.narrowIn >> spanAt(n).base) & 1) != 0) return 0;
  }
  return spans;
}

/** From where the block begins: a register is itself. */
export function forgetOrigins(): void {
  for (let r: u32 = 0; r < 32; r++) setOrigin(r, r, 0);
}

/** Takes note of what an instruction leaves in its destination. */
export function follow(i: Instruction): void {
  const written = <u32>i.writes;
  if (written == 0) return;
  const from = i.operation == op.OP_ADDI && i.rs1 != 0 ? origin(i.rs1) : UNKNOWN;
  const by = from == UNKNOWN ? 0 : <i64>distance(i.rs1) + i.imm;
  if (by > MAX_DISTANCE || by < -MAX_DISTANCE) setOrigin(ctz(written), UNKNOWN, 0);
  else setOrigin(ctz(written), from, <i32>by);
}

/** Adds what a memory instruction reaches. @returns how many spans there are then; 0 when it fits in none */
function addAccess(i: Instruction, spans: u32): u32 {
  if (i.rs1 == 0 || origin(i.rs1) == UNKNOWN) return 0;
  const at = offsetOf(i);
  const end = at + byteLengthOf(i);
  const n = spanOf(i, spans);
  if (n == MAX_SPANS) return 0;
  const span = spanAt(n);
  if (n == spans) {
    span.base = origin(i.rs1);
    span.isStore = isStore(i);
    span.first = at;
    span.end = end;
    return spans + 1;
  }
  span.first = min(span.first, at);
  span.end = max(span.end, end);
  return spans;
}

/** The span an access belongs to; `spans` when there is none. */
export function spanOf(i: Instruction, spans: u32): u32 {
  let n: u32 = 0;
  while (n < spans && (spanAt(n).base != <u32>origin(i.rs1) || spanAt(n).isStore != isStore(i))) n++;
  return n;
}

/** Where a memory instruction accesses, from the register that its address comes from. All of them take rs1 + imm. */
export function offsetOf(i: Instruction): i32 {
  return distance(i.rs1) + <i32>i.imm;
}

function byteLengthOf(i: Instruction): i32 {
  return 1 << ((i.width >> ACCESS_SIZE_SHIFT) & 3);
}

function isStore(i: Instruction): u32 {
  if ((i.width & ACCESS) == 0) unreachable();
  return (i.width & STORES) != 0 ? 1 : 0;
}
