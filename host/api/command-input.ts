/** What a command reads: all of it at once, or as it comes. */
import { badOption } from "./arguments.js";
import type { ExecOptions } from "./call-options.js";
import type { RunningProcess } from "./guest-process.js";
import { readAll, toBytes } from "./streams.js";

const INPUT_MAX_BYTE_LENGTH = 64 * 1024 * 1024;

/** An input that cannot go piece by piece. */
export async function whole(input: ExecOptions["input"]): Promise<Uint8Array> {
  if (input === undefined) return new Uint8Array();
  if (typeof input === "string" || input instanceof Uint8Array) return toBytes(input);
  return readAll(input, INPUT_MAX_BYTE_LENGTH);
}

/**
 * Gives a command its input, as far as it reads it.
 *
 * @throws what the stream fails with, and VivariumError `option/invalid` for what is no bytes in it
 */
export async function feed({ process }: RunningProcess, input: ExecOptions["input"]): Promise<void> {
  if (input === undefined || typeof input === "string" || input instanceof Uint8Array) {
    if (input !== undefined) process.write(toBytes(input)).catch(() => {});
    process.closeInput();
    return;
  }
  const reader = input.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    const bytes = toBytes(next.value);
    try {
      await process.write(bytes);
    } catch {
      // The command does not read it, or has ended: it is not wanted any more.
      await reader.cancel().catch(() => {});
      break;
    }
  }
  process.closeInput();
}

/** @throws VivariumError `option/invalid` */
export function checkInput(input: ExecOptions["input"]): void {
  if (input === undefined || typeof input === "string" || input instanceof Uint8Array) return;
  const isStream = typeof input === "object" && input !== null && typeof input.getReader === "function";
  if (!isStream || input.locked) throw badOption("input", input, "a text, a Uint8Array, or a stream that nobody reads");
}
