import { imm, rd, rs1, rs2 } from "./operands";

// Zba, "Address generation": rd = rs2 + (rs1 << n), `.uw` with rs1 zero-extended from 32 bits.

@inline export function add_uw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.add(t.zext32(t.x(rs1(i))), t.x(rs2(i))));
}
@inline export function sh1add<T>(t: T, i: u64): void {
  t.setX(rd(i), t.add(t.shl(t.x(rs1(i)), t.imm(1)), t.x(rs2(i))));
}
@inline export function sh1add_uw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.add(t.shl(t.zext32(t.x(rs1(i))), t.imm(1)), t.x(rs2(i))));
}
@inline export function sh2add<T>(t: T, i: u64): void {
  t.setX(rd(i), t.add(t.shl(t.x(rs1(i)), t.imm(2)), t.x(rs2(i))));
}
@inline export function sh2add_uw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.add(t.shl(t.zext32(t.x(rs1(i))), t.imm(2)), t.x(rs2(i))));
}
@inline export function sh3add<T>(t: T, i: u64): void {
  t.setX(rd(i), t.add(t.shl(t.x(rs1(i)), t.imm(3)), t.x(rs2(i))));
}
@inline export function sh3add_uw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.add(t.shl(t.zext32(t.x(rs1(i))), t.imm(3)), t.x(rs2(i))));
}
@inline export function slli_uw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.shl(t.zext32(t.x(rs1(i))), t.imm(imm(i))));
}

// Zbb, "Basic bit-manipulation".

@inline export function andn<T>(t: T, i: u64): void {
  t.setX(rd(i), t.and(t.x(rs1(i)), t.not(t.x(rs2(i)))));
}
@inline export function orn<T>(t: T, i: u64): void {
  t.setX(rd(i), t.or(t.x(rs1(i)), t.not(t.x(rs2(i)))));
}
@inline export function xnor<T>(t: T, i: u64): void {
  t.setX(rd(i), t.not(t.xor(t.x(rs1(i)), t.x(rs2(i)))));
}
/** CLZ: leading zeros of 64 bits; 64 for zero. */
@inline export function clz_<T>(t: T, i: u64): void {
  t.setX(rd(i), t.clz64(t.x(rs1(i))));
}
/** CLZW: leading zeros of the low 32 bits; 32 for zero. */
@inline export function clzw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.sub(t.clz64(t.zext32(t.x(rs1(i)))), t.imm(32)));
}
/** CTZ: trailing zeros of 64 bits; 64 for zero. */
@inline export function ctz_<T>(t: T, i: u64): void {
  t.setX(rd(i), t.ctz64(t.x(rs1(i))));
}
/** CTZW: trailing zeros of the low 32 bits; 32 for zero, which the bit set above them gives. */
@inline export function ctzw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.ctz64(t.or(t.x(rs1(i)), t.imm(0x100000000))));
}
@inline export function cpop<T>(t: T, i: u64): void {
  t.setX(rd(i), t.popcnt64(t.x(rs1(i))));
}
@inline export function cpopw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.popcnt64(t.zext32(t.x(rs1(i)))));
}
@inline export function sext_b<T>(t: T, i: u64): void {
  t.setX(rd(i), t.sext8(t.x(rs1(i))));
}
@inline export function sext_h<T>(t: T, i: u64): void {
  t.setX(rd(i), t.sext16(t.x(rs1(i))));
}
@inline export function zext_h<T>(t: T, i: u64): void {
  t.setX(rd(i), t.and(t.x(rs1(i)), t.imm(0xffff)));
}
@inline export function max_<T>(t: T, i: u64): void {
  const a = t.keep(t.x(rs1(i)));
  const b = t.keep(t.x(rs2(i)));
  t.setX(rd(i), t.select(t.use(b), t.use(a), t.isLtS(t.use(a), t.use(b))));
}
@inline export function maxu<T>(t: T, i: u64): void {
  const a = t.keep(t.x(rs1(i)));
  const b = t.keep(t.x(rs2(i)));
  t.setX(rd(i), t.select(t.use(b), t.use(a), t.isLtU(t.use(a), t.use(b))));
}
@inline export function min_<T>(t: T, i: u64): void {
  const a = t.keep(t.x(rs1(i)));
  const b = t.keep(t.x(rs2(i)));
  t.setX(rd(i), t.select(t.use(a), t.use(b), t.isLtS(t.use(a), t.use(b))));
}
@inline export function minu<T>(t: T, i: u64): void {
  const a = t.keep(t.x(rs1(i)));
  const b = t.keep(t.x(rs2(i)));
  t.setX(rd(i), t.select(t.use(a), t.use(b), t.isLtU(t.use(a), t.use(b))));
}
@inline export function rol<T>(t: T, i: u64): void {
  t.setX(rd(i), t.rotl64(t.x(rs1(i)), t.x(rs2(i))));
}
@inline export function rolw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.sext32(t.rotl32(t.x(rs1(i)), t.x(rs2(i)))));
}
@inline export function ror<T>(t: T, i: u64): void {
  t.setX(rd(i), t.rotr64(t.x(rs1(i)), t.x(rs2(i))));
}
@inline export function rorw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.sext32(t.rotr32(t.x(rs1(i)), t.x(rs2(i)))));
}
@inline export function rori<T>(t: T, i: u64): void {
  t.setX(rd(i), t.rotr64(t.x(rs1(i)), t.imm(imm(i))));
}
@inline export function roriw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.sext32(t.rotr32(t.x(rs1(i)), t.imm(imm(i)))));
}
/** ORC.B: each byte becomes 0xff, or stays 0x00. Bit 7 of a byte's sum tells whether its low 7 bits are set. */
@inline export function orc_b<T>(t: T, i: u64): void {
  const x = t.keep(t.x(rs1(i)));
  const low = t.add(t.and(t.use(x), t.imm(0x7f7f7f7f7f7f7f7f)), t.imm(0x7f7f7f7f7f7f7f7f));
  const marks = t.and(t.shrU(t.or(low, t.use(x)), t.imm(7)), t.imm(0x0101010101010101));
  t.setX(rd(i), t.mul(marks, t.imm(0xff)));
}
/** REV8: the bytes in reverse order. Neighbours swap, then pairs, then halves. */
@inline export function rev8<T>(t: T, i: u64): void {
  const x = t.keep(t.x(rs1(i)));
  const a = t.keep(
    t.or(
      t.and(t.shrU(t.use(x), t.imm(8)), t.imm(0x00ff00ff00ff00ff)),
      t.shl(t.and(t.use(x), t.imm(0x00ff00ff00ff00ff)), t.imm(8)),
    ),
  );
  const b = t.keep(
    t.or(
      t.and(t.shrU(t.use(a), t.imm(16)), t.imm(0x0000ffff0000ffff)),
      t.shl(t.and(t.use(a), t.imm(0x0000ffff0000ffff)), t.imm(16)),
    ),
  );
  t.setX(rd(i), t.rotl64(t.use(b), t.imm(32)));
}

// Zbc, "Carry-less multiplication": the product of polynomials over GF(2), 127 bits long.

/** CLMUL: the low 64 bits. */
@inline export function clmul<T>(t: T, i: u64): void {
  t.setX(rd(i), t.clmul(t.x(rs1(i)), t.x(rs2(i))));
}
/** CLMULH: bits 127 to 64. */
@inline export function clmulh<T>(t: T, i: u64): void {
  t.setX(rd(i), t.shrU(t.clmulReversed(t.x(rs1(i)), t.x(rs2(i))), t.imm(1)));
}
/** CLMULR: bits 126 to 63. */
@inline export function clmulr<T>(t: T, i: u64): void {
  t.setX(rd(i), t.clmulReversed(t.x(rs1(i)), t.x(rs2(i))));
}

// Zbkb, "Bit-manipulation for Cryptography".

/** PACK: the low words of rs1 and rs2, rs2's above. */
@inline export function pack<T>(t: T, i: u64): void {
  t.setX(rd(i), t.or(t.zext32(t.x(rs1(i))), t.shl(t.x(rs2(i)), t.imm(32))));
}
/** PACKH: the low bytes. */
@inline export function packh<T>(t: T, i: u64): void {
  t.setX(rd(i), t.or(t.and(t.x(rs1(i)), t.imm(0xff)), t.shl(t.and(t.x(rs2(i)), t.imm(0xff)), t.imm(8))));
}
/** PACKW: the low halfwords, sign-extended from 32 bits. */
@inline export function packw<T>(t: T, i: u64): void {
  t.setX(rd(i), t.sext32(t.or(t.and(t.x(rs1(i)), t.imm(0xffff)), t.shl(t.x(rs2(i)), t.imm(16)))));
}
/** BREV8: the bits of each byte in reverse order. Neighbours swap, then pairs, then halves. */
@inline export function brev8<T>(t: T, i: u64): void {
  const x = t.keep(t.x(rs1(i)));
  const a = t.keep(
    t.or(t.and(t.shrU(t.use(x), t.imm(1)), t.imm(0x5555555555555555)), t.shl(t.and(t.use(x), t.imm(0x5555555555555555)), t.imm(1))),
  );
  const b = t.keep(
    t.or(t.and(t.shrU(t.use(a), t.imm(2)), t.imm(0x3333333333333333)), t.shl(t.and(t.use(a), t.imm(0x3333333333333333)), t.imm(2))),
  );
  t.setX(
    rd(i),
    t.or(t.and(t.shrU(t.use(b), t.imm(4)), t.imm(0x0f0f0f0f0f0f0f0f)), t.shl(t.and(t.use(b), t.imm(0x0f0f0f0f0f0f0f0f)), t.imm(4))),
  );
}

// Zbkx, "Crossbar permutations": each element of rs2 picks one of rs1, or zero when it is out of range.

@inline export function xperm4<T>(t: T, i: u64): void {
  t.setX(rd(i), t.xperm(t.x(rs1(i)), t.x(rs2(i)), 4));
}
@inline export function xperm8<T>(t: T, i: u64): void {
  t.setX(rd(i), t.xperm(t.x(rs1(i)), t.x(rs2(i)), 8));
}

// Zbs, "Single-bit instructions": the bit is rs2 or the immediate, modulo 64.

@inline export function bclr<T>(t: T, i: u64): void {
  t.setX(rd(i), t.and(t.x(rs1(i)), t.not(t.shl(t.imm(1), t.x(rs2(i))))));
}
@inline export function bclri<T>(t: T, i: u64): void {
  t.setX(rd(i), t.and(t.x(rs1(i)), t.not(t.shl(t.imm(1), t.imm(imm(i))))));
}
@inline export function bext<T>(t: T, i: u64): void {
  t.setX(rd(i), t.and(t.shrU(t.x(rs1(i)), t.x(rs2(i))), t.imm(1)));
}
@inline export function bexti<T>(t: T, i: u64): void {
  t.setX(rd(i), t.and(t.shrU(t.x(rs1(i)), t.imm(imm(i))), t.imm(1)));
}
@inline export function binv<T>(t: T, i: u64): void {
  t.setX(rd(i), t.xor(t.x(rs1(i)), t.shl(t.imm(1), t.x(rs2(i)))));
}
@inline export function binvi<T>(t: T, i: u64): void {
  t.setX(rd(i), t.xor(t.x(rs1(i)), t.shl(t.imm(1), t.imm(imm(i)))));
}
@inline export function bset<T>(t: T, i: u64): void {
  t.setX(rd(i), t.or(t.x(rs1(i)), t.shl(t.imm(1), t.x(rs2(i)))));
}
@inline export function bseti<T>(t: T, i: u64): void {
  t.setX(rd(i), t.or(t.x(rs1(i)), t.shl(t.imm(1), t.imm(imm(i)))));
}

// Zicond, "Integer conditional operations".

/** CZERO.EQZ: rd = 0 when rs2 is 0, else rs1. */
@inline export function czero_eqz<T>(t: T, i: u64): void {
  t.setX(rd(i), t.select(t.x(rs1(i)), t.imm(0), t.ne(t.x(rs2(i)), t.imm(0))));
}
/** CZERO.NEZ: rd = 0 when rs2 is not 0, else rs1. */
@inline export function czero_nez<T>(t: T, i: u64): void {
  t.setX(rd(i), t.select(t.x(rs1(i)), t.imm(0), t.eq(t.x(rs2(i)), t.imm(0))));
}
