/**
 * What is said between the host and the agent in the guest, on one byte stream each way: the virtio-console port
 * `viv.agent`.
 *
 *     frame:  type u32 | process u32 | payload length u32 | payload                  (little endian, no padding)
 *
 * `process` is the host's number for a process, not 0; numbers are not used twice in a session. Host to agent:
 *
 * | type      | payload                                          | meaning                                            |
 * |-----------|--------------------------------------------------|----------------------------------------------------|
 * | HELLO     | 16 bytes nobody can guess                        | begins a session; what runs is no longer the host's |
 * | STRINGS   | texts, each with its NUL                         | more of what the next START needs                  |
 * | START     | path count u32, argument count u32, variable count u32, columns u32, rows u32 | starts a process: see below |
 * | INPUT     | bytes; none: end of file                         | for its standard input                             |
 * | ROOM      | stream u32 (1 stdout, 2 stderr), byte length u32 | that much more output may come                     |
 * | SIGNAL    | signal u32, whom u32 (0 the process, 1 its group) | sends a signal                                    |
 * | QUIT      |                                                  | the agent exits with status 0                      |
 * | RESIZE    | columns u32, rows u32                            | its terminal has this size now                     |
 *
 * Agent to host:
 *
 * | type      | payload                                          | meaning                                            |
 * |-----------|--------------------------------------------------|----------------------------------------------------|
 * | WELCOME   | those 16 bytes                                   | answers HELLO; `process` is the protocol's version |
 * | STARTED   | pid u32                                          | START has succeeded                                |
 * | FAILED    | errno u32, stage u32                             | START has not, and `process` is free               |
 * | STDOUT    | bytes; none: end of file                         | standard output                                    |
 * | STDERR    | bytes; none: end of file                         | standard error                                     |
 * | EXITED    | status u32, as wait(2) has it                    | the last frame of a process                        |
 * | TAKEN     | byte length u32                                  | so much of INPUT has gone to the process           |
 * | UNREAD    |                                                  | nobody reads standard input any more               |
 *
 * START takes from the STRINGS since the last one: the working directory, the paths to try in turn, the arguments with
 * the program's name, the environment. The process leads a session of its own; with columns that are not 0 it has a
 * terminal of that size, which controls the session: what it writes is STDOUT, and STDERR ends at once. Its terminal hangs
 * up when the process has ended or is no longer the host's, and INPUT without bytes does not end it: that is Ctrl-D.
 *
 * Flow control: the host sends at most WINDOW bytes of INPUT that are not TAKEN; the agent sends at most WINDOW bytes
 * of each output, and as many more as it was given ROOM for. So neither ever waits for a process that does not read,
 * or a reader that does not.
 *
 * When a process has ended, what is in its pipes then is sent, both outputs end, EXITED follows. Processes that it has
 * left behind go on; what they write is lost.
 *
 * A session begins with HELLO. What the agent still has to say of an earlier one ends where its WELCOME begins, which
 * the host finds by the 16 bytes: so a machine that goes on from a snapshot, whose agent was amid a frame, is
 * understood. The other way frames are whole, because the host hands them to the machine whole.
 */
import { dataView } from "../util/bytes.js";

/** The port's name, by which both sides find it. */
export const AGENT_PORT = "viv.agent";
/** Which version of all this an agent speaks; version 1 was another way to run commands. */
export const AGENT_PROTOCOL_VERSION = 3;
/** The same without terminals: what agents of older images and saved machines speak. START has three numbers. */
const AGENT_PROTOCOL_VERSION_MIN = 2;

/** Whether the host understands an agent of this version. */
export function isSpoken(version: number): boolean {
  return version >= AGENT_PROTOCOL_VERSION_MIN && version <= AGENT_PROTOCOL_VERSION;
}

export const HELLO = 1;
export const STRINGS = 2;
export const START = 3;
export const INPUT = 4;
export const ROOM = 5;
export const SIGNAL = 6;
export const QUIT = 7;
export const RESIZE = 8;

export const WELCOME = 16;
export const STARTED = 17;
export const FAILED = 18;
export const STDOUT = 19;
export const STDERR = 20;
export const EXITED = 21;
export const TAKEN = 22;
export const UNREAD = 23;

/** What START failed at. */
export const STAGE_RESOURCES = 0;
export const STAGE_DIRECTORY = 1;
export const STAGE_PROGRAM = 2;
export const STAGE_TERMINAL = 3;

export const HEADER_BYTE_LENGTH = 12;
/** Longest payload, either way: a frame then fits into one write to the port, which takes 32 KiB. */
export const PAYLOAD_MAX = 32 * 1024 - HEADER_BYTE_LENGTH;
export const WINDOW = 64 * 1024;
export const HELLO_BYTE_LENGTH = 16;
/** Most bytes of STRINGS for one START. */
export const STRINGS_MAX = 256 * 1024;

export interface Frame {
  readonly type: number;
  readonly process: number;
  readonly payload: Uint8Array;
}

/** The bytes of a frame. */
export function encodeFrame(type: number, process: number, payload: Uint8Array = new Uint8Array()): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTE_LENGTH + payload.length);
  const view = dataView(frame);
  view.setUint32(0, type, true);
  view.setUint32(4, process, true);
  view.setUint32(8, payload.length, true);
  frame.set(payload, HEADER_BYTE_LENGTH);
  return frame;
}

/** The payload of a frame that consists of 32-bit numbers. */
export function words(...values: readonly number[]): Uint8Array {
  const payload = new Uint8Array(4 * values.length);
  const view = dataView(payload);
  for (const [index, value] of values.entries()) view.setUint32(4 * index, value, true);
  return payload;
}
