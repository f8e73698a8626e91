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
import { HART_F, HART_FFLAGS, Hart } from "../generated/hart";
import { MSTATUS_FS } from "../hart/status";
import { raiseIllegal } from "../hart/trap";
import { NO_MODE } from "../semantics/float";
import { rm } from "../semantics/operands";

const DYNAMIC: u32 = 7;
/** RMM, the last rounding mode there is. */
const LAST_MODE: u32 = 4;
const SIGN_32: u64 = 0x80000000;
const SIGN_64: u64 = 0x8000000000000000;

/** The interpreter's floating-point operations: a double or a single is the u64 with its bits. */
@unmanaged
export class FloatInterpreter extends Hart {
  // ---- registers ----

  @inline f(r: u32): u64 {
    return load<u64>(changetype<usize>(this) + r, HART_F);
  }
  @inline setF(r: u32, value: u64): void {
    store<u64>(changetype<usize>(this) + r, value, HART_F);
    this.mstatus |= MSTATUS_FS;
  }
  @inline double(r: u32): u64 {
    return this.f(r);
  }
  @inline setDouble(r: u32, value: u64): void {
    this.setF(r, value);
  }
  @inline single(r: u32): u64 {
    return unboxF32(this.f(r));
  }
  @inline setSingle(r: u32, value: u64): void {
    this.setF(r, boxF32(<u32>value));
  }

  // ---- the environment ----

  /** Whether mstatus.FS is Off, with an illegal-instruction exception pending if so. */
  @inline floatOff(): bool {
    if ((this.mstatus & MSTATUS_FS) != 0) return false;
    raiseIllegal(this);
    return true;
  }
  /** The rounding mode in force; NO_MODE with an exception pending when it is reserved or FS is Off. */
  @inline roundingMode(i: u64): u32 {
    if (this.floatOff()) return NO_MODE;
    let mode = rm(i);
    if (mode == DYNAMIC) mode = this.frm;
    if (mode <= LAST_MODE) return mode;
    raiseIllegal(this);
    return NO_MODE;
  }
  @inline get flags(): usize {
    return changetype<usize>(this) + HART_FFLAGS;
  }
  /** After an operation with an integer result: the only change to floating-point state can be a flag. */
  @inline note(value: u64, flagsBefore: u32): u64 {
    if (this.fflags != flagsBefore) this.mstatus |= MSTATUS_FS;
    return value;
  }

  // ---- single precision ----

  @inline f32Add(a: u64, b: u64, mode: u32): u64 {
    return f32Add(this.flags, <u32>a, <u32>b, mode);
  }
  @inline f32Sub(a: u64, b: u64, mode: u32): u64 {
    return f32Sub(this.flags, <u32>a, <u32>b, mode);
  }
  @inline f32Mul(a: u64, b: u64, mode: u32): u64 {
    return f32Mul(this.flags, <u32>a, <u32>b, mode);
  }
  @inline f32Div(a: u64, b: u64, mode: u32): u64 {
    return f32Div(this.flags, <u32>a, <u32>b, mode);
  }
  @inline f32MulAdd(a: u64, b: u64, c: u64, mode: u32): u64 {
    return f32MulAdd(this.flags, <u32>a, <u32>b, <u32>c, mode);
  }
  @inline f32Sqrt(a: u64, mode: u32): u64 {
    return f32Sqrt(this.flags, <u32>a, mode);
  }
  @inline f32Neg(a: u64): u64 {
    return a ^ SIGN_32;
  }
  @inline f32CopySign(a: u64, b: u64): u64 {
    return (a & ~SIGN_32) | (b & SIGN_32);
  }
  @inline f32XorSign(a: u64, b: u64): u64 {
    return a ^ (b & SIGN_32);
  }
  @inline f32Min(a: u64, b: u64): u64 {
    return f32Min(this.flags, <u32>a, <u32>b);
  }
  @inline f32Max(a: u64, b: u64): u64 {
    return f32Max(this.flags, <u32>a, <u32>b);
  }
  @inline f32Eq(a: u64, b: u64): u64 {
    const before = this.fflags;
    return this.note(<u64>f32Eq(this.flags, <u32>a, <u32>b), before);
  }
  @inline f32Lt(a: u64, b: u64): u64 {
    const before = this.fflags;
    return this.note(<u64>f32Lt(this.flags, <u32>a, <u32>b), before);
  }
  @inline f32Le(a: u64, b: u64): u64 {
    const before = this.fflags;
    return this.note(<u64>f32Le(this.flags, <u32>a, <u32>b), before);
  }
  @inline f32Classify(a: u64): u64 {
    return <u64>f32Classify(<u32>a);
  }
  @inline f32ToI32(a: u64, mode: u32): u64 {
    const before = this.fflags;
    return this.note(f32ToI32(this.flags, <u32>a, mode), before);
  }
  @inline f32ToU32(a: u64, mode: u32): u64 {
    const before = this.fflags;
    return this.note(f32ToU32(this.flags, <u32>a, mode), before);
  }
  @inline f32ToI64(a: u64, mode: u32): u64 {
    const before = this.fflags;
    return this.note(f32ToI64(this.flags, <u32>a, mode), before);
  }
  @inline f32ToU64(a: u64, mode: u32): u64 {
    const before = this.fflags;
    return this.note(f32ToU64(this.flags, <u32>a, mode), before);
  }
  @inline i32ToF32(a: u64, mode: u32): u64 {
    return i32ToF32(this.flags, a, mode);
  }
  @inline u32ToF32(a: u64, mode: u32): u64 {
    return u32ToF32(this.flags, a, mode);
  }
  @inline i64ToF32(a: u64, mode: u32): u64 {
    return i64ToF32(this.flags, a, mode);
  }
  @inline u64ToF32(a: u64, mode: u32): u64 {
    return u64ToF32(this.flags, a, mode);
  }

  // ---- double precision ----

  @inline f64Add(a: u64, b: u64, mode: u32): u64 {
    return f64Add(this.flags, a, b, mode);
  }
  @inline f64Sub(a: u64, b: u64, mode: u32): u64 {
    return f64Sub(this.flags, a, b, mode);
  }
  @inline f64Mul(a: u64, b: u64, mode: u32): u64 {
    return f64Mul(this.flags, a, b, mode);
  }
  @inline f64Div(a: u64, b: u64, mode: u32): u64 {
    return f64Div(this.flags, a, b, mode);
  }
  @inline f64MulAdd(a: u64, b: u64, c: u64, mode: u32): u64 {
    return f64MulAdd(this.flags, a, b, c, mode);
  }
  @inline f64Sqrt(a: u64, mode: u32): u64 {
    return f64Sqrt(this.flags, a, mode);
  }
  @inline f64Neg(a: u64): u64 {
    return a ^ SIGN_64;
  }
  @inline f64CopySign(a: u64, b: u64): u64 {
    return (a & ~SIGN_64) | (b & SIGN_64);
  }
  @inline f64XorSign(a: u64, b: u64): u64 {
    return a ^ (b & SIGN_64);
  }
  @inline f64Min(a: u64, b: u64): u64 {
    return f64Min(this.flags, a, b);
  }
  @inline f64Max(a: u64, b: u64): u64 {
    return f64Max(this.flags, a, b);
  }
  @inline f64Eq(a: u64, b: u64): u64 {
    const before = this.fflags;
    return this.note(<u64>f64Eq(this.flags, a, b), before);
  }
  @inline f64Lt(a: u64, b: u64): u64 {
    const before = this.fflags;
    return this.note(<u64>f64Lt(this.flags, a, b), before);
  }
  @inline f64Le(a: u64, b: u64): u64 {
    const before = this.fflags;
    return this.note(<u64>f64Le(this.flags, a, b), before);
  }
  @inline f64Classify(a: u64): u64 {
    return <u64>f64Classify(a);
  }
  @inline f64ToI32(a: u64, mode: u32): u64 {
    const before = this.fflags;
    return this.note(f64ToI32(this.flags, a, mode), before);
  }
  @inline f64ToU32(a: u64, mode: u32): u64 {
    const before = this.fflags;
    return this.note(f64ToU32(this.flags, a, mode), before);
  }
  @inline f64ToI64(a: u64, mode: u32): u64 {
    const before = this.fflags;
    return this.note(f64ToI64(this.flags, a, mode), before);
  }
  @inline f64ToU64(a: u64, mode: u32): u64 {
    const before = this.fflags;
    return this.note(f64ToU64(this.flags, a, mode), before);
  }
  @inline i32ToF64(a: u64, mode: u32): u64 {
    return i32ToF64(this.flags, a, mode);
  }
  @inline u32ToF64(a: u64, mode: u32): u64 {
    return u32ToF64(this.flags, a, mode);
  }
  @inline i64ToF64(a: u64, mode: u32): u64 {
    return i64ToF64(this.flags, a, mode);
  }
  @inline u64ToF64(a: u64, mode: u32): u64 {
    return u64ToF64(this.flags, a, mode);
  }

  // ---- between formats ----

  @inline f64ToF32(a: u64, mode: u32): u64 {
    return f64ToF32(this.flags, a, mode);
  }
  @inline f32ToF64(a: u64): u64 {
    return f32ToF64(this.flags, <u32>a);
  }
}
