/** Decompression at once: the browser's own answers only later, and a guest waits for the chunk it touches. */
import { inflateRaw } from "../../util/inflate.js";

/**
 * Decompresses raw DEFLATE.
 *
 * @throws Error when `bytes` is not that, or does not become exactly `byteLength` bytes
 */
export function inflate(bytes: Uint8Array, byteLength: number): Uint8Array {
  const output = new Uint8Array(byteLength);
  const length = inflateRaw(bytes, output);
  if (length !== byteLength) throw new RangeError(`deflate: ${length} bytes in place of ${byteLength}`);
  return output;
}
