/**
 * What the analysis finds out about the widths of an instruction, in Instruction.width.
 *
 * A register is *signed* where it is known to hold the sign extension of its low half, as all 32-bit instructions leave
 * it. An instruction is *narrow* when 32-bit operations on the low halves of its operands give its result or condition.
 */
export const NARROW_ALWAYS: u32 = 1;
/** Narrow when the registers it reads are signed. */
export const NARROW_IF_SIGNED: u32 = 2;
/** Its result is signed. */
export const SIGNED_ALWAYS: u32 = 4;
/** Its result is signed when the registers it reads are. */
export const SIGNED_IF_SIGNED: u32 = 8;
/** Its result is an extended one: 32 bits that 64-bit operations have to extend. */
export const EXTENDED: u32 = 16;
/** Its result is what a load or a comparison gives, which may as well be 32 bits wide. */
export const DIRECT: u32 = 32;
/** It stores the low half, or less, of a register that stands above these bits, and which nothing else of it reads. */
export const STORES_LOW: u32 = 64;
/** It accesses memory; whether it stores; the binary logarithm of how many bytes. */
export const ACCESS: u32 = 512;
export const STORES: u32 = 1024;
export const ACCESS_SIZE_SHIFT: u32 = 11;
// What forms.ts decides.
/** It is translated into 32-bit operations. */
export const NARROW: u32 = 128;
/** Its result goes to the 32-bit local of its register. */
export const RESULT_NARROW: u32 = 256;
export const STORED_REGISTER_SHIFT: u32 = 16;

// A value: what is known about it, and the register that it is.
const LOW: u64 = 1; // 32-bit operations give its low half
const SIGNED: u64 = 2; // it is the sign extension of its low half
const UNSIGNED: u64 = 4; // it is the zero extension of its low half
const EXTENSION: u64 = 8; // it was extended
const CONSTANT: u64 = 16;
const ZERO: u64 = 32;
const FRESH: u64 = 64; // it comes from a load or a comparison
const REGISTER: u64 = 128;
const REGISTER_SHIFT: u64 = 8;

/**
 * A target of the semantics that computes nothing but how wide values are. It is given an instruction twice: once with
 * all registers signed and once with none.
 */
@unmanaged export class WidthMeter {
  areSigned: u32;
  /** What was written to the destination, or compared. */
  result: u64;
  /** Value of the constant named last. */
  constant: u64;
  kept0: u64;
  kept1: u64;
  kept2: u64;
  keptCount: u32;
  /** Registers read, and those read more than once. */
  read: u32;
  readAgain: u32;
  /** ACCESS and what belongs to it. */
  access: u32;
  /** The register whose low half is stored; 0 when there is none. */
  stored: u32;

  start(areSigned: bool): void {
    this.areSigned = areSigned ? 1 : 0;
    this.result = 0;
    this.keptCount = 0;
    this.read = 0;
    this.readAgain = 0;
    this.stored = 0;
    this.access = 0;
  }

  // ---- registers ----

  x(offset: u32): u64 {
    const r = offset >> 3;
    this.constant = 0;
    if (r == 0) return LOW | SIGNED | UNSIGNED | CONSTANT | ZERO;
    this.readAgain |= this.read & (1 << r);
    this.read |= 1 << r;
    return LOW | REGISTER | ((<u64>r) << REGISTER_SHIFT) | (this.areSigned != 0 ? SIGNED : 0);
  }
  setX(offset: u32, value: u64): void {
    this.result = value;
  }
  imm(value: i64): u64 {
    this.constant = value;
    return LOW | CONSTANT | (value == <i64>(<i32>value) ? SIGNED : 0) | (value == 0 ? ZERO : 0);
  }
  keep(value: u64): u64 {
    const n = this.keptCount;
    this.keptCount = n + 1;
    store<u64>(changetype<usize>(this) + (<usize>n << 3), value, offsetof<WidthMeter>("kept0"));
    return n;
  }
  /** Kept values have 64-bit locals. */
  use(kept: u64): u64 {
    return load<u64>(changetype<usize>(this) + (<usize>kept << 3), offsetof<WidthMeter>("kept0")) & SIGNED;
  }

  // ---- formulas ----

  add(a: u64, b: u64): u64 {
    if ((b & ZERO) != 0) return a & ~FRESH;
    return (a & ZERO) != 0 ? b & ~FRESH : this.sub(a, b);
  }
  sub(a: u64, b: u64): u64 {
    return a & b & LOW;
  }
  mul(a: u64, b: u64): u64 {
    return a & b & LOW;
  }
  and(a: u64, b: u64): u64 {
    // Zeros from bit 31 on stay zeros.
    const isShort = (b & CONSTANT) != 0 && this.constant <= <u64>i32.MAX_VALUE;
    return this.or(a, b) | (isShort ? SIGNED : 0);
  }
  or(a: u64, b: u64): u64 {
    return (a & b & (LOW | SIGNED)) | ((a | b) & EXTENSION);
  }
  xor(a: u64, b: u64): u64 {
    return this.or(a, b);
  }
  not(a: u64): u64 {
    return a & (LOW | SIGNED | EXTENSION);
  }
  /** Whether the count that was named last is a constant below 32. */
  isShortShift(count: u64): bool {
    return (count & CONSTANT) != 0 && this.constant < 32;
  }
  shl(a: u64, count: u64): u64 {
    return this.isShortShift(count) ? a & LOW : 0;
  }
  shrU(a: u64, count: u64): u64 {
    if ((count & CONSTANT) == 0) return 0;
    if (!this.isShortShift(count)) return this.constant > 32 ? SIGNED : 0;
    return (a & UNSIGNED) != 0 ? (a & LOW) | (this.constant != 0 ? SIGNED : 0) : 0;
  }
  shrS(a: u64, count: u64): u64 {
    if ((count & CONSTANT) == 0) return a & SIGNED;
    if (!this.isShortShift(count)) return SIGNED;
    return (a & SIGNED) != 0 ? a & (LOW | SIGNED | EXTENSION) : 0;
  }
  shl32(a: u64, count: u64): u64 {
    return a & count & LOW;
  }
  shrU32(a: u64, count: u64): u64 {
    return a & count & LOW;
  }
  shrS32(a: u64, count: u64): u64 {
    return a & count & LOW;
  }
  rotl32(a: u64, count: u64): u64 {
    return a & count & LOW;
  }
  rotr32(a: u64, count: u64): u64 {
    return a & count & LOW;
  }
  rotl64(a: u64, count: u64): u64 {
    return 0;
  }
  rotr64(a: u64, count: u64): u64 {
    return 0;
  }
  sext8(a: u64): u64 {
    return (a & LOW) | SIGNED;
  }
  sext16(a: u64): u64 {
    return (a & LOW) | SIGNED;
  }
  sext32(a: u64): u64 {
    return (a & LOW) | SIGNED | EXTENSION;
  }
  zext32(a: u64): u64 {
    return (a & LOW) | UNSIGNED;
  }
  mulHighSS(a: u64, b: u64): u64 {
    return 0;
  }
  mulHighSU(a: u64, b: u64): u64 {
    return 0;
  }
  mulHighUU(a: u64, b: u64): u64 {
    return 0;
  }
  divS(a: u64, b: u64): u64 {
    return 0;
  }
  divU(a: u64, b: u64): u64 {
    return 0;
  }
  remS(a: u64, b: u64): u64 {
    return 0;
  }
  remU(a: u64, b: u64): u64 {
    return 0;
  }
  clmul(a: u64, b: u64): u64 {
    return 0;
  }
  clmulReversed(a: u64, b: u64): u64 {
    return 0;
  }
  xperm(table: u64, indices: u64, width: u32): u64 {
    return 0;
  }
  clz64(a: u64): u64 {
    return 0;
  }
  ctz64(a: u64): u64 {
    return 0;
  }
  popcnt64(a: u64): u64 {
    return 0;
  }
  /** Sign extension keeps the order of signed numbers, and of unsigned ones too. */
  compare(a: u64, b: u64): u64 {
    return (a & b & SIGNED) != 0 ? a & b & LOW : 0;
  }
  ltS(a: u64, b: u64): u64 {
    return this.compare(a, b) | SIGNED | EXTENSION | FRESH;
  }
  ltU(a: u64, b: u64): u64 {
    return this.compare(a, b) | SIGNED | EXTENSION | FRESH;
  }
  condition(a: u64, b: u64): bool {
    this.result = this.compare(a, b) | SIGNED | EXTENSION;
    return false;
  }
  eq(a: u64, b: u64): bool {
    return this.condition(a, b);
  }
  ne(a: u64, b: u64): bool {
    return this.condition(a, b);
  }
  isLtS(a: u64, b: u64): bool {
    return this.condition(a, b);
  }
  isLtU(a: u64, b: u64): bool {
    return this.condition(a, b);
  }
  isGeS(a: u64, b: u64): bool {
    return this.condition(a, b);
  }
  isGeU(a: u64, b: u64): bool {
    return this.condition(a, b);
  }
  select(a: u64, b: u64, condition: bool): u64 {
    return a & b & SIGNED;
  }

  // ---- memory ----

  trapped(): bool {
    return false;
  }
  load<W>(vaddr: u64): u64 {
    this.access = ACCESS | (ctz(sizeof<W>()) << ACCESS_SIZE_SHIFT);
    return sizeof<W>() < 4 || (sizeof<W>() == 4 && isSigned<W>()) ? SIGNED | FRESH : 0;
  }
  store<W>(vaddr: u64, value: u64): void {
    this.access = ACCESS | STORES | (ctz(sizeof<W>()) << ACCESS_SIZE_SHIFT);
    if (sizeof<W>() < 8 && (value & REGISTER) != 0) this.stored = <u32>(value >> REGISTER_SHIFT);
  }

  // ---- floats ----

  floatOff(): bool {
    return false;
  }
  f(offset: u32): u64 {
    return 0;
  }
  setF(offset: u32, value: u64): void {}
  double(offset: u32): u64 {
    return 0;
  }
  setDouble(offset: u32, value: u64): void {}
  loadDouble(vaddr: u64): u64 {
    return this.load<u64>(vaddr);
  }
  storeDouble(vaddr: u64, value: u64): void {
    this.store<u64>(vaddr, 0);
  }

  // ---- what was found ----

  isNarrow(): bool {
    return (this.result & (LOW | SIGNED)) == (LOW | SIGNED);
  }
  isSigned(): bool {
    return (this.result & SIGNED) != 0;
  }
  /** With no register signed. */
  widthAlways(): u32 {
    return (
      this.access |
      (this.isNarrow() ? NARROW_ALWAYS : 0) |
      (this.isSigned() ? SIGNED_ALWAYS : 0) |
      ((this.result & EXTENSION) != 0 ? EXTENDED : 0) |
      ((this.result & FRESH) != 0 ? DIRECT : 0)
    );
  }
  /** With all registers signed. */
  widthIfSigned(): u32 {
    const isAlone = this.stored != 0 && (this.readAgain & (1 << this.stored)) == 0;
    return (
      (this.isNarrow() ? NARROW_IF_SIGNED : 0) |
      (this.isSigned() ? SIGNED_IF_SIGNED : 0) |
      (isAlone ? STORES_LOW | (this.stored << STORED_REGISTER_SHIFT) : 0)
    );
  }
}
