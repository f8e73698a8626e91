/**
 * How a program outside the guest runs one command inside it, over four virtio-console ports.
 *
 * | Port         | Direction | Content                                                                         |
 * |--------------|-----------|---------------------------------------------------------------------------------|
 * | viv.stdin    | to guest  | the command's standard input, any bytes; closing the port is its end            |
 * | viv.stdout   | to host   | the command's standard output, any bytes                                        |
 * | viv.stderr   | to host   | the command's standard error, any bytes                                         |
 * | viv.control  | both      | request and status, as below                                                    |
 *
 * The guest is booted with the word `viv.exec` on its command line. Then, in this order:
 *
 * 1. The host opens its side of the ports in the order of EXEC_PORTS. A guest that reads a port which the host has not
 *    opened sees its end at once; with viv.control last, a request means that the others are open.
 * 2. The host sends the request on viv.control: the command's length in bytes as a decimal number, a line feed, the
 *    command.
 * 3. The guest runs `sh -c COMMAND` in a session of its own. When that ends, processes it has left behind are killed,
 *    and what is still in the pipes goes to the host. The guest closes viv.stdout and viv.stderr.
 * 4. The guest answers on viv.control, `exit N` or `signal N` and a line feed.
 * 5. The host closes viv.control when it has taken everything from viv.stdout and viv.stderr. The guest unmounts and
 *    flushes its disks and powers off.
 *
 * A machine that stops without having answered has crashed, or the command has powered it off.
 *
 * An interactive guest reads viv.control too, if the port is there: lines `size COLUMNS ROWS`, as the terminal changes.
 */

import { utf8 } from "../util/bytes.js";
import { VivariumError } from "../util/errors.js";

/** What a manifest's `execProtocol` is for guests that do what stands above. */
export const EXEC_PROTOCOL_VERSION = 1;

export const PORT_STDIN = "viv.stdin";
export const PORT_STDOUT = "viv.stdout";
export const PORT_STDERR = "viv.stderr";
export const PORT_CONTROL = "viv.control";
/** In the order in which a machine must have them and open them. */
export const EXEC_PORTS = [PORT_STDIN, PORT_STDOUT, PORT_STDERR, PORT_CONTROL] as const;

/** Longest command in bytes: Linux limits one argument to 32 pages, its NUL included (MAX_ARG_STRLEN). */
export const COMMAND_MAX_BYTES = 32 * 4096 - 1;

/** How a command ended: by itself with a status from 0 to 255, or by a signal. */
export type ExecStatus =
  | { readonly kind: "exit"; readonly code: number }
  | { readonly kind: "signal"; readonly number: number };

/** @throws VivariumError "exec/command" when no process can be given `command` as an argument */
export function encodeExecRequest(command: string): Uint8Array {
  const bytes = utf8(command);
  if (bytes.includes(0)) throw new VivariumError("exec/command", "the command contains a NUL character");
  if (bytes.length > COMMAND_MAX_BYTES) {
    const message = `the command is ${bytes.length} bytes long: at most ${COMMAND_MAX_BYTES} fit, put it in a file`;
    throw new VivariumError("exec/command", message, { byteLength: bytes.length });
  }
  const length = utf8(`${bytes.length}\n`);
  const request = new Uint8Array(length.length + bytes.length);
  request.set(length);
  request.set(bytes, length.length);
  return request;
}

/** The line that tells an interactive guest how large its terminal has become. */
export function encodeTerminalSize(columns: number, rows: number): Uint8Array {
  return utf8(`size ${columns} ${rows}\n`);
}

/** What a program that stands in for the command ends with, as shells have it: 128 + N for signal N. */
export function exitCodeOf(status: ExecStatus): number {
  switch (status.kind) {
    case "exit":
      return status.code;
    case "signal":
      return 128 + status.number;
  }
}

const STATUS_LINE = /^(exit|signal) (\d{1,3})$/;
const STATUS_LINE_MAX_LENGTH = 16;
const LINE_FEED = 0x0a;

/** Puts the guest's answer together from the pieces in which viv.control delivers it. */
export class ExecStatusReader {
  #line = "";

  /** @returns the status once its line is complete, null before; a guest that says anything else has not answered */
  push(bytes: Uint8Array): ExecStatus | null {
    for (const byte of bytes) {
      if (byte !== LINE_FEED) {
        if (this.#line.length <= STATUS_LINE_MAX_LENGTH) this.#line += String.fromCharCode(byte);
        continue;
      }
      const status = parseStatus(this.#line);
      if (status !== null) return status;
      this.#line = "";
    }
    return null;
  }
}

function parseStatus(line: string): ExecStatus | null {
  const [, kind, digits] = STATUS_LINE.exec(line) ?? [];
  const number = Number(digits);
  if (kind === undefined || number > 255) return null;
  return kind === "exit" ? { kind, code: number } : { kind: "signal", number };
}
