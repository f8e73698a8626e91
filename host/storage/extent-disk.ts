import { AccessRules } from "./access.js";
import type { BlockBackend } from "./block-backend.js";

/** Finds the bytes of a disk that is only read. */
export interface ExtentReader {
  readonly byteLength: number;
  /** Fills the start of `into` from `offset`, as far as that is in one piece. @returns how much, at least one byte */
  readSome(offset: number, into: Uint8Array): Promise<number>;
  close(): Promise<void>;
}

/** A read-only disk in pieces. */
export class ExtentDisk implements BlockBackend {
  readonly readOnly = true;
  readonly #reader: ExtentReader;
  readonly #access: AccessRules;

  constructor(reader: ExtentReader) {
    this.#reader = reader;
    this.#access = new AccessRules(this);
  }

  get byteLength(): number {
    return this.#reader.byteLength;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.#access.checkRead(offset, into.length);
    for (let done = 0; done < into.length; ) done += await this.#reader.readSome(offset + done, into.subarray(done));
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    this.#access.checkWrite(offset, from.length);
  }

  async writeZeroes(offset: number, byteLength: number, _unmap: boolean): Promise<void> {
    this.#access.checkWrite(offset, byteLength);
  }

  async discard(offset: number, byteLength: number): Promise<void> {
    this.#access.checkWrite(offset, byteLength);
  }

  async flush(): Promise<void> {
    this.#access.checkOpen();
  }

  async close(): Promise<void> {
    if (this.#access.close()) await this.#reader.close();
  }
}
