import { closeSync, openSync, writeSync } from "node:fs";
import { type CaptureSink, pcapFileHeader } from "../../../network/pcap.js";
import { VivariumError } from "../../../util/errors.js";

const BUFFER_BYTE_LENGTH = 1 << 18;
/** Whoever follows the file sees frames after that time at the latest. */
const FLUSH_MS = 200;

/** The file of `--pcap`. When it cannot be written any more, the capture ends and the guest goes on. */
export class CaptureFile implements CaptureSink {
  readonly #path: string;
  readonly #buffer = Buffer.alloc(BUFFER_BYTE_LENGTH);
  readonly #onFailure: (message: string) => void;
  #used = 0;
  #descriptor: number | null;
  #timer: NodeJS.Timeout | null = null;

  /** @throws VivariumError `pcap/unusable` when the file cannot be written */
  constructor(path: string, onFailure: (message: string) => void) {
    this.#path = path;
    this.#onFailure = onFailure;
    try {
      this.#descriptor = openSync(path, "w");
    } catch (error) {
      throw new VivariumError("pcap/unusable", `--pcap: cannot write ${path}: ${reasonOf(error)}`, { file: path });
    }
    this.write(pcapFileHeader());
    this.#flush();
  }

  write(bytes: Uint8Array): void {
    if (this.#used + bytes.length > BUFFER_BYTE_LENGTH) this.#flush();
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
    this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS).unref();
  }

  close(): void {
    this.#flush();
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }

  #flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const bytes = this.#buffer.subarray(0, this.#used);
    this.#used = 0;
    try {
      for (let done = 0; done < bytes.length && this.#descriptor !== null; ) {
        done += writeSync(this.#descriptor, bytes, done);
      }
    } catch (error) {
      this.#descriptor = null;
      this.#onFailure(`--pcap: cannot write ${this.#path} any more: ${reasonOf(error)}`);
    }
  }
}

function reasonOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
