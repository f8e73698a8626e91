import { HART_X } from "../generated/hart";
import { loadSlow, NO_PADDR, NO_RESERVATION, storeAtomic, storeSlow, translateAtomic } from "../mmu/access";
import { ramAddress } from "../mmu/memory";
import { entryOf, STORES } from "../mmu/tlb";
import { ACCESS_LOAD, ACCESS_STORE } from "../mmu/walk";
import { clmul, clmulReversed, xperm } from "./crypto";
import { pcAt } from "./fetch";
import { FloatInterpreter } from "./float-target";
import { mulHighSS, mulHighSU, mulHighUU } from "./multiply";

/**
 * The interpreter as a target of the semantics (semantics/README.md): a value is a u64, an operation happens.
 * An Interpreter is the Hart it executes, seen with other methods.
 */
@unmanaged
export class Interpreter extends FloatInterpreter {
  // ---- registers ----

  @inline x(r: u32): u64 {
    return load<u64>(changetype<usize>(this) + r, HART_X);
  }
  @inline setX(r: u32, value: u64): void {
    store<u64>(changetype<usize>(this) + r, value, HART_X);
  }
  @inline imm(value: i64): u64 {
    return <u64>value;
  }
  @inline pc_(): u64 {
    return pcAt(this, <usize>this.ip);
  }
  @inline nextPc(): u64 {
    return pcAt(this, <usize>this.ip) + this.instructionByteLength;
  }
  @inline keep(value: u64): u64 {
    return value;
  }
  @inline use(kept: u64): u64 {
    return kept;
  }

  // ---- formulas ----

  @inline add(a: u64, b: u64): u64 {
    return a + b;
  }
  @inline sub(a: u64, b: u64): u64 {
    return a - b;
  }
  @inline mul(a: u64, b: u64): u64 {
    return a * b;
  }
  @inline and(a: u64, b: u64): u64 {
    return a & b;
  }
  @inline or(a: u64, b: u64): u64 {
    return a | b;
  }
  @inline xor(a: u64, b: u64): u64 {
    return a ^ b;
  }
  @inline not(a: u64): u64 {
    return ~a;
  }
  @inline shl(a: u64, count: u64): u64 {
    return a << count;
  }
  @inline shrU(a: u64, count: u64): u64 {
    return a >> count;
  }
  @inline shrS(a: u64, count: u64): u64 {
    return <u64>(<i64>a >> <i64>count);
  }
  @inline shl32(a: u64, count: u64): u64 {
    return <u64>((<u32>a) << (<u32>count));
  }
  @inline shrU32(a: u64, count: u64): u64 {
    return <u64>(<u32>a >> <u32>count);
  }
  @inline shrS32(a: u64, count: u64): u64 {
    return <u64>(<i32>a >> <i32>count);
  }
  @inline rotl64(a: u64, count: u64): u64 {
    return rotl<u64>(a, count);
  }
  @inline rotr64(a: u64, count: u64): u64 {
    return rotr<u64>(a, count);
  }
  @inline rotl32(a: u64, count: u64): u64 {
    return <u64>rotl<u32>(<u32>a, <u32>count);
  }
  @inline rotr32(a: u64, count: u64): u64 {
    return <u64>rotr<u32>(<u32>a, <u32>count);
  }
  @inline sext8(a: u64): u64 {
    return <u64>(<i64>(<i8>a));
  }
  @inline sext16(a: u64): u64 {
    return <u64>(<i64>(<i16>a));
  }
  @inline sext32(a: u64): u64 {
    return <u64>(<i64>(<i32>a));
  }
  @inline zext32(a: u64): u64 {
    return a & 0xffffffff;
  }
  @inline mulHighSS(a: u64, b: u64): u64 {
    return mulHighSS(a, b);
  }
  @inline mulHighSU(a: u64, b: u64): u64 {
    return mulHighSU(a, b);
  }
  @inline mulHighUU(a: u64, b: u64): u64 {
    return mulHighUU(a, b);
  }
  @inline divS(a: u64, b: u64): u64 {
    if (b == 0) return u64.MAX_VALUE;
    // Wasm's division traps on the one overflow.
    if (<i64>b == -1) return 0 - a;
    return <u64>(<i64>a / <i64>b);
  }
  @inline divU(a: u64, b: u64): u64 {
    return b == 0 ? u64.MAX_VALUE : a / b;
  }
  @inline remS(a: u64, b: u64): u64 {
    return b == 0 ? a : <u64>(<i64>a % <i64>b);
  }
  @inline remU(a: u64, b: u64): u64 {
    return b == 0 ? a : a % b;
  }
  @inline clz64(a: u64): u64 {
    return clz<u64>(a);
  }
  @inline ctz64(a: u64): u64 {
    return ctz<u64>(a);
  }
  @inline popcnt64(a: u64): u64 {
    return popcnt<u64>(a);
  }
  @inline clmul(a: u64, b: u64): u64 {
    return clmul(a, b);
  }
  @inline clmulReversed(a: u64, b: u64): u64 {
    return clmulReversed(a, b);
  }
  @inline xperm(table: u64, indices: u64, width: u32): u64 {
    return xperm(table, indices, width);
  }
  @inline ltS(a: u64, b: u64): u64 {
    return <u64>(<i64>a < <i64>b);
  }
  @inline ltU(a: u64, b: u64): u64 {
    return <u64>(a < b);
  }
  @inline eq(a: u64, b: u64): bool {
    return a == b;
  }
  @inline ne(a: u64, b: u64): bool {
    return a != b;
  }
  @inline isLtS(a: u64, b: u64): bool {
    return <i64>a < <i64>b;
  }
  @inline isLtU(a: u64, b: u64): bool {
    return a < b;
  }
  @inline isGeS(a: u64, b: u64): bool {
    return <i64>a >= <i64>b;
  }
  @inline isGeU(a: u64, b: u64): bool {
    return a >= b;
  }
  @inline select(a: u64, b: u64, condition: bool): u64 {
    return select<u64>(a, b, condition);
  }

  // ---- memory ----

  @inline trapped(): bool {
    return <u8>this.event != 0;
  }
  @inline load<W>(vaddr: u64): u64 {
    const entry = entryOf(this.dataTlb, vaddr);
    const offset = vaddr ^ load<u64>(entry);
    if (offset <= 4096 - sizeof<W>()) {
      return <u64>(<i64>load<W>(<usize>(<u32>offset + load<u32>(entry, 8))));
    }
    return <u64>(<i64>(<W>loadSlow(this, vaddr, sizeof<W>())));
  }
  @inline store<W>(vaddr: u64, value: u64): void {
    const entry = entryOf(this.dataTlb + STORES, vaddr);
    const offset = vaddr ^ load<u64>(entry);
    if (offset <= 4096 - sizeof<W>()) {
      store<W>(<usize>(<u32>offset + load<u32>(entry, 8)), <W>value);
    } else {
      storeSlow(this, vaddr, value, sizeof<W>());
    }
  }

  @inline loadDouble(vaddr: u64): u64 {
    return this.load<u64>(vaddr);
  }
  @inline storeDouble(vaddr: u64, value: u64): void {
    this.store<u64>(vaddr, value);
  }

  // ---- atomics ----

  @inline loadReserved<W>(vaddr: u64): u64 {
    const paddr = translateAtomic(this, vaddr, sizeof<W>(), ACCESS_LOAD);
    if (paddr == NO_PADDR) return 0;
    const value = <u64>(<i64>load<W>(ramAddress(paddr)));
    this.reservation = paddr;
    this.reservedValue = value;
    return value;
  }
  /** 0 when it stored, 1 when the reservation was gone. A device may have written: the value must be LR's still. */
  @inline storeConditional<W>(vaddr: u64, value: u64): u64 {
    const paddr = translateAtomic(this, vaddr, sizeof<W>(), ACCESS_STORE);
    if (paddr == NO_PADDR) return 0;
    const holds = this.reservation == paddr && <u64>(<i64>load<W>(ramAddress(paddr))) == this.reservedValue;
    this.reservation = NO_RESERVATION;
    if (!holds) return 1;
    storeAtomic(this, paddr, value, sizeof<W>());
    return 0;
  }
  @inline loadForUpdate<W>(vaddr: u64): u64 {
    const entry = entryOf(this.dataTlb + STORES, vaddr);
    const offset = vaddr ^ load<u64>(entry);
    if ((<u32>vaddr & (sizeof<W>() - 1)) == 0 && offset < 4096) {
      return <u64>(<i64>load<W>(<usize>(<u32>offset + load<u32>(entry, 8))));
    }
    const paddr = translateAtomic(this, vaddr, sizeof<W>(), ACCESS_STORE);
    return paddr == NO_PADDR ? 0 : <u64>(<i64>load<W>(ramAddress(paddr)));
  }
  @inline storeUpdated<W>(vaddr: u64, value: u64): void {
    this.store<W>(vaddr, value);
  }
}
