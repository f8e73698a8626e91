import { decompress } from "fzstd";
import { dataView } from "../../util/bytes.js";

const MAGIC = 0xfd2f_b528;

/**
 * Decompresses one zstd frame (RFC 8878); what follows it in `data` is left alone.
 *
 * @param into receives the result
 * @returns bytes written to `into`
 * @throws Error when the frame is broken or has more bytes than there is room
 */
export function decompressZstd(data: Uint8Array, into: Uint8Array): number {
  return decompress(data.subarray(0, frameByteLength(data)), into).length;
}

/** The length of the frame at the start of `data`, by the headers of its blocks. */
function frameByteLength(data: Uint8Array): number {
  const view = dataView(data);
  if (data.length < 6 || view.getUint32(0, true) !== MAGIC) throw new Error("zstd: no frame");
  const descriptor = data[4]!;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const contentSize = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  const dictionary = [0, 1, 2, 4][descriptor & 3]!;
  let at = 5 + (isSingleSegment ? 0 : 1) + dictionary + contentSize;
  for (let isLast = false; !isLast; ) {
    if (at + 3 > data.length) throw new Error("zstd: it ends early");
    const header = data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16);
    const type = (header >> 1) & 3;
    isLast = (header & 1) !== 0;
    // A block of type 1 is one byte, repeated.
    at += 3 + (type === 1 ? 1 : header >> 3);
  }
  at += (descriptor & 4) === 0 ? 0 : 4;
  if (at > data.length) throw new Error("zstd: it ends early");
  return at;
}
