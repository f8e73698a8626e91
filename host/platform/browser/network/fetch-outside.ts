import { formatAddress } from "../../../network/address.js";
import type {
  Endpoint,
  NameAnswer,
  Outside,
  OutsideDatagrams,
  OutsideStream,
  StreamEvents,
} from "../../../network/nat/outside.js";
import { keyOf } from "../../../network/octets.js";
import { FetchStream, RequestMemory } from "./fetch-stream.js";

/** Names that guests have looked up; more than these addresses there are not. */
const NAMES_MAX = 65_536;

export interface FetchOutsideOptions {
  /** Fetches in place of the browser's own function. */
  readonly fetch?: typeof fetch;
  /** Whether requests for `http:` go out as `https:`: a page that is secure itself may make no others. */
  readonly secure?: boolean;
}

/**
 * What a web page can reach by itself: HTTP, by `fetch`, as far as the servers allow pages of other origins. A guest's
 * connection to any port is read as HTTP/1.1; whoever speaks anything else is reset. Every name has an address of its
 * own, out of 198.18.0.0/15 (RFC 2544), for `fetch` wants names.
 */
export class FetchOutside implements Outside {
  readonly #fetch: typeof fetch;
  readonly #secure: boolean;
  readonly #memory = new RequestMemory();
  readonly #addresses = new Map<string, Uint8Array>();
  readonly #names = new Map<string, string>();

  constructor({ fetch: fetchWith = (...request) => fetch(...request), secure = false }: FetchOutsideOptions = {}) {
    this.#fetch = fetchWith;
    this.#secure = secure;
  }

  nowMs(): number {
    return performance.now();
  }

  after(ms: number, callback: () => void): () => void {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  }

  connect(to: Endpoint, events: StreamEvents): OutsideStream {
    const text = formatAddress(to.address);
    const name = this.#names.get(keyOf(to.address)) ?? (to.address.length === 4 ? text : `[${text}]`);
    const scheme = this.#secure ? "https" : "http";
    const port = to.port === 80 ? "" : `:${to.port}`;
    return new FetchStream(`${scheme}://${name}${port}`, this.#fetch, this.#memory, events);
  }

  /** A page has no datagrams. */
  openDatagrams(): OutsideDatagrams {
    return { send: () => {}, close: () => {} };
  }

  async resolve(name: string): Promise<NameAnswer> {
    const known = this.#addresses.get(name);
    if (known !== undefined) return { kind: "addresses", addresses: [known] };
    const number = this.#addresses.size;
    if (number >= NAMES_MAX) return { kind: "failed" };
    const address = Uint8Array.of(198, 18 + (number >> 16), (number >> 8) & 0xff, number & 0xff);
    this.#addresses.set(name, address);
    this.#names.set(keyOf(address), name);
    return { kind: "addresses", addresses: [address] };
  }

  async query(): Promise<Uint8Array | null> {
    return null;
  }

  defer(callback: () => void): void {
    queueMicrotask(callback);
  }

  randomBytes(into: Uint8Array): void {
    const bytes = new Uint8Array(into.length);
    crypto.getRandomValues(bytes);
    into.set(bytes);
  }
}
