/** Requests of HTTP/1.1 as guests write them: RFC 9112. */
import { joinBytes } from "../../../network/octets.js";
import { type BodyReader, ChunkedBody, PlainBody } from "./http-body.js";

export interface HttpRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
}

const HEADERS_BYTE_LENGTH_MAX = 65_536;
const METHOD = /^[A-Z]{1,16}$/;
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/;

/** Reads one request as it comes, however it is cut: what has come is not looked at again and again. */
export class HttpRequestReader {
  #start: Uint8Array = new Uint8Array();
  #head: Head | null = null;

  /** @returns the request; "more" while it is not whole; "bad" when it is none. What is behind it is not looked at. */
  push(bytes: Uint8Array): HttpRequest | "more" | "bad" {
    let rest = bytes;
    if (this.#head === null) {
      this.#start = joinBytes(this.#start, bytes);
      const head = readHead(this.#start);
      if (typeof head === "string") return head;
      this.#head = head;
      rest = this.#start.subarray(head.byteLength);
      this.#start = new Uint8Array();
    }
    const { method, path, headers, reader } = this.#head;
    const body = reader.push(rest);
    return typeof body === "string" ? body : { method, path, headers, body };
  }
}

interface Head extends Omit<HttpRequest, "body"> {
  readonly byteLength: number;
  readonly reader: BodyReader;
}

function readHead(input: Uint8Array): Head | "more" | "bad" {
  const headEnd = endOfHead(input);
  if (headEnd < 0) return input.length > HEADERS_BYTE_LENGTH_MAX || !looksLikeHttp(input) ? "bad" : "more";
  const [first = "", ...lines] = latin1(input.subarray(0, headEnd)).split("\r\n");
  const [method = "", target = "", version] = first.split(" ");
  if (!METHOD.test(method) || !/^HTTP\/1\.[01]$/.test(version ?? "")) return "bad";
  const headers = lines.map((line) => HEADER.exec(line)).map((match) => [match?.[1] ?? "", match?.[2] ?? ""] as const);
  if (headers.some(([name]) => name === "")) return "bad";
  const path = pathOf(target);
  const reader = bodyReader(headers);
  if (path === null || reader === null) return "bad";
  return { method, path, headers, byteLength: headEnd + 4, reader };
}

/** Where the line before the empty line ends, or -1. */
function endOfHead(input: Uint8Array): number {
  const limit = Math.min(input.length, HEADERS_BYTE_LENGTH_MAX);
  for (let at = 0; at + 3 < limit; at++) {
    if (input[at] === 13 && input[at + 1] === 10 && input[at + 2] === 13 && input[at + 3] === 10) return at;
  }
  return -1;
}

/** Whether what has come so far can become a request: a TLS handshake, say, never will. */
function looksLikeHttp(input: Uint8Array): boolean {
  const start = latin1(input.subarray(0, 17));
  return /^[A-Z]{0,16}( |$)/.test(start);
}

/** A proxy's form of the target has the host in it, which is known already. */
function pathOf(target: string): string | null {
  if (target.startsWith("/")) return target;
  return /^https?:\/\/[^/]*(\/.*)$/i.exec(target)?.[1] ?? null;
}

/** @returns null for a length that is none */
function bodyReader(headers: HttpRequest["headers"]): BodyReader | null {
  const value = (name: string) => headers.find(([each]) => each.toLowerCase() === name)?.[1];
  const encoding = value("transfer-encoding");
  if (encoding !== undefined) return encoding.toLowerCase() === "chunked" ? new ChunkedBody() : null;
  const length = value("content-length") ?? "0";
  return /^\d{1,15}$/.test(length) ? new PlainBody(Number(length)) : null;
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
