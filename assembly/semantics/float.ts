import { rd, rs1, rs2, rs3 } from "./operands";

// The F and D extensions. A target has the operations of float/ on doubles and singles, with the rounding mode where one
// is needed; they accrue flags. What stands here is where operands come from and results go. An improperly NaN-boxed
// single-precision operand is the canonical NaN: `t.single` sees to it.

/** What roundingMode gives, with an exception pending, when the mode is reserved or mstatus.FS is Off. */
export const NO_MODE: u32 = 8;


// ---- single precision ----

/** rs1 * rs2 + rs3, rounded once. */
@inline export function fmadd_s<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setSingle(rd(i), t.f32MulAdd(t.single(rs1(i)), t.single(rs2(i)), t.single(rs3(i)), mode));
}
@inline export function fmsub_s<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setSingle(rd(i), t.f32MulAdd(t.single(rs1(i)), t.single(rs2(i)), t.f32Neg(t.single(rs3(i))), mode));
}
@inline export function fnmsub_s<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setSingle(rd(i), t.f32MulAdd(t.f32Neg(t.single(rs1(i))), t.single(rs2(i)), t.single(rs3(i)), mode));
}
@inline export function fnmadd_s<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setSingle(rd(i), t.f32MulAdd(t.f32Neg(t.single(rs1(i))), t.single(rs2(i)), t.f32Neg(t.single(rs3(i))), mode));
}
@inline export function fadd_s<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setSingle(rd(i), t.f32Add(t.single(rs1(i)), t.single(rs2(i)), mode));
}
@inline export function fsub_s<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setSingle(rd(i), t.f32Sub(t.single(rs1(i)), t.single(rs2(i)), mode));
}
@inline export function fmul_s<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setSingle(rd(i), t.f32Mul(t.single(rs1(i)), t.single(rs2(i)), mode));
}
@inline export function fdiv_s<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setSingle(rd(i), t.f32Div(t.single(rs1(i)), t.single(rs2(i)), mode));
}
@inline export function fsqrt_s<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setSingle(rd(i), t.f32Sqrt(t.single(rs1(i)), mode));
}
/** rs1 with the sign of rs2; its opposite; the product of both signs. */
@inline export function fsgnj_s<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.setSingle(rd(i), t.f32CopySign(t.single(rs1(i)), t.single(rs2(i))));
}
@inline export function fsgnjn_s<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.setSingle(rd(i), t.f32CopySign(t.single(rs1(i)), t.f32Neg(t.single(rs2(i)))));
}
@inline export function fsgnjx_s<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.setSingle(rd(i), t.f32XorSign(t.single(rs1(i)), t.single(rs2(i))));
}
@inline export function fmin_s<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.setSingle(rd(i), t.f32Min(t.single(rs1(i)), t.single(rs2(i))));
}
@inline export function fmax_s<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.setSingle(rd(i), t.f32Max(t.single(rs1(i)), t.single(rs2(i))));
}
@inline export function feq_s<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.setX(rd(i), t.f32Eq(t.single(rs1(i)), t.single(rs2(i))));
}
@inline export function flt_s<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.setX(rd(i), t.f32Lt(t.single(rs1(i)), t.single(rs2(i))));
}
@inline export function fle_s<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.setX(rd(i), t.f32Le(t.single(rs1(i)), t.single(rs2(i))));
}
@inline export function fclass_s<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.setX(rd(i), t.f32Classify(t.single(rs1(i))));
}
@inline export function fcvt_w_s<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setX(rd(i), t.f32ToI32(t.single(rs1(i)), mode));
}
@inline export function fcvt_wu_s<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setX(rd(i), t.f32ToU32(t.single(rs1(i)), mode));
}
@inline export function fcvt_l_s<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setX(rd(i), t.f32ToI64(t.single(rs1(i)), mode));
}
@inline export function fcvt_lu_s<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setX(rd(i), t.f32ToU64(t.single(rs1(i)), mode));
}
@inline export function fcvt_s_w<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setSingle(rd(i), t.i32ToF32(t.x(rs1(i)), mode));
}
@inline export function fcvt_s_wu<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setSingle(rd(i), t.u32ToF32(t.x(rs1(i)), mode));
}
@inline export function fcvt_s_l<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setSingle(rd(i), t.i64ToF32(t.x(rs1(i)), mode));
}
@inline export function fcvt_s_lu<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setSingle(rd(i), t.u64ToF32(t.x(rs1(i)), mode));
}

// ---- double precision ----

/** rs1 * rs2 + rs3, rounded once. */
@inline export function fmadd_d<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setDouble(rd(i), t.f64MulAdd(t.double(rs1(i)), t.double(rs2(i)), t.double(rs3(i)), mode));
}
@inline export function fmsub_d<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setDouble(rd(i), t.f64MulAdd(t.double(rs1(i)), t.double(rs2(i)), t.f64Neg(t.double(rs3(i))), mode));
}
@inline export function fnmsub_d<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setDouble(rd(i), t.f64MulAdd(t.f64Neg(t.double(rs1(i))), t.double(rs2(i)), t.double(rs3(i)), mode));
}
@inline export function fnmadd_d<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setDouble(rd(i), t.f64MulAdd(t.f64Neg(t.double(rs1(i))), t.double(rs2(i)), t.f64Neg(t.double(rs3(i))), mode));
}
@inline export function fadd_d<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setDouble(rd(i), t.f64Add(t.double(rs1(i)), t.double(rs2(i)), mode));
}
@inline export function fsub_d<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setDouble(rd(i), t.f64Sub(t.double(rs1(i)), t.double(rs2(i)), mode));
}
@inline export function fmul_d<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setDouble(rd(i), t.f64Mul(t.double(rs1(i)), t.double(rs2(i)), mode));
}
@inline export function fdiv_d<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setDouble(rd(i), t.f64Div(t.double(rs1(i)), t.double(rs2(i)), mode));
}
@inline export function fsqrt_d<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setDouble(rd(i), t.f64Sqrt(t.double(rs1(i)), mode));
}
/** rs1 with the sign of rs2; its opposite; the product of both signs. */
@inline export function fsgnj_d<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.setDouble(rd(i), t.f64CopySign(t.double(rs1(i)), t.double(rs2(i))));
}
@inline export function fsgnjn_d<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.setDouble(rd(i), t.f64CopySign(t.double(rs1(i)), t.f64Neg(t.double(rs2(i)))));
}
@inline export function fsgnjx_d<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.setDouble(rd(i), t.f64XorSign(t.double(rs1(i)), t.double(rs2(i))));
}
@inline export function fmin_d<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.setDouble(rd(i), t.f64Min(t.double(rs1(i)), t.double(rs2(i))));
}
@inline export function fmax_d<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.setDouble(rd(i), t.f64Max(t.double(rs1(i)), t.double(rs2(i))));
}
@inline export function feq_d<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.setX(rd(i), t.f64Eq(t.double(rs1(i)), t.double(rs2(i))));
}
@inline export function flt_d<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.setX(rd(i), t.f64Lt(t.double(rs1(i)), t.double(rs2(i))));
}
@inline export function fle_d<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.setX(rd(i), t.f64Le(t.double(rs1(i)), t.double(rs2(i))));
}
@inline export function fclass_d<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.setX(rd(i), t.f64Classify(t.double(rs1(i))));
}
@inline export function fcvt_w_d<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setX(rd(i), t.f64ToI32(t.double(rs1(i)), mode));
}
@inline export function fcvt_wu_d<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setX(rd(i), t.f64ToU32(t.double(rs1(i)), mode));
}
@inline export function fcvt_l_d<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setX(rd(i), t.f64ToI64(t.double(rs1(i)), mode));
}
@inline export function fcvt_lu_d<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setX(rd(i), t.f64ToU64(t.double(rs1(i)), mode));
}
@inline export function fcvt_d_w<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setDouble(rd(i), t.i32ToF64(t.x(rs1(i)), mode));
}
@inline export function fcvt_d_wu<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setDouble(rd(i), t.u32ToF64(t.x(rs1(i)), mode));
}
@inline export function fcvt_d_l<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setDouble(rd(i), t.i64ToF64(t.x(rs1(i)), mode));
}
@inline export function fcvt_d_lu<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setDouble(rd(i), t.u64ToF64(t.x(rs1(i)), mode));
}

// ---- between formats and files ----

@inline export function fcvt_s_d<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setSingle(rd(i), t.f64ToF32(t.double(rs1(i)), mode));
}
/** Always exact: the rounding mode only has to be one. */
@inline export function fcvt_d_s<T>(t: T, i: u64): void {
  const mode = t.roundingMode(i);
  if (mode == NO_MODE) return;
  t.setDouble(rd(i), t.f32ToF64(t.single(rs1(i))));
}
/** FMV.X.W: the low half as it is, sign-extended. */
@inline export function fmv_x_w<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.setX(rd(i), t.sext32(t.f(rs1(i))));
}
@inline export function fmv_w_x<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.setF(rd(i), t.or(t.x(rs1(i)), t.imm(0xffffffff00000000)));
}
@inline export function fmv_x_d<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.setX(rd(i), t.f(rs1(i)));
}
@inline export function fmv_d_x<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.setF(rd(i), t.x(rs1(i)));
}
