import { imm, rd, rs1, rs2 } from "./operands";

// RV64I, "Integer Computational Instructions" of the Unprivileged ISA. Formulas only: no trap, no pc.

/** LUI: rd = imm << 12, already shifted and sign-extended by the decoder. */
@inline export function lui<T>(t: T, i: u64): void {
  t.setX(rd(i), t.imm(imm(i)));
}
/** ADDI: rd = rs1 + imm. */
@inline export function addi<T>(t: T, i: u64): void {
  t.setX(rd(i), t.add(t.x(rs1(i)), t.imm(imm(i))));
}
/** SLTI: rd = rs1 < imm, signed. */
@inline export function slti<T>(t: T, i: u64): void {
  t.setX(rd(i), t.ltS(t.x(rs1(i)), t.imm(imm(i))));
}
/** SLTIU: rd = rs1 < sign-extended imm, unsigned. */
@inline export function sltiu<T>(t: T, i: u64): void {
  t.setX(rd(i), t.ltU(t.x(rs1(i)), t.imm(imm(i))));
}
/** XORI: rd = rs1 ^ imm. */
@inline export function xori<T>(t: T, i: u64): void {
  t.setX(rd(i), t.xor(t.x(rs1(i)), t.imm(imm(i))));
}
/** ORI: rd = rs1 | imm. */
@inline export function ori<T>(t: T, i: u64): void {
  t.setX(rd(i), t.or(t.x(rs1(i)), t.imm(imm(i))));
}
/** ANDI: rd = rs1 & imm. */
@inline export function andi<T>(t: T, i: u64): void {
  t.setX(rd(i), t.and(t.x(rs1(i)), t.imm(imm(i))));
}
/** SLLI: rd = rs1 << shamt. */
@inline export function slli<T>(t: T, i: u64): void {
  t.setX(rd(i), t.shl(t.x(rs1(i)), t.imm(imm(i))));
}
/** SRLI: rd = rs1 >> shamt, zeros in. */
@inline export function srli<T>(t: T, i: u64): void {
  t.setX(rd(i), t.shrU(t.x(rs1(i)), t.imm(imm(i))));
}
/** SRAI: rd = rs1 >> shamt, signs in. */
@inline export function srai<T>(t: T, i: u64): void {
  t.setX(rd(i), t.shrS(t.x(rs1(i)), t.imm(imm(i))));
}
/** ADD: rd = rs1 + rs2. */
@inline export function add_<T>(t: T, i: u64): void {
  t.setX(rd(i), t.add(t.x(rs1(i)), t.x(rs2(i))));
}
/** SUB: rd = rs1 - rs2. */
@inline export function sub_<T>(t: T, i: u64): void {
  t.setX(rd(i), t.sub(t.x(rs1(i)), t.x(rs2(i))));
}
/** SLL: rd = rs1 << rs2[5:0]. */
@inline export function sll<T>(t: T, i: u64): void {
  t.setX(rd(i), t.shl(t.x(rs1(i)), t.x(rs2(i))));
}
/** SLT: rd = rs1 < rs2, signed. */
@inline export function slt<T>(t: T, i: u64): void {
  t.setX(rd(i), t.ltS(t.x(rs1(i)), t.x(rs2(i))));
}
/** SLTU: rd = rs1 < rs2, unsigned. */
@inline export function sltu<T>(t: T, i: u64): void {
  t.setX(rd(i), t.ltU(t.x(rs1(i)), t.x(rs2(i))));
}
/** XOR: rd = rs1 ^ rs2. */
@inline export function xor_<T>(t: T, i: u64): void {
  t.setX(rd(i), t.xor(t.x(rs1(i)), t.x(rs2(i))));
}
/** SRL: rd = rs1 >> rs2[5:0], zeros in. */
@inline export function srl<T>(t: T, i: u64): void {
  t.setX(rd(i), t.shrU(t.x(rs1(i)), t.x(rs2(i))));
}
/** SRA: rd = rs1 >> rs2[5:0], signs in. */
@inline export function sra<T>(t: T, i: u64): void {
  t.setX(rd(i), t.shrS(t.x(rs1(i)), t.x(rs2(i))));
}
/** OR: rd = rs1 | rs2. */
@inline export function or_<T>(t: T, i: u64): void {
  t.setX(rd(i), t.or(t.x(rs1(i)), t.x(rs2(i))));
}
/** AND: rd = rs1 & rs2. */
@inline export function and_<T>(t: T, i: u64): void {
  t.setX(rd(i), t.and(t.x(rs1(i)), t.x(rs2(i))));
}

// "Integer Register-Immediate / Register-Register Instructions" of RV64I: 32-bit results, sign-extended.

/** ADDIW: rd = sext32(rs1 + imm). */
@inline export function addiw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.sext32(t.add(t.x(rs1(i)), t.imm(imm(i)))));
}
/** SLLIW: rd = sext32(rs1 << shamt). */
@inline export function slliw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.sext32(t.shl(t.x(rs1(i)), t.imm(imm(i)))));
}
/** SRLIW: rd = sext32(rs1[31:0] >> shamt), zeros in. */
@inline export function srliw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.sext32(t.shrU(t.zext32(t.x(rs1(i))), t.imm(imm(i)))));
}
/** SRAIW: rd = sext32(rs1[31:0]) >> shamt, signs in. */
@inline export function sraiw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.shrS(t.sext32(t.x(rs1(i))), t.imm(imm(i))));
}
/** ADDW: rd = sext32(rs1 + rs2). */
@inline export function addw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.sext32(t.add(t.x(rs1(i)), t.x(rs2(i)))));
}
/** SUBW: rd = sext32(rs1 - rs2). */
@inline export function subw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.sext32(t.sub(t.x(rs1(i)), t.x(rs2(i)))));
}
/** SLLW: rd = sext32(rs1 << rs2[4:0]). */
@inline export function sllw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.sext32(t.shl32(t.x(rs1(i)), t.x(rs2(i)))));
}
/** SRLW: rd = sext32(rs1[31:0] >> rs2[4:0]), zeros in. */
@inline export function srlw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.sext32(t.shrU32(t.x(rs1(i)), t.x(rs2(i)))));
}
/** SRAW: rd = sext32(rs1[31:0]) >> rs2[4:0], signs in. */
@inline export function sraw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.sext32(t.shrS32(t.x(rs1(i)), t.x(rs2(i)))));
}

/** FENCE orders nothing here: a hart's accesses happen in program order and harts take turns. */
@inline export function fence<T>(t: T, i: u64): void {}

/** FENCE.I does nothing: decoded and translated code is dropped when its bytes are written. */
@inline export function fence_i<T>(t: T, i: u64): void {}
