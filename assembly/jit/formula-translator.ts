import { HART_COUNTDOWN, HART_DATA_TLB, HART_EVENT, HART_F, HART_PC, HART_RESERVATION, HART_RESERVED_VALUE, HART_X } from "../generated/hart";
import { EVENT_ATTENTION } from "../hart/trap";
import { NO_RESERVATION } from "../mmu/access";
import { RAM_BASE, RAM_PADDR } from "../shared/layout";
import { STORES, TLB_ENTRY_COUNT } from "../mmu/tlb";
import { REASON_SHIFT } from "./exits";
import * as helper from "./helpers";
import * as w from "./wasm";
import { Writer } from "./writer";

// Parameters and locals of a region's function that are not guest registers.
export const LOCAL_HART: u32 = 0; // i32
export const LOCAL_DEPTH: u32 = 1; // i32: how many calls may still be nested
export const LOCAL_COUNT: u32 = 2; // i32: instructions left
export const LOCAL_ENTRY: u32 = 3; // i32: TLB entry
export const LOCAL_AHEAD: u32 = 4; // i32: at an exit, instructions counted but not executed, and the reason
export const LOCAL_DISPATCH: u32 = 5; // i32: which entry the dispatch block goes to
export const LOCAL_PLACE: u32 = 6; // i32: what an atomic instruction updates, in linear memory
export const LOCAL_WORD: u32 = 7; // i32: LOCAL_VALUE when it is narrow; at an exit, the registers stored so
export const LOCAL_SPAN: u32 = 8; // i32, MAX_SPANS of them: where a span begins in linear memory
export const LOCAL_ADDRESS: u32 = 11; // i64
export const LOCAL_OFFSET: u32 = 12; // i64: in a page
export const LOCAL_VALUE: u32 = 13; // i64
export const LOCAL_PC: u32 = 14; // i64: where to go on, at an exit
export const LOCAL_RETURN: u32 = 15; // i64: where the function will probably return to
export const LOCAL_KEPT: u32 = 16; // i64, three of them
export const FIRST_REGISTER_LOCAL: u32 = 19;
export const I32_LOCAL_COUNT: u32 = 9;
export const I64_LOCAL_COUNT: u32 = 8;

// Types of values on the stack.
const WIDE: u64 = 0; // i64
const WORD: u64 = 1; // i32, standing for its sign extension if for more than 32 bits
const POSITIVE_WORD: u64 = 2; // i32 below 2^31

/**
 * The translator as a target of the semantics: a value is on the Wasm stack, and an operation writes the instruction
 * that makes it. The values given and returned here are the types of those, but for a kept one, which is its local.
 *
 * What an instruction is made of are 64-bit operations, or 32-bit ones if it is narrow (forms.ts).
 */
@unmanaged export class FormulaTranslator extends Writer {
  /** Virtual address of the instruction being translated, and of the next one. */
  pc: u64;
  next: u64;
  /** This instruction and those of its block that follow it: counted already, not executed when it traps. */
  ahead: u32;
  /** Label, counted from here outwards, of the exit that stores the registers dirty here. */
  exitLabel: u32;
  /** LEFT_FOR_ACCESS or LEFT_FOR_FLOAT: why the instruction being translated may leave. */
  leaveReason: u32;
  /** Values kept by the instruction being translated, and the value of the constant it named last. */
  kept: u32;
  constant: u64;
  /**
   * Address of the only hart of the machine, which then need not be passed around: an access to a constant address
   * takes no register. 0 where there are several, and the hart is a parameter.
   */
  onlyHart: u32;
  /** Address of the load TLB where it is always the same: a lone hart's in user mode. Otherwise 0. */
  dataBank: u32;
  /** Where the function's body begins, and the end of its branch hints so far. */
  bodyStart: u32;
  hintsEnd: u32;
  hintCount: u32;

  /** The instruction being translated: its operation without variants, and its decoded form. */
  operation: u32;
  decoded: u64;
  /** Registers it reads whose locals may differ from the hart's. */
  spill: u64;
  /** Whether an inexact result must be noticed, because fflags.NX is not known to be set. */
  mustNoteInexact: u32;
  /** Whether the instruction being translated is narrow, and its result is to be in the narrow form. */
  isNarrow: bool;
  isResultNarrow: bool;
  /** Integer registers that are held by their 32-bit locals now. */
  narrow: u32;
  /** The local of the span that the access being translated lies in, and where it lies there; 0 outside of spans. */
  spanLocal: u32;
  spanOffset: u32;
  /** The first of the locals with doubles. */
  firstDoubleLocal: u32;
  /** Whether the engine has a fused multiply-add, which relaxed SIMD may or may not be. */
  hasFusedMultiplyAdd: u32;

  // Local of each guest register, a byte each, behind the fields: 32 integer ones, then 32 floating-point ones, then
  // the 32-bit ones of the integer registers.
  localOf(r: u32): u32 {
    return load<u8>(changetype<usize>(this) + offsetof<FormulaTranslator>() + r);
  }
  setLocalOf(r: u32, local: u32): void {
    store<u8>(changetype<usize>(this) + offsetof<FormulaTranslator>() + r, <u8>local);
  }
  wordLocalOf(r: u32): u32 {
    return this.localOf(64 + r);
  }
  setWordLocalOf(r: u32, local: u32): void {
    this.setLocalOf(64 + r, local);
  }
  isHeldNarrow(r: u32): bool {
    return ((this.narrow >> r) & 1) != 0;
  }

  get_(local: u32): void {
    this.opIndex(w.LOCAL_GET, local);
  }
  set_(local: u32): void {
    this.opIndex(w.LOCAL_SET, local);
  }

  // ---- branch hints ----

  /** The `if` that comes next is nearly always taken. WebAssembly branch hinting, "metadata.code.branch_hint". */
  hintTaken(isTaken: u32): void {
    let at = this.hintsEnd;
    let offset = this.at - this.bodyStart;
    while (offset >= 0x80) {
      store<u8>(<usize>at, <u8>((offset & 0x7f) | 0x80));
      offset >>= 7;
      at++;
    }
    store<u8>(<usize>at, <u8>offset);
    store<u8>(<usize>at, 1, 1);
    store<u8>(<usize>at, <u8>isTaken, 2);
    this.hintsEnd = at + 3;
    this.hintCount += 1;
  }

  // ---- the hart ----

  /** Pushes the hart, to be passed on. */
  hart(): void {
    if (this.onlyHart != 0) this.i32(this.onlyHart);
    else this.get_(LOCAL_HART);
  }
  /** Pushes what accessHart needs below the value it stores. */
  beforeAccess(): void {
    if (this.onlyHart != 0) this.i32(0);
    else this.get_(LOCAL_HART);
  }
  accessHart(code: u32, align: u32, offset: u32): void {
    this.access(code, align, this.onlyHart + offset);
  }
  loadHart(code: u32, align: u32, offset: u32): void {
    this.beforeAccess();
    this.accessHart(code, align, offset);
  }

  // ---- registers ----

  /** A register of which not all is wanted comes as it is held. */
  x(offset: u32): u64 {
    if (offset == 0) return this.imm(0);
    const r = offset >> 3;
    if (this.isHeldNarrow(r)) {
      this.get_(this.wordLocalOf(r));
      return WORD;
    }
    this.get_(this.localOf(r));
    return this.isNarrow ? this.wrap() : WIDE;
  }
  setX(offset: u32, value: u64): void {
    if (offset == 32 * 8) {
      this.op(w.DROP);
      return;
    }
    const r = offset >> 3;
    if (this.isResultNarrow) {
      if (value == WIDE) this.wrap();
      this.set_(this.wordLocalOf(r));
      this.narrow |= 1 << r;
    } else {
      if (value != WIDE) this.op(value == WORD ? w.I64_EXTEND_I32_S : w.I64_EXTEND_I32_U);
      this.set_(this.localOf(r));
      this.narrow &= ~(1 << r);
    }
  }
  wrap(): u64 {
    this.op(w.I32_WRAP_I64);
    return WORD;
  }
  imm(value: i64): u64 {
    this.constant = value;
    if (this.isNarrow) {
      this.i32(<i32>value);
      return WORD;
    }
    this.i64(value);
    return WIDE;
  }
  pc_(): u64 {
    this.i64(this.pc);
    return 0;
  }
  nextPc(): u64 {
    this.i64(this.next);
    return 0;
  }
  keep(value: u64): u64 {
    const local = LOCAL_KEPT + this.kept;
    this.kept += 1;
    this.set_(local);
    return local;
  }
  use(kept: u64): u64 {
    this.get_(<u32>kept);
    return 0;
  }

  // ---- formulas ----

  formula(code: u32): u64 {
    this.op(code);
    return WIDE;
  }
  /** An operation that there is for both types. @param code its 64-bit one */
  arithmetic(code: u32): u64 {
    if (!this.isNarrow) return this.formula(code);
    this.op(code - w.I32_ARITHMETIC);
    return WORD;
  }
  add(a: u64, b: u64): u64 {
    return this.arithmetic(w.I64_ADD);
  }
  sub(a: u64, b: u64): u64 {
    return this.arithmetic(w.I64_SUB);
  }
  mul(a: u64, b: u64): u64 {
    return this.arithmetic(w.I64_MUL);
  }
  and(a: u64, b: u64): u64 {
    return this.arithmetic(w.I64_AND);
  }
  or(a: u64, b: u64): u64 {
    return this.arithmetic(w.I64_OR);
  }
  xor(a: u64, b: u64): u64 {
    return this.arithmetic(w.I64_XOR);
  }
  not(a: u64): u64 {
    this.imm(-1);
    return this.arithmetic(w.I64_XOR);
  }
  shl(a: u64, count: u64): u64 {
    return this.arithmetic(w.I64_SHL);
  }
  shrU(a: u64, count: u64): u64 {
    const type = this.arithmetic(w.I64_SHR_U);
    // A narrow one has a constant count.
    return type == WORD && this.constant != 0 ? POSITIVE_WORD : type;
  }
  shrS(a: u64, count: u64): u64 {
    return this.arithmetic(w.I64_SHR_S);
  }
  rotl64(a: u64, count: u64): u64 {
    return this.formula(w.I64_ROTL);
  }
  rotr64(a: u64, count: u64): u64 {
    return this.formula(w.I64_ROTR);
  }
  /** A 32-bit operation on two values: the count is below, so that it is wrapped where it lies. */
  formula32(code: u32): u64 {
    if (this.isNarrow) {
      this.op(code);
      return WORD;
    }
    this.op(w.I32_WRAP_I64);
    this.set_(LOCAL_ENTRY);
    this.op(w.I32_WRAP_I64);
    this.get_(LOCAL_ENTRY);
    this.op(code);
    return this.formula(w.I64_EXTEND_I32_U);
  }
  shl32(a: u64, count: u64): u64 {
    return this.formula32(w.I32_SHL);
  }
  shrU32(a: u64, count: u64): u64 {
    return this.formula32(w.I32_SHR_U);
  }
  shrS32(a: u64, count: u64): u64 {
    return this.formula32(w.I32_SHR_S);
  }
  rotl32(a: u64, count: u64): u64 {
    return this.formula32(w.I32_ROTL);
  }
  rotr32(a: u64, count: u64): u64 {
    return this.formula32(w.I32_ROTR);
  }
  sext8(a: u64): u64 {
    if (!this.isNarrow) return this.formula(w.I64_EXTEND8_S);
    this.op(w.I32_EXTEND8_S);
    return WORD;
  }
  sext16(a: u64): u64 {
    if (!this.isNarrow) return this.formula(w.I64_EXTEND16_S);
    this.op(w.I32_EXTEND16_S);
    return WORD;
  }
  sext32(a: u64): u64 {
    return this.isNarrow ? WORD : this.formula(w.I64_EXTEND32_S);
  }
  zext32(a: u64): u64 {
    if (this.isNarrow) return WORD;
    this.i64(0xffffffff);
    return this.formula(w.I64_AND);
  }
  call(index: u32): u64 {
    this.opIndex(w.CALL, index);
    return 0;
  }
  mulHighSS(a: u64, b: u64): u64 {
    return this.call(helper.MUL_HIGH_SS);
  }
  mulHighSU(a: u64, b: u64): u64 {
    return this.call(helper.MUL_HIGH_SU);
  }
  mulHighUU(a: u64, b: u64): u64 {
    return this.call(helper.MUL_HIGH_UU);
  }
  divS(a: u64, b: u64): u64 {
    return this.call(helper.DIV_S);
  }
  divU(a: u64, b: u64): u64 {
    return this.call(helper.DIV_U);
  }
  remS(a: u64, b: u64): u64 {
    return this.call(helper.REM_S);
  }
  remU(a: u64, b: u64): u64 {
    return this.call(helper.REM_U);
  }
  clmul(a: u64, b: u64): u64 {
    return this.call(helper.CLMUL);
  }
  clmulReversed(a: u64, b: u64): u64 {
    return this.call(helper.CLMUL_REVERSED);
  }
  xperm(table: u64, indices: u64, width: u32): u64 {
    return this.call(width == 4 ? helper.XPERM4 : helper.XPERM8);
  }
  clz64(a: u64): u64 {
    return this.formula(w.I64_CLZ);
  }
  ctz64(a: u64): u64 {
    return this.formula(w.I64_CTZ);
  }
  popcnt64(a: u64): u64 {
    return this.formula(w.I64_POPCNT);
  }
  ltS(a: u64, b: u64): u64 {
    return this.truth(w.I64_LT_S);
  }
  ltU(a: u64, b: u64): u64 {
    return this.truth(w.I64_LT_U);
  }
  truth(code: u32): u64 {
    this.condition(code);
    return this.isNarrow || this.isResultNarrow ? POSITIVE_WORD : this.formula(w.I64_EXTEND_I32_U);
  }
  condition(code: u32): bool {
    this.op(this.isNarrow ? code - w.I32_COMPARISON : code);
    return false;
  }
  eq(a: u64, b: u64): bool {
    return this.condition(w.I64_EQ);
  }
  ne(a: u64, b: u64): bool {
    return this.condition(w.I64_NE);
  }
  isLtS(a: u64, b: u64): bool {
    return this.condition(w.I64_LT_S);
  }
  isLtU(a: u64, b: u64): bool {
    return this.condition(w.I64_LT_U);
  }
  isGeS(a: u64, b: u64): bool {
    return this.condition(w.I64_GE_S);
  }
  isGeU(a: u64, b: u64): bool {
    return this.condition(w.I64_GE_U);
  }
  select(a: u64, b: u64, condition: bool): u64 {
    return this.formula(w.SELECT);
  }

  // ---- memory ----

  /** The way out of a trapping access is in its cold path: here no check is needed. */
  trapped(): bool {
    return false;
  }

  /**
   * Pushes whether the access at the address on the stack hits; LOCAL_ENTRY is then its TLB entry and LOCAL_OFFSET the
   * offset in its page. LOCAL_ADDRESS is the address.
   */
  lookUp(bank: u32, byteLength: u32): void {
    this.opIndex(w.LOCAL_TEE, LOCAL_ADDRESS);
    this.get_(LOCAL_ADDRESS);
    this.op(w.I32_WRAP_I64);
    this.i32(8);
    this.op(w.I32_SHR_U);
    this.i32((TLB_ENTRY_COUNT - 1) << 4);
    this.op(w.I32_AND);
    if (this.dataBank == 0) {
      this.loadHart(w.I32_LOAD, 2, HART_DATA_TLB);
      this.op(w.I32_ADD);
    }
    this.opIndex(w.LOCAL_TEE, LOCAL_ENTRY);
    this.access(w.I64_LOAD, 3, this.dataBank + bank);
    this.op(w.I64_XOR);
    this.opIndex(w.LOCAL_TEE, LOCAL_OFFSET);
    this.i64(4096 - byteLength);
    this.op(w.I64_LE_U);
  }
  /** Pushes the address in linear memory that the entry gives. */
  locate(bank: u32): void {
    this.get_(LOCAL_OFFSET);
    this.op(w.I32_WRAP_I64);
    this.get_(LOCAL_ENTRY);
    this.access(w.I32_LOAD, 2, this.dataBank + bank + 8);
    this.op(w.I32_ADD);
  }
  /** Leaves the region when an event is pending: a trap, or something the interpreter must do. One label deeper. */
  leaveOnEvent(): void {
    this.prepareExit();
    this.loadHart(w.I32_LOAD, 2, HART_EVENT);
    this.opIndex(w.BR_IF, this.exitLabel + 1);
  }
  /** To an exit at this instruction, which counts as not executed. */
  prepareExit(): void {
    this.i64(this.pc);
    this.set_(LOCAL_PC);
    this.i32(this.ahead | (this.leaveReason << REASON_SHIFT));
    this.set_(LOCAL_AHEAD);
  }

  load<W>(vaddr: u64): u64 {
    if (this.isResultNarrow) return this.loadWord<W>();
    this.beginLoad(sizeof<W>(), w.TYPE_I64);
    if (sizeof<W>() == 8) this.accessPlace(w.I64_LOAD);
    else if (sizeof<W>() == 4) this.accessPlace(isSigned<W>() ? w.I64_LOAD32_S : w.I64_LOAD32_U);
    else if (sizeof<W>() == 2) this.accessPlace(isSigned<W>() ? w.I64_LOAD16_S : w.I64_LOAD16_U);
    else this.accessPlace(isSigned<W>() ? w.I64_LOAD8_S : w.I64_LOAD8_U);
    if (this.spanLocal != 0) return WIDE;
    this.missLoad(sizeof<W>());
    if (isSigned<W>() && sizeof<W>() < 8) {
      this.op(sizeof<W>() == 4 ? w.I64_EXTEND32_S : sizeof<W>() == 2 ? w.I64_EXTEND16_S : w.I64_EXTEND8_S);
    }
    this.op(w.END);
    return 0;
  }
  loadWord<W>(): u64 {
    this.beginLoad(sizeof<W>(), w.TYPE_I32);
    if (sizeof<W>() == 4) this.accessPlace(w.I32_LOAD);
    else if (sizeof<W>() == 2) this.accessPlace(isSigned<W>() ? w.I32_LOAD16_S : w.I32_LOAD16_U);
    else this.accessPlace(isSigned<W>() ? w.I32_LOAD8_S : w.I32_LOAD8_U);
    if (this.spanLocal != 0) return WORD;
    this.missLoad(sizeof<W>());
    this.wrap();
    if (isSigned<W>() && sizeof<W>() < 4) this.op(sizeof<W>() == 2 ? w.I32_EXTEND16_S : w.I32_EXTEND8_S);
    this.op(w.END);
    return WORD;
  }
  loadDouble(vaddr: u64): u64 {
    this.beginLoad(8, w.TYPE_F64);
    this.accessPlace(w.F64_LOAD);
    if (this.spanLocal != 0) return 0;
    this.missLoad(8);
    this.op(w.F64_REINTERPRET_I64);
    this.op(w.END);
    return 0;
  }
  /** Accesses the place in linear memory that is on the stack, or below the value that is. */
  accessPlace(code: u32): void {
    this.access(code, 0, this.spanLocal != 0 ? this.spanOffset : 0);
  }
  /** In a span, the address on the stack is not needed. */
  locateInSpan(): void {
    this.op(w.DROP);
    this.get_(this.spanLocal);
  }
  /** Leaves where a span begins in its local, and pushes whether all of it can be accessed there. */
  openSpan(local: u32, base: u32, first: i32, byteLength: u32, isStore: bool): void {
    const bank = isStore ? STORES : 0;
    this.get_(this.localOf(base));
    if (first != 0) {
      this.i64(first);
      this.op(w.I64_ADD);
    }
    this.lookUp(bank, byteLength);
    this.locate(bank);
    this.set_(local);
  }
  beginLoad(byteLength: u32, type: u32): void {
    if (this.spanLocal != 0) {
      this.locateInSpan();
      return;
    }
    this.lookUp(0, byteLength);
    this.hintTaken(1);
    this.opIndex(w.IF, type);
    this.locate(0);
  }
  missLoad(byteLength: u32): void {
    this.op(w.ELSE);
    this.hart();
    this.get_(LOCAL_ADDRESS);
    this.i32(byteLength);
    this.call(helper.LOAD);
    this.leaveOnEvent();
  }

  store<W>(vaddr: u64, value: u64): void {
    if (value != WIDE) {
      this.storeWord<W>();
      return;
    }
    this.set_(LOCAL_VALUE);
    this.beginStore(sizeof<W>());
    this.get_(LOCAL_VALUE);
    if (sizeof<W>() == 8) this.accessPlace(w.I64_STORE);
    else if (sizeof<W>() == 4) this.accessPlace(w.I64_STORE32);
    else if (sizeof<W>() == 2) this.accessPlace(w.I64_STORE16);
    else this.accessPlace(w.I64_STORE8);
    if (this.spanLocal != 0) return;
    this.beginMissedStore();
    this.get_(LOCAL_VALUE);
    this.endMissedStore(sizeof<W>());
  }
  storeWord<W>(): void {
    this.set_(LOCAL_WORD);
    this.beginStore(sizeof<W>());
    this.get_(LOCAL_WORD);
    this.accessPlace(sizeof<W>() == 4 ? w.I32_STORE : sizeof<W>() == 2 ? w.I32_STORE16 : w.I32_STORE8);
    if (this.spanLocal != 0) return;
    this.beginMissedStore();
    this.get_(LOCAL_WORD);
    this.op(w.I64_EXTEND_I32_U);
    this.endMissedStore(sizeof<W>());
  }
  storeDouble(vaddr: u64, value: u64): void {
    const double = this.firstDoubleLocal;
    this.set_(double);
    this.beginStore(8);
    this.get_(double);
    this.accessPlace(w.F64_STORE);
    if (this.spanLocal != 0) return;
    this.beginMissedStore();
    this.get_(double);
    this.op(w.I64_REINTERPRET_F64);
    this.endMissedStore(8);
  }
  beginStore(byteLength: u32): void {
    if (this.spanLocal != 0) {
      this.locateInSpan();
      return;
    }
    this.lookUp(STORES, byteLength);
    this.hintTaken(1);
    this.opIndex(w.IF, w.TYPE_VOID);
    this.locate(STORES);
  }
  beginMissedStore(): void {
    this.op(w.ELSE);
    this.hart();
    this.get_(LOCAL_ADDRESS);
  }
  endMissedStore(byteLength: u32): void {
    this.i32(byteLength);
    this.call(helper.STORE);
    this.leaveOnEvent();
    this.op(w.END);
  }

  // ---- atomics ----

  // A hit means what it does for other accesses: no other hart runs meanwhile. For what is misaligned or misses, the
  // region is left before anything has happened.

  loadForUpdate<W>(vaddr: u64): u64 {
    this.findPlace(STORES, sizeof<W>());
    this.get_(LOCAL_PLACE);
    this.loadPlace(sizeof<W>());
    return 0;
  }
  /** The address was found by loadForUpdate. */
  storeUpdated<W>(vaddr: u64, value: u64): void {
    this.set_(LOCAL_VALUE);
    this.op(w.DROP);
    this.storePlace(sizeof<W>());
  }
  loadReserved<W>(vaddr: u64): u64 {
    this.findPlace(0, sizeof<W>());
    this.beforeAccess();
    this.placePaddr();
    this.accessHart(w.I64_STORE, 3, HART_RESERVATION);
    this.get_(LOCAL_PLACE);
    this.loadPlace(sizeof<W>());
    this.set_(LOCAL_VALUE);
    this.beforeAccess();
    this.get_(LOCAL_VALUE);
    this.accessHart(w.I64_STORE, 3, HART_RESERVED_VALUE);
    this.get_(LOCAL_VALUE);
    return 0;
  }
  storeConditional<W>(vaddr: u64, value: u64): u64 {
    this.set_(LOCAL_VALUE);
    this.findPlace(STORES, sizeof<W>());
    this.placePaddr();
    this.loadHart(w.I64_LOAD, 3, HART_RESERVATION);
    this.op(w.I64_EQ);
    this.get_(LOCAL_PLACE);
    this.loadPlace(sizeof<W>());
    this.loadHart(w.I64_LOAD, 3, HART_RESERVED_VALUE);
    this.op(w.I64_EQ);
    this.op(w.I32_AND);
    this.set_(LOCAL_ENTRY);
    this.beforeAccess();
    this.i64(<i64>NO_RESERVATION);
    this.accessHart(w.I64_STORE, 3, HART_RESERVATION);
    this.get_(LOCAL_ENTRY);
    this.opIndex(w.IF, w.TYPE_VOID);
    this.storePlace(sizeof<W>());
    this.op(w.END);
    this.get_(LOCAL_ENTRY);
    this.op(w.I32_EQZ);
    return this.formula(w.I64_EXTEND_I32_U);
  }
  /** Leaves in LOCAL_PLACE where the aligned address on the stack stands in linear memory. */
  findPlace(bank: u32, byteLength: u32): void {
    this.lookUp(bank, byteLength);
    this.get_(LOCAL_ADDRESS);
    this.i64(byteLength - 1);
    this.op(w.I64_AND);
    this.op(w.I64_EQZ);
    this.op(w.I32_AND);
    this.op(w.I32_EQZ);
    this.hintTaken(0);
    this.opIndex(w.IF, w.TYPE_VOID);
    this.beforeAccess();
    this.i32(EVENT_ATTENTION);
    this.accessHart(w.I32_STORE, 2, HART_EVENT);
    this.prepareExit();
    this.opIndex(w.BR, this.exitLabel + 1);
    this.op(w.END);
    this.locate(bank);
    this.set_(LOCAL_PLACE);
  }
  loadPlace(byteLength: u32): void {
    this.access(byteLength == 8 ? w.I64_LOAD : w.I64_LOAD32_S, 0, 0);
  }
  storePlace(byteLength: u32): void {
    this.get_(LOCAL_PLACE);
    this.get_(LOCAL_VALUE);
    this.access(byteLength == 8 ? w.I64_STORE : w.I64_STORE32, 0, 0);
  }
  /** Pushes the physical address of LOCAL_PLACE. */
  placePaddr(): void {
    this.get_(LOCAL_PLACE);
    this.op(w.I64_EXTEND_I32_U);
    this.i64(<i64>RAM_PADDR - <i64>RAM_BASE);
    this.op(w.I64_ADD);
  }

  // ---- state of the hart ----

  loadRegister(r: u32): void {
    if (r < 32) this.loadHart(w.I64_LOAD, 3, <u32>HART_X + 8 * r);
    else this.loadHart(w.F64_LOAD, 3, <u32>HART_F + 8 * (r - 32));
    this.set_(this.localOf(r));
    if (r < 32) this.narrow &= ~(1 << r);
  }
  storeRegister(r: u32): void {
    this.beforeAccess();
    if (r < 32 && this.isHeldNarrow(r)) {
      this.get_(this.wordLocalOf(r));
      this.op(w.I64_EXTEND_I32_S);
    } else this.get_(this.localOf(r));
    if (r < 32) this.accessHart(w.I64_STORE, 3, <u32>HART_X + 8 * r);
    else this.accessHart(w.F64_STORE, 3, <u32>HART_F + 8 * (r - 32));
  }
  /** @param mask integer registers in the low half, floating-point ones in the high half */
  loadRegisters(mask: u64): void {
    for (; mask != 0; mask &= mask - 1) this.loadRegister(<u32>ctz(mask));
  }
  storeRegisters(mask: u64): void {
    for (; mask != 0; mask &= mask - 1) this.storeRegister(<u32>ctz(mask));
  }
  /**
   * At an exit: stores the low halves of what is narrow, and notes in LOCAL_WORD what that is. Were they extended here,
   * the engine would do it once for all exits, before any of them, where it is in the way.
   */
  storeWords(): void {
    for (let rest = this.narrow; rest != 0; rest &= rest - 1) {
      const r = <u32>ctz(rest);
      this.beforeAccess();
      this.get_(this.wordLocalOf(r));
      this.accessHart(w.I32_STORE, 2, <u32>HART_X + 8 * r);
    }
    this.i32(this.narrow);
    this.set_(LOCAL_WORD);
  }
  /** Moves registers, some of `live`, to the locals that `narrow` says. Narrow ones are signed. */
  changeForms(live: u32, narrow: u32): void {
    for (let rest = (this.narrow ^ narrow) & live; rest != 0; rest &= rest - 1) {
      const r = <u32>ctz(rest);
      if (this.isHeldNarrow(r)) {
        this.get_(this.wordLocalOf(r));
        this.op(w.I64_EXTEND_I32_S);
        this.set_(this.localOf(r));
      } else {
        this.get_(this.localOf(r));
        this.wrap();
        this.set_(this.wordLocalOf(r));
      }
    }
  }
  loadCount(): void {
    this.loadHart(w.I32_LOAD, 2, HART_COUNTDOWN);
    this.set_(LOCAL_COUNT);
  }
  storeCount(): void {
    this.beforeAccess();
    this.get_(LOCAL_COUNT);
    this.accessHart(w.I32_STORE, 2, HART_COUNTDOWN);
  }
  storePcLocal(): void {
    this.beforeAccess();
    this.get_(LOCAL_PC);
    this.accessHart(w.I64_STORE, 3, HART_PC);
  }
}
