/** The kernel command line words by which the guest's init knows what to do: see `init-script.ts`. */

import { utf8 } from "../util/bytes.js";
import { VivariumError } from "../util/errors.js";
import { COMMAND_LINE_MAX_BYTES } from "./manifest.js";

/** What the guest is started for. */
export type GuestMode =
  /** What the agent is told to: the console stays silent. */
  | { readonly kind: "agent" }
  /** What the agent is told to beside a shell on the console, for as long as the machine is on. */
  | { readonly kind: "stay" }
  /** A login shell on the console, whose end is the machine's. Sizes in characters; `terminal` is what TERM becomes. */
  | {
      readonly kind: "interactive";
      readonly columns?: number | undefined;
      readonly rows?: number | undefined;
      readonly terminal?: string | undefined;
    };

const TERMINAL_NAME = /^[A-Za-z0-9][A-Za-z0-9.+_-]{0,31}$/;

/**
 * The image's own command line with the words for `mode`. Impossible sizes and terminal names are left out: the guest
 * then uses its defaults.
 *
 * @param init what runs in the guest as its first process: our script, or systemd
 * @throws VivariumError "image/command-line" when the result is longer than Linux takes
 */
export function commandLineFor(commandLine: string, mode: GuestMode, init: "busybox" | "systemd" = "busybox"): string {
  const words = init === "busybox" ? wordsFor(mode) : systemdWordsFor(mode);
  const result = [commandLine, ...words].filter((part) => part !== "").join(" ");
  const byteLength = utf8(result).length;
  if (byteLength > COMMAND_LINE_MAX_BYTES) {
    const message = `the kernel command line is ${byteLength} bytes long: Linux takes at most ${COMMAND_LINE_MAX_BYTES}`;
    throw new VivariumError("image/command-line", message, { byteLength });
  }
  return result;
}

/**
 * Words for a kernel: one line, which a NUL would end.
 *
 * @param option how the operator gave them, for the message
 * @throws VivariumError `option/invalid`
 */
export function checkWords(option: string, text: string): string {
  const found = /\p{Cc}/u.exec(text);
  if (found === null) return text;
  const message = `${option}: character ${found.index + 1} is a control character; expected words with spaces between them`;
  throw new VivariumError("option/invalid", message);
}

function wordsFor(mode: GuestMode): string[] {
  switch (mode.kind) {
    case "agent":
      return ["viv.agent"];
    case "stay":
      return ["viv.stay"];
    case "interactive": {
      const words: string[] = [];
      if (isSize(mode.columns) && isSize(mode.rows)) {
        words.push(`viv.columns=${mode.columns}`, `viv.rows=${mode.rows}`);
      }
      if (mode.terminal !== undefined && TERMINAL_NAME.test(mode.terminal)) words.push(`viv.term=${mode.terminal}`);
      return words;
    }
  }
}

/**
 * What systemd's getty sets the serial console to: systemd(1), "systemd.tty.term.TTY=". And what the service of
 * `debian-host-service.ts` knows.
 */
function systemdWordsFor(mode: GuestMode): string[] {
  if (mode.kind === "agent") return wordsFor(mode);
  if (mode.kind !== "interactive") return [];
  const words: string[] = [];
  if (isSize(mode.columns) && isSize(mode.rows)) {
    words.push(`systemd.tty.columns.ttyS0=${mode.columns}`, `systemd.tty.rows.ttyS0=${mode.rows}`);
  }
  if (mode.terminal !== undefined && TERMINAL_NAME.test(mode.terminal)) {
    words.push(`systemd.tty.term.ttyS0=${mode.terminal}`);
  }
  return words;
}

/** Whether a terminal can be that many characters wide or high: struct winsize has 16 bits for it. */
function isSize(value: number | undefined): value is number {
  return value !== undefined && Number.isInteger(value) && value > 0 && value <= 0xffff;
}
