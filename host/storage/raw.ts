import { isZero } from "../util/bytes.js";
import { VivariumError } from "../util/errors.js";
import { AccessRules } from "./access.js";
import { type BlockBackend, SECTOR_BYTE_LENGTH } from "./block-backend.js";
import type { ByteStore } from "./byte-store.js";

const ZEROES = new Uint8Array(256 * 1024);

/** A disk whose bytes are a store's bytes. */
export class RawDisk implements BlockBackend {
  readonly byteLength: number;
  readonly readOnly: boolean;
  readonly #store: ByteStore;
  readonly #access: AccessRules;

  /** @throws VivariumError `disk/format` when the store's length is no disk's */
  constructor(store: ByteStore, { readOnly = store.readOnly }: { readonly readOnly?: boolean } = {}) {
    const { byteLength } = store;
    if (byteLength === 0) {
      throw new VivariumError("disk/format", `is empty; expected a multiple of ${SECTOR_BYTE_LENGTH} bytes`);
    }
    if (byteLength % SECTOR_BYTE_LENGTH !== 0) {
      throw new VivariumError(
        "disk/format",
        `is ${byteLength} bytes long; expected a multiple of ${SECTOR_BYTE_LENGTH} bytes`,
      );
    }
    this.#store = store;
    this.byteLength = byteLength;
    this.readOnly = readOnly || store.readOnly;
    this.#access = new AccessRules(this);
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.#access.checkRead(offset, into.length);
    await this.#store.read(offset, into);
  }

  tryRead(offset: number, into: Uint8Array): boolean {
    this.#access.checkRead(offset, into.length);
    return this.#store.tryRead?.(offset, into) === true;
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    this.#access.checkWrite(offset, from.length);
    await this.#store.write(offset, from);
  }

  /**
   * Writes zeros. With `unmap` only where there are none yet: stores cannot give back a part of what they hold, but
   * what a sparse file has never held stays a hole.
   */
  async writeZeroes(offset: number, byteLength: number, unmap: boolean): Promise<void> {
    this.#access.checkWrite(offset, byteLength);
    const present = unmap ? new Uint8Array(Math.min(ZEROES.length, byteLength)) : null;
    for (let done = 0; done < byteLength; done += ZEROES.length) {
      const length = Math.min(ZEROES.length, byteLength - done);
      if (present !== null) {
        const part = present.subarray(0, length);
        await this.#store.read(offset + done, part);
        if (isZero(part)) continue;
      }
      await this.#store.write(offset + done, ZEROES.subarray(0, length));
    }
  }

  async discard(offset: number, byteLength: number): Promise<void> {
    this.#access.checkWrite(offset, byteLength);
  }

  async flush(): Promise<void> {
    this.#access.checkOpen();
    if (!this.readOnly) await this.#store.flush();
  }

  async close(): Promise<void> {
    if (this.#access.close()) await this.#store.close();
  }
}
