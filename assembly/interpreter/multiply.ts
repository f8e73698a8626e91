/** Upper 64 bits of an unsigned 128-bit product, from four products of 32-bit halves. */
export function mulHighUU(a: u64, b: u64): u64 {
  const al = a & 0xffffffff;
  const ah = a >> 32;
  const bl = b & 0xffffffff;
  const bh = b >> 32;
  const low = al * bl;
  const middle = ah * bl + (low >> 32);
  const carry = al * bh + (middle & 0xffffffff);
  return ah * bh + (middle >> 32) + (carry >> 32);
}

/** Upper half of signed times signed: the unsigned one, less the other operand for each negative one. */
export function mulHighSS(a: u64, b: u64): u64 {
  return mulHighUU(a, b) - (<u64>(<i64>a >> 63) & b) - (<u64>(<i64>b >> 63) & a);
}

/** Upper half of signed times unsigned. */
export function mulHighSU(a: u64, b: u64): u64 {
  return mulHighUU(a, b) - (<u64>(<i64>a >> 63) & b);
}
