import { boardSchema } from "../../machine/board-state.js";
import { readStream, writeStream } from "../../snapshot/stream-format.js";
import { VivariumError } from "../../util/errors.js";
import { decode } from "../../util/schema.js";
import type { ImportedMachine } from "../messages.js";
import type { HostedFile, HostingPlatform } from "../platform.js";
import type { FileShelf } from "./file-shelf.js";
import { PieceQueue } from "./piece-queue.js";

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
    const records = readStream(pieces, this.#platform.streamServices, passphrase);
    const done = this.#platform.importFile(file, records);
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

  #import(stream: number): Import {
    const found = this.#imports.get(stream);
    if (found === undefined) throw unknownStream();
    return found;
  }
}

function describe(opened: HostedFile): ImportedMachine {
  const { file } = opened;
  const { memoryByteLength, hartCount, networks, shares } = decode(boardSchema, file.load(file.present!).board);
  return {
    byteLength: opened.byteLength(),
    memoryByteLength,
    hartCount,
    networkCount: networks.length,
    shares,
  };
}

function unknownStream(): VivariumError {
  return new VivariumError("stream/ended", "this stream has ended");
}
