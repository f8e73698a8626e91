import type { OutsideStream, StreamEvents } from "../../../network/nat/outside.js";
import { joinBytes } from "../../../network/octets.js";
import { type HttpRequest, HttpRequestReader } from "./http-request.js";

/** A request longer than this, its body included, is not taken. */
const REQUEST_BYTE_LENGTH_MAX = 16 << 20;
/** All requests that have not been answered, together. */
const REQUESTS_BYTE_LENGTH_MAX = 64 << 20;
/** What `fetch` has done already, or what belongs to a connection that it made. */
const DROPPED_HEADERS = new Set([
  "connection",
  "content-encoding",
  "content-length",
  "keep-alive",
  "transfer-encoding",
]);
/** What a page may not set, or what `fetch` sets itself. */
const UNSENT_HEADERS = new Set([
  "accept-encoding",
  "connection",
  "content-length",
  "expect",
  "host",
  "transfer-encoding",
]);

/** Keeps within bounds what the requests of all connections hold. */
export class RequestMemory {
  #left = REQUESTS_BYTE_LENGTH_MAX;

  /** @returns whether there is room */
  take(byteLength: number): boolean {
    if (byteLength > this.#left) return false;
    this.#left -= byteLength;
    return true;
  }

  give(byteLength: number): void {
    this.#left += byteLength;
  }
}

/** One connection of a guest's that is spoken HTTP on: one request, and its response until the end. */
export class FetchStream implements OutsideStream {
  readonly #origin: string;
  readonly #fetch: typeof fetch;
  readonly #events: StreamEvents;
  readonly #abort = new AbortController();
  readonly #memory: RequestMemory;
  readonly #reader = new HttpRequestReader();
  /** Bytes of the request that are here. */
  #heldByteLength = 0;
  #isAsked = false;
  #isDead = false;
  #resumed: (() => void) | null = null;
  #isPaused = false;

  /** @param origin scheme and host to ask */
  constructor(origin: string, fetchWith: typeof fetch, memory: RequestMemory, events: StreamEvents) {
    this.#origin = origin;
    this.#fetch = fetchWith;
    this.#memory = memory;
    this.#events = events;
    queueMicrotask(() => {
      if (!this.#isDead) events.connected();
    });
  }

  /** `fetch` takes a request when it is whole: what waits for that must not close the guest's window. */
  get pendingByteLength(): number {
    return 0;
  }

  write(bytes: Uint8Array): void {
    if (this.#isDead || this.#isAsked) return;
    const isTooMuch = this.#heldByteLength + bytes.length > REQUEST_BYTE_LENGTH_MAX || !this.#memory.take(bytes.length);
    if (isTooMuch) {
      this.#fail();
      return;
    }
    this.#heldByteLength += bytes.length;
    const request = this.#reader.push(bytes);
    if (request === "bad") this.#fail();
    else if (request !== "more") void this.#ask(request);
  }

  /** The guest has said all; a request that is not whole by now never will be. */
  end(): void {
    if (!this.#isAsked && !this.#isDead) this.#fail();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#resumed?.();
    this.#resumed = null;
  }

  abort(): void {
    this.#isDead = true;
    this.#letGo();
    this.#abort.abort();
    this.resume();
  }

  async #ask({ method, path, headers, body }: HttpRequest): Promise<void> {
    this.#isAsked = true;
    try {
      const sent = headers.filter(([name]) => !UNSENT_HEADERS.has(name.toLowerCase()));
      const response = await this.#fetch(this.#origin + path, {
        method,
        headers: sent.map(([name, value]): [string, string] => [name, value]),
        body: body.length === 0 || method === "GET" || method === "HEAD" ? null : new Uint8Array(body),
        redirect: "manual",
        signal: this.#abort.signal,
      });
      await this.#answer(response);
    } catch (error) {
      this.#tell(502, "Bad Gateway", `${this.#origin} cannot be fetched: ${(error as Error).message}\n`);
    }
    this.#finish();
  }

  async #answer(response: Response): Promise<void> {
    if (response.type === "opaqueredirect") {
      this.#tell(502, "Bad Gateway", "the server redirects, and a page is not told where to\n");
      return;
    }
    const lines = [...response.headers]
      .filter(([name]) => !DROPPED_HEADERS.has(name))
      .map(([name, value]) => `${name}: ${value}\r\n`);
    this.#send(
      new TextEncoder().encode(
        `HTTP/1.1 ${response.status} ${response.statusText}\r\n${lines.join("")}Connection: close\r\n\r\n`,
      ),
    );
    const reader = response.body?.getReader();
    for (let part = await reader?.read(); part !== undefined && !part.done; part = await reader?.read()) {
      if (this.#isDead) return;
      this.#send(part.value);
      if (this.#isPaused) await this.#untilResumed();
    }
  }

  #untilResumed(): Promise<void> {
    return new Promise((resolve) => {
      this.#resumed = resolve;
    });
  }

  #tell(status: number, reason: string, text: string): void {
    const body = new TextEncoder().encode(text);
    const head = `HTTP/1.1 ${status} ${reason}\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
    this.#send(joinBytes(new TextEncoder().encode(head), body));
  }

  #send(bytes: Uint8Array): void {
    if (!this.#isDead) this.#events.received(bytes);
  }

  #finish(): void {
    this.#letGo();
    if (this.#isDead) return;
    this.#isDead = true;
    this.#events.ended();
    this.#events.closed();
  }

  #fail(): void {
    this.#isDead = true;
    this.#letGo();
    this.#events.failed("reset");
  }

  #letGo(): void {
    this.#memory.give(this.#heldByteLength);
    this.#heldByteLength = 0;
  }
}
