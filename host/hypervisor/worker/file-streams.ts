import { boardSchema } from "../../machine/board-state.js";
import { readStream, writeStream } from "../../snapshot/stream-format.js";
import { VivariumError } from "../../util/errors.js";
import { decode } from "../../util/schema.js";
import type { ImportedMachine } from "../messages.js";
import type { HostedFile, HostingPlatform } from "../platform.js";
import type { FileShelf } from "./file-shelf.js";
import { PieceQueue } from "./piece-queue.js";

/** "SQLite format 3", ended by a zero: what every machine file begins with. */
const SQLITE_MAGIC = Uint8Array.from("SQLite format 3\0", (character) => character.charCodeAt(0));

interface Import {
  readonly file: string;
  readonly pieces: PieceQueue;
  readonly done: Promise<HostedFile>;
}

/** Machine files on their way out of a worker and into it, piece by piece as the other end asks for them. */
export class FileStreams {
  readonly #platform: HostingPlatform;
  readonly #shelf: FileShelf;
  readonly #exports = new Map<number, AsyncGenerator<Uint8Array>>();
  readonly #imports = new Map<number, Import>();
  #last = 0;

  constructor(platform: HostingPlatform, shelf: FileShelf) {
    this.#platform = platform;
    this.#shelf = shelf;
  }

  async beginExport(file: string, passphrase: string | null): Promise<number> {
    const { file: opened } = await this.#shelf.open(file);
    const stream = ++this.#last;
    this.#exports.set(stream, writeStream(opened.records(), this.#platform.streamServices, passphrase));
    return stream;
  }

  async nextExport(stream: number): Promise<Uint8Array | null> {
    const pieces = this.#exports.get(stream);
    if (pieces === undefined) throw unknownStream();
    const next = await pieces.next();
    return next.done === true ? null : next.value;
  }

  async endExport(stream: number): Promise<void> {
    await this.#exports.get(stream)?.return(undefined);
    this.#exports.delete(stream);
  }

  beginImport(file: string, passphrase: string | null): number {
    const pieces = new PieceQueue();
    const done = this.#receive(file, pieces, passphrase);
    // Whoever gives the next piece hears of it.
    done.catch((error: unknown) => pieces.fail(error));
    this.#imports.set(++this.#last, { file, pieces, done });
    return this.#last;
  }

  /** @param bytes null after the last piece */
  async nextImport(stream: number, bytes: Uint8Array | null): Promise<ImportedMachine | null> {
    const { pieces, done, file } = this.#import(stream);
    if (bytes !== null) {
      await pieces.push(bytes);
      return null;
    }
    pieces.end();
    const opened = await done;
    this.#imports.delete(stream);
    this.#shelf.add(file, opened);
    return describe(opened);
  }

  /** Lets go of an import that is not finished; the file is gone then. */
  async endImport(stream: number): Promise<void> {
    const found = this.#imports.get(stream);
    if (found === undefined) return;
    this.#imports.delete(stream);
    found.pieces.fail(new VivariumError("import/ended", "the import was given up"));
    await found.done.then(
      (opened) => opened.close(),
      () => {},
    );
  }

  /** What comes is what `viv export` writes, or a machine's file as it is. */
  async #receive(file: string, pieces: PieceQueue, passphrase: string | null): Promise<HostedFile> {
    const { head, all } = await beginningOf(pieces, SQLITE_MAGIC.length);
    if (!SQLITE_MAGIC.every((byte, index) => head[index] === byte)) {
      return this.#platform.importFile(file, readStream(all, this.#platform.streamServices, passphrase));
    }
    const staged = `${file}.part`;
    await this.#platform.removeFile(staged);
    try {
      const opened = await this.#platform.stageFile(staged, all);
      try {
        // Not taken over as it is: only what is understood goes on, in a file that nobody else has written.
        return await this.#platform.importFile(file, oneByOne(opened.file.records()));
      } finally {
        await opened.close();
      }
    } catch (error) {
      if (!(error instanceof VivariumError)) throw error;
      throw new VivariumError(error.code, error.message.replaceAll(staged, "what was sent"), error.data);
    } finally {
      await this.#platform.removeFile(staged);
    }
  }

  #import(stream: number): Import {
    const found = this.#imports.get(stream);
    if (found === undefined) throw unknownStream();
    return found;
  }
}

/** The first bytes, at least `byteLength` if there are so many, and all of them from the start. */
async function beginningOf(
  pieces: AsyncIterable<Uint8Array>,
  byteLength: number,
): Promise<{ readonly head: Uint8Array; readonly all: AsyncIterable<Uint8Array> }> {
  const iterator = pieces[Symbol.asyncIterator]();
  let head = new Uint8Array();
  while (head.length < byteLength) {
    const next = await iterator.next();
    if (next.done === true) break;
    const longer = new Uint8Array(head.length + next.value.length);
    longer.set(head);
    longer.set(next.value, head.length);
    head = longer;
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    yield head;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
  }
  return { head, all: all() };
}

async function* oneByOne<T>(all: Iterable<T>): AsyncGenerator<T> {
  yield* all;
}

function describe(opened: HostedFile): ImportedMachine {
  const { file } = opened;
  const { memoryByteLength, hartCount, networks, shares } = decode(boardSchema, file.load(file.present!).board);
  return {
    byteLength: opened.file.byteLength,
    memoryByteLength,
    hartCount,
    networkCount: networks.length,
    shares,
    usage: file.usage,
  };
}

function unknownStream(): VivariumError {
  return new VivariumError("stream/ended", "this stream has ended");
}
