import { xperm } from "./crypto";

// Operations of the interpreter that translated code calls.

/** Wasm's division traps by zero and on the one overflow; RISC-V's does not. */
export function divS(a: u64, b: u64): u64 {
  if (b == 0) return u64.MAX_VALUE;
  if (<i64>b == -1) return 0 - a;
  return <u64>(<i64>a / <i64>b);
}
export function divU(a: u64, b: u64): u64 {
  return b == 0 ? u64.MAX_VALUE : a / b;
}
export function remS(a: u64, b: u64): u64 {
  return b == 0 ? a : <u64>(<i64>a % <i64>b);
}
export function remU(a: u64, b: u64): u64 {
  return b == 0 ? a : a % b;
}
export function xperm4(table: u64, indices: u64): u64 {
  return xperm(table, indices, 4);
}
export function xperm8(table: u64, indices: u64): u64 {
  return xperm(table, indices, 8);
}
