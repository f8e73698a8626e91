import { imm, rd, rs1, rs2 } from "./operands";

// RV64I, "Control Transfer Instructions". A branch gives its condition, a jump its target: how to get there, and that
// a branch's target is pc + imm, is the target's business.

/** AUIPC: rd = pc + (imm << 12). */
@inline export function auipc<T>(t: T, i: u64): void {
  t.setX(rd(i), t.add(t.pc_(), t.imm(imm(i))));
}

/** JAL: rd = next pc; to pc + imm. */
@inline export function jal<T>(t: T, i: u64): u64 {
  t.setX(rd(i), t.nextPc());
  return t.add(t.pc_(), t.imm(imm(i)));
}
/** JALR: to (rs1 + imm) with bit 0 cleared; rd = next pc, written after rs1 is read, as they may be the same. */
@inline export function jalr<T>(t: T, i: u64): u64 {
  const target = t.keep(t.and(t.add(t.x(rs1(i)), t.imm(imm(i))), t.imm(-2)));
  t.setX(rd(i), t.nextPc());
  return t.use(target);
}

/** BEQ: taken when rs1 = rs2. */
@inline export function beq<T>(t: T, i: u64): bool {
  return t.eq(t.x(rs1(i)), t.x(rs2(i)));
}
/** BNE: taken when rs1 differs from rs2. */
@inline export function bne<T>(t: T, i: u64): bool {
  return t.ne(t.x(rs1(i)), t.x(rs2(i)));
}
/** BLT: taken when rs1 < rs2, signed. */
@inline export function blt<T>(t: T, i: u64): bool {
  return t.isLtS(t.x(rs1(i)), t.x(rs2(i)));
}
/** BGE: taken when rs1 >= rs2, signed. */
@inline export function bge<T>(t: T, i: u64): bool {
  return t.isGeS(t.x(rs1(i)), t.x(rs2(i)));
}
/** BLTU: taken when rs1 < rs2, unsigned. */
@inline export function bltu<T>(t: T, i: u64): bool {
  return t.isLtU(t.x(rs1(i)), t.x(rs2(i)));
}
/** BGEU: taken when rs1 >= rs2, unsigned. */
@inline export function bgeu<T>(t: T, i: u64): bool {
  return t.isGeU(t.x(rs1(i)), t.x(rs2(i)));
}
