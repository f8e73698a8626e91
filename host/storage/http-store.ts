/**
 * The bytes of a resource on a web server, read-only, by range requests: RFC 9110 section 14.
 *
 * The server may be slow, wrong, or have another resource under the same name tomorrow. Each answer must be the range
 * that was asked for, of the resource that was opened: its length, its entity tag and its date. What is slow or cut off
 * is asked for again; what has changed is an error from then on, for a disk that is half old and half new is none.
 */
import { VivariumError } from "../util/errors.js";
import type { ByteStore } from "./byte-store.js";

/** Gets resources. */
export interface HttpClient {
  /** @throws Error when there is no whole answer */
  get(request: HttpRequest): Promise<HttpResponse>;
  /** Resolves after so many milliseconds. */
  sleep(ms: number): Promise<void>;
}

export interface HttpRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** A longer body is an error, whatever its headers say. */
  readonly maxByteLength: number;
  /** So long without a byte is an error. */
  readonly stallMs: number;
}

export interface HttpResponse {
  readonly status: number;
  /** @returns null when the response does not have it */
  header(name: string): string | null;
  readonly body: Uint8Array;
}

const CHUNK_BYTE_LENGTH = 128 << 10;
/** Chunks in one request: what is read in order is asked for in ever longer pieces. */
const REQUEST_CHUNKS_MAX = 16;
/** Chunks that are kept: 64 MiB. */
const KEPT_CHUNKS = 512;
const STALL_MS = 15_000;
const ATTEMPTS = 4;
const RETRY_MS = 250;

const STATUS_OK = 200;
const STATUS_PARTIAL = 206;
const STATUS_PRECONDITION_FAILED = 412;
const STATUS_RANGE_NOT_SATISFIABLE = 416;
const STATUS_TOO_MANY_REQUESTS = 429;

/** What tells the resource from another of the same name. */
interface Identity {
  readonly byteLength: number;
  readonly entityTag: string | null;
  readonly lastModified: string | null;
}

/** It is another resource, or none that can be read in parts: asking again does not help. */
class WrongResource extends Error {}

export class HttpStore implements ByteStore {
  readonly readOnly = true;
  readonly #client: HttpClient;
  readonly #url: string;
  readonly #identity: Identity;
  /** By index; the one used last stands last. */
  readonly #chunks = new Map<number, Promise<Uint8Array>>();
  /** The chunk that follows those read last, and how many are read at a time from there on. */
  #nextChunk = 0;
  #readAhead = 1;
  #failure: Error | null = null;

  private constructor(client: HttpClient, url: string, identity: Identity) {
    this.#client = client;
    this.#url = url;
    this.#identity = identity;
  }

  /** @throws VivariumError `disk/file` when there is no resource that can be read in parts */
  static async open(client: HttpClient, url: string): Promise<HttpStore> {
    try {
      const identity = await retried(client, async () => {
        const response = await requestRange(client, url, { start: 0, end: 0, condition: null });
        return identityOf(response);
      });
      return new HttpStore(client, url, identity);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new VivariumError("disk/file", `${url} cannot be read: ${reason}`, { file: url });
    }
  }

  get byteLength(): number {
    return this.#identity.byteLength;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    if (!(offset >= 0) || offset + into.length > this.byteLength) throw new Error("a read beyond the end");
    if (into.length === 0) return;
    const first = Math.floor(offset / CHUNK_BYTE_LENGTH);
    const last = Math.floor((offset + into.length - 1) / CHUNK_BYTE_LENGTH);
    this.#request(first, last);
    for (let index = first; index <= last; index++) {
      if (this.#failure !== null) throw this.#failure;
      const chunk = await (this.#chunks.get(index) ?? this.#fetch(index, 1)[0]!);
      const start = index * CHUNK_BYTE_LENGTH;
      const part = chunk.subarray(Math.max(0, offset - start), offset + into.length - start);
      into.set(part, Math.max(0, start - offset));
    }
  }

  async write(_offset: number, _from: Uint8Array): Promise<void> {
    throw new Error("a web server's resource is not written");
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {
    this.#failure ??= new Error("the resource is closed");
    this.#chunks.clear();
  }

  /** Asks for what is not here of these chunks, and for those behind them when they follow what was read last. */
  #request(first: number, last: number): void {
    const follows = first === this.#nextChunk || first === this.#nextChunk - 1;
    if (last >= this.#nextChunk || !follows) {
      this.#readAhead = follows ? Math.min(2 * this.#readAhead, REQUEST_CHUNKS_MAX) : 1;
      this.#nextChunk = last + 1;
    }
    const ahead = follows && !this.#chunks.has(last + 1) ? this.#readAhead : 0;
    const end = Math.min(last + 1 + ahead, Math.ceil(this.byteLength / CHUNK_BYTE_LENGTH));
    for (let index = first; index < end; ) {
      let count = 0;
      while (index + count < end && count < REQUEST_CHUNKS_MAX && !this.#chunks.has(index + count)) count++;
      if (count > 0) this.#fetch(index, count);
      index += Math.max(1, count);
    }
    for (const oldest of this.#chunks.keys()) {
      if (this.#chunks.size <= KEPT_CHUNKS) break;
      this.#chunks.delete(oldest);
    }
  }

  #fetch(first: number, count: number): readonly Promise<Uint8Array>[] {
    const start = first * CHUNK_BYTE_LENGTH;
    const end = Math.min(this.byteLength, start + count * CHUNK_BYTE_LENGTH);
    const bytes = this.#fetchRange(start, end);
    const chunks = Array.from({ length: count }, async (_, index) => {
      const from = index * CHUNK_BYTE_LENGTH;
      return (await bytes).slice(from, from + CHUNK_BYTE_LENGTH);
    });
    for (const [index, chunk] of chunks.entries()) {
      this.#chunks.set(first + index, chunk);
      // What could not be had is asked for again by the next who reads it.
      chunk.catch(() => this.#chunks.delete(first + index));
    }
    return chunks;
  }

  #fetchRange(start: number, end: number): Promise<Uint8Array> {
    const { entityTag, lastModified } = this.#identity;
    // A weak tag does not say that bytes are the same, so servers do not take it here (RFC 9110 section 13.1.5).
    const condition = entityTag !== null && !entityTag.startsWith("W/") ? entityTag : lastModified;
    return retried(this.#client, async () => {
      if (this.#failure !== null) throw new WrongResource(this.#failure.message);
      try {
        const response = await requestRange(this.#client, this.#url, { start, end: end - 1, condition });
        checkIdentity(identityOf(response), this.#identity);
        return response.body;
      } catch (error) {
        if (error instanceof WrongResource) this.#failure ??= error;
        throw error;
      }
    });
  }
}

interface Range {
  readonly start: number;
  /** The last byte. */
  readonly end: number;
  /** What the resource must still be: an entity tag or a date. */
  readonly condition: string | null;
}

/** @returns a response that is what was asked for */
async function requestRange(client: HttpClient, url: string, range: Range): Promise<HttpResponse> {
  const { start, end, condition } = range;
  const byteLength = end - start + 1;
  const response = await client.get({
    url,
    headers: {
      range: `bytes=${start}-${end}`,
      "accept-encoding": "identity",
      ...(condition === null ? {} : { "if-range": condition }),
    },
    maxByteLength: byteLength,
    stallMs: STALL_MS,
  });
  checkStatus(response.status, condition !== null);
  const encoding = response.header("content-encoding") ?? "identity";
  if (encoding !== "identity") throw new WrongResource(`the server sends it in the encoding ${printable(encoding)}`);
  const { first, last } = contentRangeOf(response);
  if (first !== start || last !== end) throw new Error(`asked for bytes ${start} to ${end}, got ${first} to ${last}`);
  if (response.body.length !== byteLength) throw new Error(`${response.body.length} bytes came of ${byteLength}`);
  return response;
}

function checkStatus(status: number, isConditional: boolean): void {
  if (status === STATUS_PARTIAL) return;
  if (status >= 500 || status === STATUS_TOO_MANY_REQUESTS) throw new Error(`the server answers with status ${status}`);
  const isOther =
    status === STATUS_OK || status === STATUS_PRECONDITION_FAILED || status === STATUS_RANGE_NOT_SATISFIABLE;
  if (isConditional && isOther) throw new WrongResource("it has changed on the server");
  if (status === STATUS_OK) throw new WrongResource("the server does not serve parts of it");
  throw new WrongResource(`the server answers with status ${status}`);
}

function contentRangeOf(response: HttpResponse): {
  readonly first: number;
  readonly last: number;
  readonly total: number;
} {
  const value = response.header("content-range") ?? "";
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(value);
  if (match === null) throw new Error(`the server says Content-Range: ${printable(value)}`);
  return { first: Number(match[1]), last: Number(match[2]), total: Number(match[3]) };
}

function identityOf(response: HttpResponse): Identity {
  return {
    byteLength: contentRangeOf(response).total,
    entityTag: response.header("etag"),
    lastModified: response.header("last-modified"),
  };
}

function checkIdentity(now: Identity, then: Identity): void {
  const isSame =
    now.byteLength === then.byteLength && now.entityTag === then.entityTag && now.lastModified === then.lastModified;
  if (!isSame) throw new WrongResource("it has changed on the server");
}

async function retried<T>(client: HttpClient, attempt: () => Promise<T>): Promise<T> {
  for (let count = 1; ; count++) {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof WrongResource || count === ATTEMPTS) throw error;
      await client.sleep(RETRY_MS * 2 ** count);
    }
  }
}

function printable(text: string): string {
  return JSON.stringify(text.slice(0, 60).replaceAll(/[^ -~]/g, "?"));
}
