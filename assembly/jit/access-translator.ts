import { HART_DATA_TLB, HART_EVENT, HART_RESERVATION, HART_RESERVED_VALUE } from "../generated/hart";
import { EVENT_ATTENTION } from "../hart/trap";
import { NO_RESERVATION } from "../mmu/access";
import { STORES, TLB_ENTRY_COUNT } from "../mmu/tlb";
import { RAM_BASE, RAM_PADDR } from "../shared/layout";
import { REASON_SHIFT } from "./exits";
import { FormulaTranslator } from "./formula-translator";
import * as helper from "./helpers";
import {
  LOCAL_ADDRESS,
  LOCAL_AHEAD,
  LOCAL_ENTRY,
  LOCAL_OFFSET,
  LOCAL_PC,
  LOCAL_PLACE,
  LOCAL_VALUE,
  LOCAL_WORD,
  WIDE,
  WORD,
} from "./region-writer";
import * as w from "./wasm";

/** Loads, stores and atomic instructions of the translator: a TLB entry compared in place, and the long way behind it. */
@unmanaged export class AccessTranslator extends FormulaTranslator {
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
}
