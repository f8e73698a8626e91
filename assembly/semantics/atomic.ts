import { rd, rs1, rs2 } from "./operands";

// The A extension. A misaligned address traps. Harts take turns between instructions, so that a read-modify-write is
// atomic as it stands; `loadForUpdate` checks the right to write before anything is read, and `storeUpdated` goes to
// the address it checked and cannot fail.

/** LR.W: rd = mem[rs1], and reserves the address. */
@inline export function lr_w<T>(t: T, i: u64): void {
  const value = t.loadReserved<i32>(t.x(rs1(i)));
  if (t.trapped()) return;
  t.setX(rd(i), value);
}
/** SC.W: rd = 0 and mem[rs1] = rs2 where the reservation still holds, else rd = 1. */
@inline export function sc_w<T>(t: T, i: u64): void {
  const failed = t.storeConditional<i32>(t.x(rs1(i)), t.x(rs2(i)));
  if (t.trapped()) return;
  t.setX(rd(i), failed);
}
@inline export function amoswap_w<T>(t: T, i: u64): void {
  const address = t.keep(t.x(rs1(i)));
  const old = t.keep(t.loadForUpdate<i32>(t.use(address)));
  if (t.trapped()) return;
  t.storeUpdated<i32>(t.use(address), t.x(rs2(i)));
  t.setX(rd(i), t.use(old));
}
@inline export function amoadd_w<T>(t: T, i: u64): void {
  const address = t.keep(t.x(rs1(i)));
  const old = t.keep(t.loadForUpdate<i32>(t.use(address)));
  if (t.trapped()) return;
  t.storeUpdated<i32>(t.use(address), t.add(t.use(old), t.x(rs2(i))));
  t.setX(rd(i), t.use(old));
}
@inline export function amoxor_w<T>(t: T, i: u64): void {
  const address = t.keep(t.x(rs1(i)));
  const old = t.keep(t.loadForUpdate<i32>(t.use(address)));
  if (t.trapped()) return;
  t.storeUpdated<i32>(t.use(address), t.xor(t.use(old), t.x(rs2(i))));
  t.setX(rd(i), t.use(old));
}
@inline export function amoand_w<T>(t: T, i: u64): void {
  const address = t.keep(t.x(rs1(i)));
  const old = t.keep(t.loadForUpdate<i32>(t.use(address)));
  if (t.trapped()) return;
  t.storeUpdated<i32>(t.use(address), t.and(t.use(old), t.x(rs2(i))));
  t.setX(rd(i), t.use(old));
}
@inline export function amoor_w<T>(t: T, i: u64): void {
  const address = t.keep(t.x(rs1(i)));
  const old = t.keep(t.loadForUpdate<i32>(t.use(address)));
  if (t.trapped()) return;
  t.storeUpdated<i32>(t.use(address), t.or(t.use(old), t.x(rs2(i))));
  t.setX(rd(i), t.use(old));
}
@inline export function amomin_w<T>(t: T, i: u64): void {
  const address = t.keep(t.x(rs1(i)));
  const old = t.keep(t.loadForUpdate<i32>(t.use(address)));
  if (t.trapped()) return;
  const b = t.keep(t.sext32(t.x(rs2(i))));
  t.storeUpdated<i32>(t.use(address), t.select(t.use(old), t.use(b), t.isLtS(t.use(old), t.use(b))));
  t.setX(rd(i), t.use(old));
}
@inline export function amomax_w<T>(t: T, i: u64): void {
  const address = t.keep(t.x(rs1(i)));
  const old = t.keep(t.loadForUpdate<i32>(t.use(address)));
  if (t.trapped()) return;
  const b = t.keep(t.sext32(t.x(rs2(i))));
  t.storeUpdated<i32>(t.use(address), t.select(t.use(b), t.use(old), t.isLtS(t.use(old), t.use(b))));
  t.setX(rd(i), t.use(old));
}
// Sign extension keeps the unsigned order of 32-bit values.
@inline export function amominu_w<T>(t: T, i: u64): void {
  const address = t.keep(t.x(rs1(i)));
  const old = t.keep(t.loadForUpdate<i32>(t.use(address)));
  if (t.trapped()) return;
  const b = t.keep(t.sext32(t.x(rs2(i))));
  t.storeUpdated<i32>(t.use(address), t.select(t.use(old), t.use(b), t.isLtU(t.use(old), t.use(b))));
  t.setX(rd(i), t.use(old));
}
// Sign extension keeps the unsigned order of 32-bit values.
@inline export function amomaxu_w<T>(t: T, i: u64): void {
  const address = t.keep(t.x(rs1(i)));
  const old = t.keep(t.loadForUpdate<i32>(t.use(address)));
  if (t.trapped()) return;
  const b = t.keep(t.sext32(t.x(rs2(i))));
  t.storeUpdated<i32>(t.use(address), t.select(t.use(b), t.use(old), t.isLtU(t.use(old), t.use(b))));
  t.setX(rd(i), t.use(old));
}
/** LR.D: rd = mem[rs1], and reserves the address. */
@inline export function lr_d<T>(t: T, i: u64): void {
  const value = t.loadReserved<i64>(t.x(rs1(i)));
  if (t.trapped()) return;
  t.setX(rd(i), value);
}
/** SC.D: rd = 0 and mem[rs1] = rs2 where the reservation still holds, else rd = 1. */
@inline export function sc_d<T>(t: T, i: u64): void {
  const failed = t.storeConditional<i64>(t.x(rs1(i)), t.x(rs2(i)));
  if (t.trapped()) return;
  t.setX(rd(i), failed);
}
@inline export function amoswap_d<T>(t: T, i: u64): void {
  const address = t.keep(t.x(rs1(i)));
  const old = t.keep(t.loadForUpdate<i64>(t.use(address)));
  if (t.trapped()) return;
  t.storeUpdated<i64>(t.use(address), t.x(rs2(i)));
  t.setX(rd(i), t.use(old));
}
@inline export function amoadd_d<T>(t: T, i: u64): void {
  const address = t.keep(t.x(rs1(i)));
  const old = t.keep(t.loadForUpdate<i64>(t.use(address)));
  if (t.trapped()) return;
  t.storeUpdated<i64>(t.use(address), t.add(t.use(old), t.x(rs2(i))));
  t.setX(rd(i), t.use(old));
}
@inline export function amoxor_d<T>(t: T, i: u64): void {
  const address = t.keep(t.x(rs1(i)));
  const old = t.keep(t.loadForUpdate<i64>(t.use(address)));
  if (t.trapped()) return;
  t.storeUpdated<i64>(t.use(address), t.xor(t.use(old), t.x(rs2(i))));
  t.setX(rd(i), t.use(old));
}
@inline export function amoand_d<T>(t: T, i: u64): void {
  const address = t.keep(t.x(rs1(i)));
  const old = t.keep(t.loadForUpdate<i64>(t.use(address)));
  if (t.trapped()) return;
  t.storeUpdated<i64>(t.use(address), t.and(t.use(old), t.x(rs2(i))));
  t.setX(rd(i), t.use(old));
}
@inline export function amoor_d<T>(t: T, i: u64): void {
  const address = t.keep(t.x(rs1(i)));
  const old = t.keep(t.loadForUpdate<i64>(t.use(address)));
  if (t.trapped()) return;
  t.storeUpdated<i64>(t.use(address), t.or(t.use(old), t.x(rs2(i))));
  t.setX(rd(i), t.use(old));
}
@inline export function amomin_d<T>(t: T, i: u64): void {
  const address = t.keep(t.x(rs1(i)));
  const old = t.keep(t.loadForUpdate<i64>(t.use(address)));
  if (t.trapped()) return;
  const b = t.keep(t.x(rs2(i)));
  t.storeUpdated<i64>(t.use(address), t.select(t.use(old), t.use(b), t.isLtS(t.use(old), t.use(b))));
  t.setX(rd(i), t.use(old));
}
@inline export function amomax_d<T>(t: T, i: u64): void {
  const address = t.keep(t.x(rs1(i)));
  const old = t.keep(t.loadForUpdate<i64>(t.use(address)));
  if (t.trapped()) return;
  const b = t.keep(t.x(rs2(i)));
  t.storeUpdated<i64>(t.use(address), t.select(t.use(b), t.use(old), t.isLtS(t.use(old), t.use(b))));
  t.setX(rd(i), t.use(old));
}
@inline export function amominu_d<T>(t: T, i: u64): void {
  const address = t.keep(t.x(rs1(i)));
  const old = t.keep(t.loadForUpdate<i64>(t.use(address)));
  if (t.trapped()) return;
  const b = t.keep(t.x(rs2(i)));
  t.storeUpdated<i64>(t.use(address), t.select(t.use(old), t.use(b), t.isLtU(t.use(old), t.use(b))));
  t.setX(rd(i), t.use(old));
}
@inline export function amomaxu_d<T>(t: T, i: u64): void {
  const address = t.keep(t.x(rs1(i)));
  const old = t.keep(t.loadForUpdate<i64>(t.use(address)));
  if (t.trapped()) return;
  const b = t.keep(t.x(rs2(i)));
  t.storeUpdated<i64>(t.use(address), t.select(t.use(b), t.use(old), t.isLtU(t.use(old), t.use(b))));
  t.setX(rd(i), t.use(old));
}
