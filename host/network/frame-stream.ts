/** Frames over a stream of bytes, each with its length before it: u32, big-endian. What QEMU's `-netdev stream` speaks. */
import { type Frame, plainFrame, type Segmentation } from "./link.js";
import { joinBytes, read16, read32, write16, write32 } from "./octets.js";

const LENGTH_BYTE_LENGTH = 4;
/** What QEMU takes at most: 4096 + 65536. */
const FRAME_BYTE_LENGTH_MAX = 69_632;

export function frameWithLength(frame: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(LENGTH_BYTE_LENGTH + frame.length);
  write32(bytes, 0, frame.length);
  bytes.set(frame, LENGTH_BYTE_LENGTH);
  return bytes;
}

/**
 * A frame with its unfinished work before it, as machines of ours send it to each other:
 *
 *     kind u16: 0 plain, 1 a checksum to complete, 2 TCP over IPv4 to be cut as well, 3 TCP over IPv6
 *     start u16, offset u16 of the checksum | payload u16 of each frame that it is cut into | the frame
 */
export function packFrame({ bytes, checksum, segmentation }: Frame): Uint8Array {
  const packed = new Uint8Array(WORK_BYTE_LENGTH + bytes.length);
  write16(packed, 0, kindOf(checksum !== null, segmentation));
  write16(packed, 2, checksum?.start ?? 0);
  write16(packed, 4, checksum?.offset ?? 0);
  write16(packed, 6, segmentation?.payloadByteLength ?? 0);
  packed.set(bytes, WORK_BYTE_LENGTH);
  return packed;
}

/** @returns null when that is no such frame */
export function unpackFrame(packed: Uint8Array): Frame | null {
  if (packed.length < WORK_BYTE_LENGTH) return null;
  const [kind, start, offset, payloadByteLength] = [0, 2, 4, 6].map((at) => read16(packed, at)) as [
    number,
    number,
    number,
    number,
  ];
  const bytes = packed.subarray(WORK_BYTE_LENGTH);
  if (kind === KIND_PLAIN) return plainFrame(bytes);
  if (kind > KIND_TCP6 || start + offset + CHECKSUM_BYTE_LENGTH > bytes.length) return null;
  const checksum = { start, offset };
  if (kind === KIND_CHECKSUM) return { bytes, checksum, segmentation: null };
  if (payloadByteLength < PAYLOAD_BYTE_LENGTH_MIN) return null;
  return { bytes, checksum, segmentation: { kind: kind === KIND_TCP4 ? "tcp4" : "tcp6", payloadByteLength } };
}

const WORK_BYTE_LENGTH = 8;
const CHECKSUM_BYTE_LENGTH = 2;
/** A frame is not cut into crumbs: Linux sends 48 bytes at least, of which 40 may be options. */
const PAYLOAD_BYTE_LENGTH_MIN = 8;
const KIND_PLAIN = 0;
const KIND_CHECKSUM = 1;
const KIND_TCP4 = 2;
const KIND_TCP6 = 3;

function kindOf(hasChecksum: boolean, segmentation: Segmentation | null): number {
  if (segmentation !== null) return segmentation.kind === "tcp4" ? KIND_TCP4 : KIND_TCP6;
  return hasChecksum ? KIND_CHECKSUM : KIND_PLAIN;
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
