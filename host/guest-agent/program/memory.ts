import { STRINGS_MAX } from "../protocol.js";
import { REQUEST_BYTE_LENGTH, SCRATCH_BYTE_LENGTH } from "../system-calls.js";

export const DATA = 0x400000;

/** One process. A slot without flags is free; one whose id is 0 is not the host's: what it writes is lost. */
export const SLOT = {
  SLOT_ID: 0,
  SLOT_PID: 4,
  /** stdin's write end, stdout's and stderr's read ends; -1 when closed. Of a terminal, its own end in place of the first two. */
  SLOT_FDS: 8,
  SLOT_FLAGS: 20,
  /** What of each stream may still be sent; that of stdin is unused. */
  SLOT_ROOM: 24,
  SLOT_STATUS: 36,
  /** Input that the pipe had no room for: where it is, where in there it begins, how long it is. */
  SLOT_BUFFER: 40,
  SLOT_BUFFER_START: 48,
  SLOT_BUFFER_LENGTH: 52,
  SLOT_BYTES: 64,
  /** Three descriptors each have to stay below the usual hard limit of 4096. */
  SLOT_COUNT: 1024,

  IN_USE: 1,
  HAS_EXITED: 2,
  /** Stdin is to be closed when the buffer is empty. */
  CLOSE_INPUT: 4,
  /** Shifted left by the stream, 1 or 2: the host has been told its end. */
  HAS_ENDED: 8,
  ALL_ENDED: 16 + 32,
  HAS_TERMINAL: 64,
};

/** Where things are in zeroed memory; what is not touched takes none. */
export const MEMORY = layout(DATA, {
  EVENTS: 64 * 16,
  /** For system calls: an epoll_event, a signal set, a pair of descriptors. */
  WORK: 64,
  SIGNALS: 128,
  ZEROS: 64,
  USUAL_LIMIT: 16,
  /** The two ends of stdin, stdout and stderr: that to read from, that to write to. */
  PIPES: 24,
  START_ERROR: 4,
  START_STAGE: 4,
  ARGUMENTS: 8,
  ENVIRONMENT: 8,
  STRINGS_LENGTH: 8,
  RECEIVED: 64 * 1024,
  TO_SEND: 32 * 1024,
  SLOTS: SLOT.SLOT_BYTES * SLOT.SLOT_COUNT,
  SLOTS_END: 0,
  STRING_BYTES: STRINGS_MAX,
  /** Pointers to the strings, with a null after arguments and environment. */
  POINTERS: 8 * (STRINGS_MAX + 8),
  REQUEST: REQUEST_BYTE_LENGTH,
  REPLY: 8,
  SCRATCH: SCRATCH_BYTE_LENGTH,
});

/** Places things one after the other: NAME is an address, NAME_BYTES a length. */
function layout(
  base: number,
  byteLengths: Readonly<Record<string, number>>,
): { readonly symbols: Readonly<Record<string, number>>; readonly byteLength: number } {
  const symbols: Record<string, number> = {};
  let address = base;
  for (const [name, byteLength] of Object.entries(byteLengths)) {
    symbols[name] = address;
    symbols[`${name}_BYTES`] = byteLength;
    address += Math.ceil(byteLength / 8) * 8;
  }
  return { symbols, byteLength: address - base };
}
