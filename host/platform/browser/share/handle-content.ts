import { EBUSY, EFBIG, FolderError } from "../../../share/errno.js";
import { Mutex } from "../../../util/mutex.js";
import { attempt } from "./handle-errno.js";

/** A file that is removed while it is open goes on in memory, up to this. */
const DETACHED_MAX = 64 * 1024 * 1024;
const BYTE_LENGTH_MAX = Number.MAX_SAFE_INTEGER;

export interface ContentFacts {
  readonly byteLength: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
}

/**
 * What is in a file, for all who have it open.
 *
 * A browser writes to a copy that takes the file's place in the end: `commit` is that end. What was written is gathered
 * in one copy until somebody reads, asks for stability or closes the file.
 */
export class FileContent {
  handle: FileSystemFileHandle;
  readonly #mutex = new Mutex();
  #writer: FileSystemWritableFileStream | null = null;
  /** While there is a writer. */
  #written: ContentFacts = { byteLength: 0, modifiedMs: 0 };
  /** The file as it was when somebody last read from it; null when it may be another. */
  #snapshot: File | null = null;
  /** Of a file that has no name any more. */
  #detached: Uint8Array<ArrayBuffer> | null = null;
  #openCount = 0;

  constructor(handle: FileSystemFileHandle) {
    this.handle = handle;
  }

  get isOpen(): boolean {
    return this.#openCount > 0;
  }

  open(): void {
    this.#openCount++;
  }

  /** What was written is in the file soon. */
  close(): void {
    this.#openCount--;
    this.commit().catch(() => {});
  }

  facts(): Promise<ContentFacts> {
    return this.#run(async () => {
      if (this.#detached !== null) return { byteLength: this.#detached.length, modifiedMs: Date.now() };
      if (this.#writer !== null) return this.#written;
      const { size, lastModified } = await this.handle.getFile();
      return { byteLength: size, modifiedMs: lastModified };
    });
  }

  /** @returns how many bytes there were */
  read(offset: number, into: Uint8Array): Promise<number> {
    return this.#run(async () => {
      if (this.#detached !== null) {
        const part = this.#detached.subarray(offset, offset + into.length);
        into.set(part);
        return part.length;
      }
      await this.#commit();
      this.#snapshot ??= await this.handle.getFile();
      const part = await this.#slice(offset, into.length);
      into.set(part);
      return part.length;
    });
  }

  /** @param offset null for the end */
  write(offset: number | null, from: Uint8Array): Promise<void> {
    // The guest's memory may be another when it comes to it.
    const data = Uint8Array.from(from);
    return this.#run(async () => {
      if (this.#detached !== null) {
        const position = offset ?? this.#detached.length;
        if (position + data.length > this.#detached.length) this.#resizeDetached(position + data.length);
        this.#detached.set(data, position);
        return;
      }
      const writer = await this.#open();
      const position = offset ?? this.#written.byteLength;
      const byteLength = Math.max(this.#written.byteLength, position + data.length);
      await this.#use(() => writer.write({ type: "write", position, data }), byteLength);
    });
  }

  resize(byteLength: number): Promise<void> {
    return this.#run(async () => {
      if (byteLength > BYTE_LENGTH_MAX) throw new FolderError(EFBIG);
      if (this.#detached !== null) {
        this.#resizeDetached(byteLength);
        return;
      }
      const writer = await this.#open();
      await this.#use(() => writer.truncate(byteLength), byteLength);
    });
  }

  /** What was written is in the file. */
  commit(): Promise<void> {
    return this.#run(() => this.#commit());
  }

  /** Lets `work` move or remove the file, with everything that was written in it. */
  whileCommitted<T>(work: () => Promise<T>): Promise<T> {
    return this.#run(async () => {
      await this.#commit();
      this.#snapshot = null;
      return work();
    });
  }

  /**
   * The file is about to lose its name: whoever has it open keeps its content.
   *
   * @throws FolderError EBUSY when that is too much to keep in memory
   */
  detach(): Promise<void> {
    return this.#run(async () => {
      if (this.#detached !== null || !this.isOpen) return;
      await this.#commit();
      const file = await this.handle.getFile();
      if (file.size > DETACHED_MAX) throw new FolderError(EBUSY);
      this.#detached = new Uint8Array(await file.arrayBuffer());
    });
  }

  #run<T>(work: () => Promise<T>): Promise<T> {
    return this.#mutex.run(() => attempt(work));
  }

  /** Something else may have changed the file since the snapshot: it is then taken anew, once. */
  async #slice(offset: number, byteLength: number): Promise<Uint8Array> {
    const read = async () => new Uint8Array(await this.#snapshot!.slice(offset, offset + byteLength).arrayBuffer());
    try {
      return await read();
    } catch {
      this.#snapshot = await this.handle.getFile();
      return read();
    }
  }

  async #open(): Promise<FileSystemWritableFileStream> {
    if (this.#writer !== null) return this.#writer;
    const { size, lastModified } = await this.handle.getFile();
    this.#writer = await this.handle.createWritable({ keepExistingData: true });
    this.#written = { byteLength: size, modifiedMs: lastModified };
    return this.#writer;
  }

  /** A stream that has failed is of no use any more. */
  async #use(operation: () => Promise<void>, byteLength: number): Promise<void> {
    try {
      await operation();
      this.#written = { byteLength, modifiedMs: Date.now() };
    } catch (error) {
      await this.#writer?.abort().catch(() => {});
      this.#writer = null;
      throw error;
    }
  }

  async #commit(): Promise<void> {
    const writer = this.#writer;
    if (writer === null) return;
    this.#writer = null;
    this.#snapshot = null;
    await writer.close();
  }

  #resizeDetached(byteLength: number): void {
    if (byteLength > DETACHED_MAX) throw new FolderError(EFBIG);
    const resized = new Uint8Array(byteLength);
    resized.set(this.#detached!.subarray(0, byteLength));
    this.#detached = resized;
  }
}
