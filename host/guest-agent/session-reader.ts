import { ByteAccumulator, dataView } from "../util/bytes.js";
import { type Frame, HEADER_BYTE_LENGTH, HELLO_BYTE_LENGTH, PAYLOAD_MAX, WELCOME } from "./protocol.js";

const WELCOME_BYTE_LENGTH = HEADER_BYTE_LENGTH + HELLO_BYTE_LENGTH;

/** Finds the beginning of a session in what the agent sends: everything before its WELCOME is of an earlier one. */
export class WelcomeReader {
  readonly #received = new ByteAccumulator(2 * PAYLOAD_MAX);
  readonly #hello: Uint8Array;

  /** @param hello what was sent with HELLO */
  constructor(hello: Uint8Array) {
    this.#hello = hello;
  }

  /** @returns the version the agent speaks and what it has sent since; null before its answer */
  push(bytes: Uint8Array): { readonly version: number; readonly rest: Uint8Array } | null {
    this.#received.push(bytes);
    const received = this.#received.bytes;
    for (let at = 0; at + WELCOME_BYTE_LENGTH <= received.length; at++) {
      if (!this.#isWelcome(received, at)) continue;
      const version = dataView(received).getUint32(at + 4, true);
      return { version, rest: received.slice(at + WELCOME_BYTE_LENGTH) };
    }
    this.#received.drop(Math.max(0, received.length - WELCOME_BYTE_LENGTH + 1));
    return null;
  }

  #isWelcome(bytes: Uint8Array, at: number): boolean {
    const view = dataView(bytes);
    if (view.getUint32(at, true) !== WELCOME || view.getUint32(at + 8, true) !== HELLO_BYTE_LENGTH) return false;
    return this.#hello.every((byte, index) => bytes[at + HEADER_BYTE_LENGTH + index] === byte);
  }
}

/** Puts frames together from the pieces in which the port delivers them. */
export class FrameReader {
  readonly #received = new ByteAccumulator(2 * PAYLOAD_MAX);

  push(bytes: Uint8Array): void {
    this.#received.push(bytes);
  }

  /** The next frame, whose payload is valid until the next `push`; null before it is complete; or what is wrong. */
  next(): Frame | { readonly problem: string } | null {
    const bytes = this.#received.bytes;
    if (bytes.length < HEADER_BYTE_LENGTH) return null;
    const view = dataView(bytes);
    const byteLength = view.getUint32(8, true);
    if (byteLength > PAYLOAD_MAX) return { problem: `a frame of ${byteLength} bytes` };
    const end = HEADER_BYTE_LENGTH + byteLength;
    if (bytes.length < end) return null;
    const frame = {
      type: view.getUint32(0, true),
      process: view.getUint32(4, true),
      payload: bytes.subarray(HEADER_BYTE_LENGTH, end),
    };
    this.#received.drop(end);
    return frame;
  }
}
