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
  #rest = new Uint8Array();

  /**
   * @param bytes what has come, whose frames are the receiver's
   * @returns the frames that are whole now, or null when the stream is not one of frames
   */
  push(bytes: Uint8Array): readonly Uint8Array[] | null {
    const input = this.#rest.length === 0 ? bytes : joinBytes(this.#rest, bytes);
    const frames: Uint8Array[] = [];
    let offset = 0;
    while (input.length - offset >= LENGTH_BYTE_LENGTH) {
      const byteLength = read32(input, offset);
      if (byteLength === 0 || byteLength > FRAME_BYTE_LENGTH_MAX) return null;
      const end = offset + LENGTH_BYTE_LENGTH + byteLength;
      if (end > input.length) break;
      frames.push(input.slice(offset + LENGTH_BYTE_LENGTH, end));
      offset = end;
    }
    this.#rest = input.slice(offset);
    return frames;
  }
}
