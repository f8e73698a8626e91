/** Longest stretch of one line that is looked at; a guest that never ends its line costs no more. */
const LINE_LIMIT = 512;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Linux: kernel/panic.c. The message follows. */
const PANIC_START = "Kernel panic - not syncing";
/** Linux prints this only when it will not reboot: from here on it does nothing more. */
const PANIC_END = "---[ end Kernel panic - not syncing";
/** printk's time stamp, and behind it the caller where the kernel is built to tell it. */
const STAMP = /^\[ *\d+\.\d+\](?:\[[^\]]*\])? /;
const STAMPED_PANIC = /\[ *\d+\.\d+\](?:\[[^\]]*\])? Kernel panic - not syncing/;
const STAMP_START = "[";
const ESCAPE = String.fromCharCode(0x1b);
/**
 * A shell's, boot loader's or login prompt that waits at the end of a short line of its own, colours and all. A UART
 * hands over byte by byte, so the beginnings of the kernel's lines, which have their time stamps, must not match.
 */
const PROMPT = new RegExp(`^(?!\\[ *\\d)\\S* ?\\S*(?:[#$%>]|login:) (?:${ESCAPE}\\[[0-9;?]*[a-zA-Z])*$`);

/** Reads along with the guest's console, to know when it is up and when its kernel has given up. */
export class ConsoleWatch {
  #line = "";
  #panic: string | null = null;
  /** Whether the kernel stamps its lines: what has no stamp is then a program's. */
  #isStamped = false;
  #hung = false;
  #prompted = false;

  /**
   * The kernel's panic message, without time stamp, if there was one. After it only the kernel speaks: where a program
   * goes on, it has only shown what an earlier kernel had written.
   */
  get panic(): string | null {
    return this.#panic;
  }

  /** Whether the panicked kernel has said that it stays where it is. */
  get hung(): boolean {
    return this.#hung;
  }

  /** Whether the guest has asked for input by what looks like a prompt. */
  get prompted(): boolean {
    return this.#prompted;
  }

  write(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (byte === LINE_FEED) {
        this.#endLine();
      } else if (byte !== CARRIAGE_RETURN && this.#line.length < LINE_LIMIT) {
        this.#line += String.fromCharCode(byte);
      }
    }
    if (this.#line !== "" && !this.#line.startsWith(STAMP_START)) this.#heardProgram();
    if (!this.#prompted && PROMPT.test(this.#line)) this.#prompted = true;
  }

  #endLine(): void {
    const line = this.#line;
    this.#line = "";
    if (this.#panic === null) {
      const start = line.indexOf(PANIC_START);
      if (start < 0 || line.includes(PANIC_END)) return;
      this.#panic = line.slice(start).trimEnd();
      this.#isStamped = STAMPED_PANIC.test(line);
    } else if (line !== "" && !STAMP.test(line)) {
      this.#heardProgram();
    }
    if (this.#panic !== null && line.includes(PANIC_END)) this.#hung = true;
  }

  #heardProgram(): void {
    if (!this.#isStamped) return;
    this.#panic = null;
    this.#hung = false;
    this.#isStamped = false;
  }
}
