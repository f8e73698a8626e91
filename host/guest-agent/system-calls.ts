/**
 * System calls of the guest's Linux, made by a process of the agent's program for the host: `viv-agent system-calls`.
 *
 * It reads requests on standard input and answers each on standard output, one after the other:
 *
 *     request:  number u64 | 6 arguments u64 | flags u32 | input length u32 | output length u32 | output offset u32 | input
 *     reply:    result i64 | output                                                                  (little endian)
 *
 * The input is laid at the start of a scratch memory of SCRATCH_BYTE_LENGTH. Bit n of the flags makes argument n an
 * offset in there. The output is that part of the scratch memory after the call; with bit 6, no more of it than the
 * result.
 *
 * A process of its own may hang in a call, as in a file system whose server is gone, and be killed without harm.
 */
import { ByteAccumulator, dataView, utf8 } from "../util/bytes.js";
import { assert } from "../util/errors.js";
import { PAYLOAD_MAX } from "./protocol.js";

export const REQUEST_BYTE_LENGTH = 72;
export const SCRATCH_BYTE_LENGTH = 128 * 1024;
const RESULT_BYTE_LENGTH = 8;
const ARGUMENT_COUNT = 6;
const FLAG_OUTPUT_IS_RESULT = 1 << 6;
const ALIGNMENT = 8;

/** An argument: a number, or memory that the call reads or writes. */
export type Argument =
  | number
  | { readonly input: Uint8Array }
  /** A path or another text, with the NUL that ends it. */
  | { readonly text: string }
  /** At most one a call. `asResult`: as many bytes as the call returns. */
  | { readonly outputByteLength: number; readonly asResult: boolean };

export interface CallReply {
  /** What the call returned; an error is a negative errno. */
  readonly result: number;
  /** Of length 0 after an error when it was wanted `asResult`. */
  readonly output: Uint8Array;
}

/** @param paths must fit the scratch memory together with what else the call reads and writes */
export function encodeCall(number: number, args: readonly Argument[]): { request: Uint8Array; expects: Expectation } {
  assert(args.length <= ARGUMENT_COUNT, `system call ${number}: ${args.length} arguments`);
  let flags = 0;
  let scratchEnd = 0;
  let output = { byteLength: 0, offset: 0, asResult: false };
  const inputs: { readonly bytes: Uint8Array; readonly offset: number }[] = [];
  const place = (byteLength: number): number => {
    const offset = scratchEnd;
    scratchEnd += Math.ceil(byteLength / ALIGNMENT) * ALIGNMENT;
    assert(scratchEnd <= SCRATCH_BYTE_LENGTH, `system call ${number}: more than the scratch memory holds`);
    return offset;
  };
  const values = args.map((argument) => {
    if (typeof argument === "number" || "outputByteLength" in argument) return argument;
    const bytes = "text" in argument ? utf8(`${argument.text}\0`) : argument.input;
    const offset = place(bytes.length);
    inputs.push({ bytes, offset });
    return { offset };
  });
  const inputByteLength = scratchEnd;
  const request = new Uint8Array(REQUEST_BYTE_LENGTH + inputByteLength);
  const view = dataView(request);
  view.setBigUint64(0, BigInt(number), true);
  for (const [index, value] of values.entries()) {
    let word: number;
    if (typeof value === "number") {
      word = value;
    } else {
      flags |= 1 << index;
      if ("offset" in value) {
        word = value.offset;
      } else {
        word = place(value.outputByteLength);
        output = { byteLength: value.outputByteLength, offset: word, asResult: value.asResult };
      }
    }
    view.setBigInt64(8 + 8 * index, BigInt(word), true);
  }
  if (output.asResult) flags |= FLAG_OUTPUT_IS_RESULT;
  view.setUint32(56, flags, true);
  view.setUint32(60, inputByteLength, true);
  view.setUint32(64, output.byteLength, true);
  view.setUint32(68, output.offset, true);
  for (const { bytes, offset } of inputs) request.set(bytes, REQUEST_BYTE_LENGTH + offset);
  return { request, expects: { outputByteLength: output.byteLength, asResult: output.asResult } };
}

/** What a reply consists of. */
export interface Expectation {
  readonly outputByteLength: number;
  readonly asResult: boolean;
}

/** Puts replies together from the pieces in which standard output delivers them. */
export class ReplyReader {
  readonly #received = new ByteAccumulator(RESULT_BYTE_LENGTH + SCRATCH_BYTE_LENGTH + PAYLOAD_MAX);

  push(bytes: Uint8Array): void {
    this.#received.push(bytes);
  }

  get isEmpty(): boolean {
    return this.#received.bytes.length === 0;
  }

  /** The reply to the oldest request that has none yet; null when it is not complete. */
  next({ outputByteLength, asResult }: Expectation): CallReply | null {
    const bytes = this.#received.bytes;
    if (bytes.length < RESULT_BYTE_LENGTH) return null;
    const result = Number(dataView(bytes).getBigInt64(0, true));
    const wanted = asResult ? Math.min(Math.max(result, 0), outputByteLength) : outputByteLength;
    if (bytes.length < RESULT_BYTE_LENGTH + wanted) return null;
    const output = bytes.slice(RESULT_BYTE_LENGTH, RESULT_BYTE_LENGTH + wanted);
    this.#received.drop(RESULT_BYTE_LENGTH + wanted);
    return { result, output };
  }
}
