/**
 * RISC-V "F" and "D" arithmetic on raw bits: binary32 as u32, binary64 as u64, bit-exact in results and flags.
 * What is common to all parameters named `flags` and `rm` is said in environment.ts.
 */
export {
  f32Add,
  f32Div,
  f32Mul,
  f32Sqrt,
  f32Sub,
  f64Add,
  f64Div,
  f64Mul,
  f64Sqrt,
  f64Sub,
} from "./arithmetic";
export {
  f32Classify,
  f32Eq,
  f32Le,
  f32Lt,
  f32Max,
  f32Min,
  f64Classify,
  f64Eq,
  f64Le,
  f64Lt,
  f64Max,
  f64Min,
} from "./compare";
export {
  f32ToF64,
  f32ToI32,
  f32ToI64,
  f32ToU32,
  f32ToU64,
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
} from "./convert";
export { FLAG_DZ, FLAG_NV, FLAG_NX, FLAG_OF, FLAG_UF, RDN, RMM, RNE, RTZ, RUP, raise } from "./environment";
export { f32MulAdd, f64MulAdd } from "./fma";
export { boxF32, unboxF32 } from "./format";
