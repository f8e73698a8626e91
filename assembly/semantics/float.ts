import {
  boxF32,
  f32Add,
  f32Classify,
  f32Div,
  f32Eq,
  f32Le,
  f32Lt,
  f32Max,
  f32Min,
  f32Mul,
  f32MulAdd,
  f32Sqrt,
  f32Sub,
  f32ToF64,
  f32ToI32,
  f32ToI64,
  f32ToU32,
  f32ToU64,
  f64Add,
  f64Classify,
  f64Div,
  f64Eq,
  f64Le,
  f64Lt,
  f64Max,
  f64Min,
  f64Mul,
  f64MulAdd,
  f64Sqrt,
  f64Sub,
  f64ToF32,
  f64ToI32,
  f64ToI64,
  f64ToU32,
  f64ToU64,
  i32ToF32,
  i32ToF64,
  i64ToF32,
  i64ToF64,
  u32ToF32,
  u32ToF64,
  u64ToF32,
  u64ToF64,
  unboxF32,
} from "../float/index";
import { HART_F, HART_FFLAGS, HART_X, Hart } from "../generated/hart";
import { MSTATUS_FS } from "../hart/status";
import { raiseIllegal } from "../hart/trap";
import { rd, rm, rs1, rs2, rs3 } from "./operands";

// The F and D extensions: plain functions, since rounding and flags are no formulas. What they compute is in float/;
// what stands here is where operands come from and results go. An improperly NaN-boxed single-precision operand is
// the canonical NaN.

const SIGN_32: u32 = 0x80000000;
const SIGN_64: u64 = 0x8000000000000000;
const DYNAMIC: u32 = 7;
/** RMM, the last rounding mode there is. */
const LAST_MODE: u32 = 4;
const NO_MODE: u32 = 8;

@inline function x(h: Hart, offset: u32): u64 {
  return load<u64>(changetype<usize>(h) + offset, HART_X);
}
@inline function setX(h: Hart, offset: u32, value: u64): void {
  store<u64>(changetype<usize>(h) + offset, value, HART_X);
}
@inline function s(h: Hart, offset: u32): u32 {
  return unboxF32(load<u64>(changetype<usize>(h) + offset, HART_F));
}
@inline function d(h: Hart, offset: u32): u64 {
  return load<u64>(changetype<usize>(h) + offset, HART_F);
}
@inline function setS(h: Hart, offset: u32, bits: u32): void {
  setD(h, offset, boxF32(bits));
}
@inline function setD(h: Hart, offset: u32, bits: u64): void {
  store<u64>(changetype<usize>(h) + offset, bits, HART_F);
  h.mstatus |= MSTATUS_FS;
}
@inline function flags(h: Hart): usize {
  return changetype<usize>(h) + HART_FFLAGS;
}

/** An integer result: the only change to floating-point state can be a flag. */
@inline function setXAndNoteFlags(h: Hart, offset: u32, value: u64, flagsBefore: u32): void {
  setX(h, offset, value);
  if (h.fflags != flagsBefore) h.mstatus |= MSTATUS_FS;
}

/** Whether mstatus.FS is Off, with an illegal-instruction exception pending if so. */
@inline function isOff(h: Hart): bool {
  if ((h.mstatus & MSTATUS_FS) != 0) return false;
  raiseIllegal(h);
  return true;
}

/** The rounding mode in force; NO_MODE with an exception pending when it is reserved or FS is Off. */
@inline function roundingMode(h: Hart, i: u64): u32 {
  if (isOff(h)) return NO_MODE;
  let mode = rm(i);
  if (mode == DYNAMIC) mode = h.frm;
  if (mode <= LAST_MODE) return mode;
  raiseIllegal(h);
  return NO_MODE;
}


// ---- single precision ----

export function fmadd_s(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setS(h, rd(i), f32MulAdd(flags(h), s(h, rs1(i)), s(h, rs2(i)), s(h, rs3(i)), mode));
}
export function fmsub_s(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setS(h, rd(i), f32MulAdd(flags(h), s(h, rs1(i)), s(h, rs2(i)), s(h, rs3(i)) ^ SIGN_32, mode));
}
export function fnmsub_s(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setS(h, rd(i), f32MulAdd(flags(h), s(h, rs1(i)) ^ SIGN_32, s(h, rs2(i)), s(h, rs3(i)), mode));
}
export function fnmadd_s(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setS(h, rd(i), f32MulAdd(flags(h), s(h, rs1(i)) ^ SIGN_32, s(h, rs2(i)), s(h, rs3(i)) ^ SIGN_32, mode));
}
export function fadd_s(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setS(h, rd(i), f32Add(flags(h), s(h, rs1(i)), s(h, rs2(i)), mode));
}
export function fsub_s(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setS(h, rd(i), f32Sub(flags(h), s(h, rs1(i)), s(h, rs2(i)), mode));
}
export function fmul_s(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setS(h, rd(i), f32Mul(flags(h), s(h, rs1(i)), s(h, rs2(i)), mode));
}
export function fdiv_s(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setS(h, rd(i), f32Div(flags(h), s(h, rs1(i)), s(h, rs2(i)), mode));
}
export function fsqrt_s(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setS(h, rd(i), f32Sqrt(flags(h), s(h, rs1(i)), mode));
}
export function fsgnj_s(h: Hart, i: u64): void {
  if (isOff(h)) return;
  setS(h, rd(i), (s(h, rs1(i)) & ~SIGN_32) | (s(h, rs2(i)) & SIGN_32));
}
export function fsgnjn_s(h: Hart, i: u64): void {
  if (isOff(h)) return;
  setS(h, rd(i), (s(h, rs1(i)) & ~SIGN_32) | (~s(h, rs2(i)) & SIGN_32));
}
export function fsgnjx_s(h: Hart, i: u64): void {
  if (isOff(h)) return;
  setS(h, rd(i), s(h, rs1(i)) ^ (s(h, rs2(i)) & SIGN_32));
}
export function fmin_s(h: Hart, i: u64): void {
  if (isOff(h)) return;
  setS(h, rd(i), f32Min(flags(h), s(h, rs1(i)), s(h, rs2(i))));
}
export function fmax_s(h: Hart, i: u64): void {
  if (isOff(h)) return;
  setS(h, rd(i), f32Max(flags(h), s(h, rs1(i)), s(h, rs2(i))));
}
export function feq_s(h: Hart, i: u64): void {
  if (isOff(h)) return;
  const before = h.fflags;
  setXAndNoteFlags(h, rd(i), <u64>f32Eq(flags(h), s(h, rs1(i)), s(h, rs2(i))), before);
}
export function flt_s(h: Hart, i: u64): void {
  if (isOff(h)) return;
  const before = h.fflags;
  setXAndNoteFlags(h, rd(i), <u64>f32Lt(flags(h), s(h, rs1(i)), s(h, rs2(i))), before);
}
export function fle_s(h: Hart, i: u64): void {
  if (isOff(h)) return;
  const before = h.fflags;
  setXAndNoteFlags(h, rd(i), <u64>f32Le(flags(h), s(h, rs1(i)), s(h, rs2(i))), before);
}
export function fclass_s(h: Hart, i: u64): void {
  if (isOff(h)) return;
  setX(h, rd(i), <u64>f32Classify(s(h, rs1(i))));
}
export function fcvt_w_s(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  const before = h.fflags;
  setXAndNoteFlags(h, rd(i), f32ToI32(flags(h), s(h, rs1(i)), mode), before);
}
export function fcvt_wu_s(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  const before = h.fflags;
  setXAndNoteFlags(h, rd(i), f32ToU32(flags(h), s(h, rs1(i)), mode), before);
}
export function fcvt_l_s(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  const before = h.fflags;
  setXAndNoteFlags(h, rd(i), f32ToI64(flags(h), s(h, rs1(i)), mode), before);
}
export function fcvt_lu_s(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  const before = h.fflags;
  setXAndNoteFlags(h, rd(i), f32ToU64(flags(h), s(h, rs1(i)), mode), before);
}
export function fcvt_s_w(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setS(h, rd(i), i32ToF32(flags(h), x(h, rs1(i)), mode));
}
export function fcvt_s_wu(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setS(h, rd(i), u32ToF32(flags(h), x(h, rs1(i)), mode));
}
export function fcvt_s_l(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setS(h, rd(i), i64ToF32(flags(h), x(h, rs1(i)), mode));
}
export function fcvt_s_lu(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setS(h, rd(i), u64ToF32(flags(h), x(h, rs1(i)), mode));
}

// ---- double precision ----

export function fmadd_d(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setD(h, rd(i), f64MulAdd(flags(h), d(h, rs1(i)), d(h, rs2(i)), d(h, rs3(i)), mode));
}
export function fmsub_d(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setD(h, rd(i), f64MulAdd(flags(h), d(h, rs1(i)), d(h, rs2(i)), d(h, rs3(i)) ^ SIGN_64, mode));
}
export function fnmsub_d(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setD(h, rd(i), f64MulAdd(flags(h), d(h, rs1(i)) ^ SIGN_64, d(h, rs2(i)), d(h, rs3(i)), mode));
}
export function fnmadd_d(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setD(h, rd(i), f64MulAdd(flags(h), d(h, rs1(i)) ^ SIGN_64, d(h, rs2(i)), d(h, rs3(i)) ^ SIGN_64, mode));
}
export function fadd_d(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setD(h, rd(i), f64Add(flags(h), d(h, rs1(i)), d(h, rs2(i)), mode));
}
export function fsub_d(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setD(h, rd(i), f64Sub(flags(h), d(h, rs1(i)), d(h, rs2(i)), mode));
}
export function fmul_d(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setD(h, rd(i), f64Mul(flags(h), d(h, rs1(i)), d(h, rs2(i)), mode));
}
export function fdiv_d(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setD(h, rd(i), f64Div(flags(h), d(h, rs1(i)), d(h, rs2(i)), mode));
}
export function fsqrt_d(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setD(h, rd(i), f64Sqrt(flags(h), d(h, rs1(i)), mode));
}
export function fsgnj_d(h: Hart, i: u64): void {
  if (isOff(h)) return;
  setD(h, rd(i), (d(h, rs1(i)) & ~SIGN_64) | (d(h, rs2(i)) & SIGN_64));
}
export function fsgnjn_d(h: Hart, i: u64): void {
  if (isOff(h)) return;
  setD(h, rd(i), (d(h, rs1(i)) & ~SIGN_64) | (~d(h, rs2(i)) & SIGN_64));
}
export function fsgnjx_d(h: Hart, i: u64): void {
  if (isOff(h)) return;
  setD(h, rd(i), d(h, rs1(i)) ^ (d(h, rs2(i)) & SIGN_64));
}
export function fmin_d(h: Hart, i: u64): void {
  if (isOff(h)) return;
  setD(h, rd(i), f64Min(flags(h), d(h, rs1(i)), d(h, rs2(i))));
}
export function fmax_d(h: Hart, i: u64): void {
  if (isOff(h)) return;
  setD(h, rd(i), f64Max(flags(h), d(h, rs1(i)), d(h, rs2(i))));
}
export function feq_d(h: Hart, i: u64): void {
  if (isOff(h)) return;
  const before = h.fflags;
  setXAndNoteFlags(h, rd(i), <u64>f64Eq(flags(h), d(h, rs1(i)), d(h, rs2(i))), before);
}
export function flt_d(h: Hart, i: u64): void {
  if (isOff(h)) return;
  const before = h.fflags;
  setXAndNoteFlags(h, rd(i), <u64>f64Lt(flags(h), d(h, rs1(i)), d(h, rs2(i))), before);
}
export function fle_d(h: Hart, i: u64): void {
  if (isOff(h)) return;
  const before = h.fflags;
  setXAndNoteFlags(h, rd(i), <u64>f64Le(flags(h), d(h, rs1(i)), d(h, rs2(i))), before);
}
export function fclass_d(h: Hart, i: u64): void {
  if (isOff(h)) return;
  setX(h, rd(i), <u64>f64Classify(d(h, rs1(i))));
}
export function fcvt_w_d(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  const before = h.fflags;
  setXAndNoteFlags(h, rd(i), f64ToI32(flags(h), d(h, rs1(i)), mode), before);
}
export function fcvt_wu_d(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  const before = h.fflags;
  setXAndNoteFlags(h, rd(i), f64ToU32(flags(h), d(h, rs1(i)), mode), before);
}
export function fcvt_l_d(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  const before = h.fflags;
  setXAndNoteFlags(h, rd(i), f64ToI64(flags(h), d(h, rs1(i)), mode), before);
}
export function fcvt_lu_d(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  const before = h.fflags;
  setXAndNoteFlags(h, rd(i), f64ToU64(flags(h), d(h, rs1(i)), mode), before);
}
export function fcvt_d_w(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setD(h, rd(i), i32ToF64(flags(h), x(h, rs1(i)), mode));
}
export function fcvt_d_wu(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setD(h, rd(i), u32ToF64(flags(h), x(h, rs1(i)), mode));
}
export function fcvt_d_l(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setD(h, rd(i), i64ToF64(flags(h), x(h, rs1(i)), mode));
}
export function fcvt_d_lu(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setD(h, rd(i), u64ToF64(flags(h), x(h, rs1(i)), mode));
}

// ---- between formats and files ----

export function fcvt_s_d(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setS(h, rd(i), f64ToF32(flags(h), d(h, rs1(i)), mode));
}
export function fcvt_d_s(h: Hart, i: u64): void {
  const mode = roundingMode(h, i);
  if (mode == NO_MODE) return;
  setD(h, rd(i), f32ToF64(flags(h), s(h, rs1(i))));
}
export function fmv_x_w(h: Hart, i: u64): void {
  if (isOff(h)) return;
  setX(h, rd(i), <u64>(<i64>(<i32>d(h, rs1(i)))));
}
export function fmv_w_x(h: Hart, i: u64): void {
  if (isOff(h)) return;
  setS(h, rd(i), <u32>x(h, rs1(i)));
}
export function fmv_x_d(h: Hart, i: u64): void {
  if (isOff(h)) return;
  setX(h, rd(i), d(h, rs1(i)));
}
export function fmv_d_x(h: Hart, i: u64): void {
  if (isOff(h)) return;
  setD(h, rd(i), x(h, rs1(i)));
}
