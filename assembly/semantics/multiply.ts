import { rd, rs1, rs2 } from "./operands";

// The M extension. Division never traps: by zero it gives all ones, or the dividend as remainder; the one overflow
// (the most negative number by -1) gives the dividend, or remainder 0.

/** MUL: rd = low 64 bits of rs1 * rs2. */
@inline export function mul_<T>(t: T, i: u64): void {
  t.setX(rd(i), t.mul(t.x(rs1(i)), t.x(rs2(i))));
}
/** MULH: rd = high 64 bits of signed rs1 * signed rs2. */
@inline export function mulh<T>(t: T, i: u64): void {
  t.setX(rd(i), t.mulHighSS(t.x(rs1(i)), t.x(rs2(i))));
}
/** MULHSU: rd = high 64 bits of signed rs1 * unsigned rs2. */
@inline export function mulhsu<T>(t: T, i: u64): void {
  t.setX(rd(i), t.mulHighSU(t.x(rs1(i)), t.x(rs2(i))));
}
/** MULHU: rd = high 64 bits of unsigned rs1 * unsigned rs2. */
@inline export function mulhu<T>(t: T, i: u64): void {
  t.setX(rd(i), t.mulHighUU(t.x(rs1(i)), t.x(rs2(i))));
}
/** DIV: rd = rs1 / rs2, signed, rounding towards zero. */
@inline export function div_<T>(t: T, i: u64): void {
  t.setX(rd(i), t.divS(t.x(rs1(i)), t.x(rs2(i))));
}
/** DIVU: rd = rs1 / rs2, unsigned. */
@inline export function divu<T>(t: T, i: u64): void {
  t.setX(rd(i), t.divU(t.x(rs1(i)), t.x(rs2(i))));
}
/** REM: rd = remainder of DIV, with the dividend's sign. */
@inline export function rem_<T>(t: T, i: u64): void {
  t.setX(rd(i), t.remS(t.x(rs1(i)), t.x(rs2(i))));
}
/** REMU: rd = remainder of DIVU. */
@inline export function remu<T>(t: T, i: u64): void {
  t.setX(rd(i), t.remU(t.x(rs1(i)), t.x(rs2(i))));
}
/** MULW: rd = sext32(rs1 * rs2). */
@inline export function mulw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.sext32(t.mul(t.x(rs1(i)), t.x(rs2(i)))));
}
/** DIVW: rd = sext32(rs1[31:0] / rs2[31:0]), signed. The overflow of 32 bits is none in 64, and sext32 folds it. */
@inline export function divw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.sext32(t.divS(t.sext32(t.x(rs1(i))), t.sext32(t.x(rs2(i))))));
}
/** DIVUW: rd = sext32(rs1[31:0] / rs2[31:0]), unsigned. */
@inline export function divuw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.sext32(t.divU(t.zext32(t.x(rs1(i))), t.zext32(t.x(rs2(i))))));
}
/** REMW: rd = sext32 of the remainder of DIVW. */
@inline export function remw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.sext32(t.remS(t.sext32(t.x(rs1(i))), t.sext32(t.x(rs2(i))))));
}
/** REMUW: rd = sext32 of the remainder of DIVUW. */
@inline export function remuw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.sext32(t.remU(t.zext32(t.x(rs1(i))), t.zext32(t.x(rs2(i))))));
}
