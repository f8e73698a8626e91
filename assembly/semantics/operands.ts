import { IMM_SHIFT, RD_SHIFT, RS1_SHIFT, RS2_SHIFT, RS3_IN_IMM } from "../shared/decoded";

// Operands of a decoded instruction (shared/decoded.ts). Register operands are given as the register's byte offset in
// its file, 8 times its number: one shift and one mask, and an address needs no further shift.

/** Destination; x0 is register 32, whose value nobody reads. */
@inline export function rd(i: u64): u32 {
  return <u32>(i >> (RD_SHIFT - 3)) & 0x1f8;
}
/** What rd gives for x0. */
export const DISCARDED: u32 = 32 * 8;

@inline export function rs1(i: u64): u32 {
  return <u32>(i >> (RS1_SHIFT - 3)) & 0x1f8;
}
@inline export function rs2(i: u64): u32 {
  return <u32>(i >> (RS2_SHIFT - 3)) & 0x1f8;
}
@inline export function rs3(i: u64): u32 {
  return <u32>(i >> (IMM_SHIFT + RS3_IN_IMM - 3)) & 0xf8;
}
/** The immediate, sign-extended; also a shift amount. */
@inline export function imm(i: u64): i64 {
  return <i64>i >> IMM_SHIFT;
}
/** The rounding mode field of a floating-point instruction: 0 to 4, or 7 for the one in frm. */
@inline export function rm(i: u64): u32 {
  return <u32>(i >> IMM_SHIFT) & 7;
}
@inline export function csrNumber(i: u64): u32 {
  return <u32>(i >> IMM_SHIFT) & 0xfff;
}
/** The 5-bit immediate that stands in rs1's place. */
@inline export function uimm(i: u64): u64 {
  return (i >> RS1_SHIFT) & 31;
}
