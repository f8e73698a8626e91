/** Frames over a stream of bytes, each with its length before it: u32, big-endian. What QEMU's `-netdev stream` speaks. */
import { joinBytes, read32, write32 } from "./octets.js";

const LENGTH_BYTE_LENGTH = 4;
/** What QEMU takes at most: 4096 + 65536. */
const FRAME_BYTE_LENGTH_MAX = 69_632;

export function frameWithLength(frame: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(LENGTH_BYTE_LENGTH + frame.length);
  write32(bytes, 0, frame.length);
  bytes.set(frame, LENGTH_BYTE_LENGTH);
  return bytes;
}

/** Finds the frames in a stream. */
export class FrameReader {
  /** What has come and is not a whole frame yet. */
  #chunks: Uint8Array[] = [];
  #byteLength = 0;
  /** How many bytes it takes to go on. */
  #needed = LENGTH_BYTE_LENGTH;

  /**
   * @param bytes what has come
   * @returns copies of the frames that are whole now, or null when the stream is not one of frames
   */
  push(bytes: Uint8Array): readonly Uint8Array[] | null {
    this.#chunks.push(bytes);
    this.#byteLength += bytes.length;
    if (this.#byteLength < this.#needed) return [];
    const input = this.#chunks.length === 1 ? bytes : joinBytes(...this.#chunks);
    const frames: Uint8Array[] = [];
    let offset = 0;
    for (;;) {
      const left = input.length - offset;
      this.#needed = LENGTH_BYTE_LENGTH;
      if (left < LENGTH_BYTE_LENGTH) break;
      const byteLength = read32(input, offset);
      if (byteLength === 0 || byteLength > FRAME_BYTE_LENGTH_MAX) return null;
      this.#needed += byteLength;
      if (left < this.#needed) break;
      frames.push(new Uint8Array(input.subarray(offset + LENGTH_BYTE_LENGTH, offset + this.#needed)));
      offset += this.#needed;
    }
    this.#chunks = offset === input.length ? [] : [new Uint8Array(input.subarray(offset))];
    this.#byteLength = input.length - offset;
    return frames;
  }
}
