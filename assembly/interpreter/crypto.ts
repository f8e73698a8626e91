/** Low 64 bits of a carry-less product. */
export function clmul(a: u64, b: u64): u64 {
  let product: u64 = 0;
  for (let rest = b; rest != 0; rest &= rest - 1) product ^= a << ctz(rest);
  return product;
}

/** Bits 126 to 63 of a carry-less product: the low bits of the product of the reversed operands, reversed. */
export function clmulReversed(a: u64, b: u64): u64 {
  let product: u64 = 0;
  for (let rest = b; rest != 0; rest &= rest - 1) product ^= a >> (63 - ctz(rest));
  return product;
}

/** Looks each `width`-bit element of `indices` up among those of `table`; out of range gives 0. */
export function xperm(table: u64, indices: u64, width: u32): u64 {
  const mask = ((<u64>1) << width) - 1;
  let result: u64 = 0;
  for (let shift: u32 = 0; shift < 64; shift += width) {
    const index = (indices >> shift) & mask;
    if (index < 64 / width) result |= ((table >> (index * width)) & mask) << shift;
  }
  return result;
}
