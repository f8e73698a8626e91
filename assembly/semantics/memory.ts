import { imm, rd, rs1, rs2 } from "./operands";

// "Load and Store Instructions" of RV64I, F and D. Misaligned accesses succeed. rd keeps its value when a load traps.

@inline export function lb<T>(t: T, i: u64): void {
  const value = t.load<i8>(t.add(t.x(rs1(i)), t.imm(imm(i))));
  if (t.trapped()) return;
  t.setX(rd(i), value);
}
@inline export function lh<T>(t: T, i: u64): void {
  const value = t.load<i16>(t.add(t.x(rs1(i)), t.imm(imm(i))));
  if (t.trapped()) return;
  t.setX(rd(i), value);
}
@inline export function lw<T>(t: T, i: u64): void {
  const value = t.load<i32>(t.add(t.x(rs1(i)), t.imm(imm(i))));
  if (t.trapped()) return;
  t.setX(rd(i), value);
}
@inline export function ld<T>(t: T, i: u64): void {
  const value = t.load<i64>(t.add(t.x(rs1(i)), t.imm(imm(i))));
  if (t.trapped()) return;
  t.setX(rd(i), value);
}
@inline export function lbu<T>(t: T, i: u64): void {
  const value = t.load<u8>(t.add(t.x(rs1(i)), t.imm(imm(i))));
  if (t.trapped()) return;
  t.setX(rd(i), value);
}
@inline export function lhu<T>(t: T, i: u64): void {
  const value = t.load<u16>(t.add(t.x(rs1(i)), t.imm(imm(i))));
  if (t.trapped()) return;
  t.setX(rd(i), value);
}
@inline export function lwu<T>(t: T, i: u64): void {
  const value = t.load<u32>(t.add(t.x(rs1(i)), t.imm(imm(i))));
  if (t.trapped()) return;
  t.setX(rd(i), value);
}
@inline export function sb<T>(t: T, i: u64): void {
  t.store<u8>(t.add(t.x(rs1(i)), t.imm(imm(i))), t.x(rs2(i)));
}
@inline export function sh<T>(t: T, i: u64): void {
  t.store<u16>(t.add(t.x(rs1(i)), t.imm(imm(i))), t.x(rs2(i)));
}
@inline export function sw<T>(t: T, i: u64): void {
  t.store<u32>(t.add(t.x(rs1(i)), t.imm(imm(i))), t.x(rs2(i)));
}
@inline export function sd<T>(t: T, i: u64): void {
  t.store<u64>(t.add(t.x(rs1(i)), t.imm(imm(i))), t.x(rs2(i)));
}

/** FLW: fd = mem32, NaN-boxed. */
@inline export function flw<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  const value = t.load<u32>(t.add(t.x(rs1(i)), t.imm(imm(i))));
  if (t.trapped()) return;
  t.setF(rd(i), t.or(value, t.imm(0xffffffff00000000)));
}
@inline export function fld<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  const value = t.loadDouble(t.add(t.x(rs1(i)), t.imm(imm(i))));
  if (t.trapped()) return;
  t.setDouble(rd(i), value);
}
/** FSW stores the low half as it is: an improperly boxed value is not canonicalised. */
@inline export function fsw<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.store<u32>(t.add(t.x(rs1(i)), t.imm(imm(i))), t.f(rs2(i)));
}
@inline export function fsd<T>(t: T, i: u64): void {
  if (t.floatOff()) return;
  t.storeDouble(t.add(t.x(rs1(i)), t.imm(imm(i))), t.double(rs2(i)));
}
