import { closeSync, openSync, writeSync } from "node:fs";
import { formatCommit } from "../../control/commit-log.js";
import type { CommitRecord } from "../../core/commit-tracer.js";
import { VivariumError } from "../../util/errors.js";

/** Characters collected before they are written: one system call for some thousand instructions. */
const BUFFER_LENGTH = 256 * 1024;

/** The file of `--commit-log`. Written synchronously, so that it is complete up to the last instruction before a crash. */
export class CommitLogFile {
  readonly #file: string;
  readonly #descriptor: number;
  #buffer = "";

  /** @throws VivariumError `commit-log/unwritable` when the file cannot be written */
  constructor(file: string) {
    this.#file = file;
    try {
      this.#descriptor = openSync(file, "w");
    } catch (error) {
      throw this.#cannotWrite(error);
    }
  }

  /** @throws VivariumError `commit-log/unwritable` when the file can no longer be written */
  write(record: CommitRecord): void {
    this.#buffer += formatCommit(record);
    if (this.#buffer.length >= BUFFER_LENGTH) this.#flush();
  }

  close(): void {
    try {
      this.#flush();
    } finally {
      closeSync(this.#descriptor);
    }
  }

  #flush(): void {
    const text = this.#buffer;
    this.#buffer = "";
    try {
      let done = 0;
      const bytes = Buffer.from(text, "latin1");
      while (done < bytes.length) done += writeSync(this.#descriptor, bytes, done);
    } catch (error) {
      throw this.#cannotWrite(error);
    }
  }

  #cannotWrite(error: unknown): VivariumError {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    const reason = code === "EISDIR" ? "is a directory" : `cannot be written (${code})`;
    const message = `--commit-log: ${this.#file} ${reason}; expected a file in a writable directory`;
    return new VivariumError("commit-log/unwritable", message, { file: this.#file });
  }
}
