import * as helper from "./helpers";
import { LOCAL_ENTRY, POSITIVE_WORD, RegionWriter, WIDE, WORD } from "./region-writer";
import * as w from "./wasm";

/** Formulas of the translator: made of 64-bit operations or, where an instruction is narrow (forms.ts), 32-bit ones. */
@unmanaged export class FormulaTranslator extends RegionWriter {
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
}
