/** What the operator asked for with the escape key instead of typing it to the guest. */
export type EscapeCommand = "leave" | "snapshot" | "help";

/** What a stretch of typed bytes means. */
export interface TypedInput {
  /** Bytes for the guest, in order. */
  readonly forwarded: Uint8Array;
  /** Commands, in order. Nothing typed after `leave` is forwarded. */
  readonly commands: readonly EscapeCommand[];
}

const CTRL_A = 0x01;
const LOWER_X = 0x78;
const UPPER_X = 0x58;
const LOWER_S = 0x73;
const UPPER_S = 0x53;
const LOWER_H = 0x68;
const UPPER_H = 0x48;
const QUESTION_MARK = 0x3f;

export const ESCAPE_HELP = [
  "Ctrl-A H  this help",
  "Ctrl-A X  leave: the machine is saved if it has a file, else switched off at once",
  "Ctrl-A S  take a snapshot, if the machine has a file",
  "Ctrl-A Ctrl-A  send Ctrl-A to the guest",
] as const;

/**
 * Separates what is typed into bytes for the guest and commands, with the keys of QEMU's `-nographic`.
 *
 * The escape key and its command may arrive in different reads. An escape key before anything else is dropped
 * together with what follows it, as QEMU does.
 */
export class EscapeKeys {
  #escaped = false;

  take(typed: Uint8Array): TypedInput {
    const forwarded: number[] = [];
    const commands: EscapeCommand[] = [];
    for (const byte of typed) {
      if (!this.#escaped) {
        if (byte === CTRL_A) this.#escaped = true;
        else forwarded.push(byte);
        continue;
      }
      this.#escaped = false;
      switch (byte) {
        case CTRL_A:
          forwarded.push(CTRL_A);
          break;
        case LOWER_X:
        case UPPER_X:
          commands.push("leave");
          return { forwarded: Uint8Array.from(forwarded), commands };
        case LOWER_S:
        case UPPER_S:
          commands.push("snapshot");
          break;
        case LOWER_H:
        case UPPER_H:
        case QUESTION_MARK:
          commands.push("help");
          break;
      }
    }
    return { forwarded: Uint8Array.from(forwarded), commands };
  }
}
