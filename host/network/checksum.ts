/** The Internet checksum: RFC 1071. */

/**
 * Adds the 16-bit big-endian words of [start, end) to a sum; an odd last byte is the high half of a word.
 *
 * @returns a sum that is not folded yet, exact up to 2^53
 */
export function addWords(sum: number, bytes: Uint8Array, start: number, end: number): number {
  let total = sum;
  const last = end - 1;
  let index = start;
  for (; index < last; index += 2) total += (bytes[index]! << 8) | bytes[index + 1]!;
  if (index === last) total += bytes[index]! << 8;
  return total;
}

/** Folds a sum to 16 bits, with the carries added back in. */
export function foldSum(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded % 0x1_0000) + Math.floor(folded / 0x1_0000);
  return folded;
}

/** The checksum of [start, end), in which the checksum field itself is zero. `sum` is that of a pseudo header. */
export function checksum(bytes: Uint8Array, start: number, end: number, sum = 0): number {
  return ~foldSum(addWords(sum, bytes, start, end)) & 0xffff;
}

/** The sum over a pseudo header (RFC 9293 section 3.1, RFC 8200 section 8.1). @param addresses source and destination */
export function pseudoHeaderSum(addresses: Uint8Array, protocol: number, byteLength: number): number {
  return (
    addWords(0, addresses, 0, addresses.length) + protocol + (byteLength & 0xffff) + Math.floor(byteLength / 0x1_0000)
  );
}
