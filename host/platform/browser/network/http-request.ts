/** Requests of HTTP/1.1 as guests write them: RFC 9112. */

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

/** @returns the request at the start of `input`; "more" while it is not whole; "bad" when it is none */
export function readHttpRequest(input: Uint8Array): HttpRequest | "more" | "bad" {
  const headEnd = endOfHead(input);
  if (headEnd < 0) return input.length > HEADERS_BYTE_LENGTH_MAX || !looksLikeHttp(input) ? "bad" : "more";
  const [first = "", ...lines] = latin1(input.subarray(0, headEnd)).split("\r\n");
  const [method = "", target = "", version] = first.split(" ");
  if (!METHOD.test(method) || !/^HTTP\/1\.[01]$/.test(version ?? "")) return "bad";
  const headers = lines.map((line) => HEADER.exec(line)).map((match) => [match?.[1] ?? "", match?.[2] ?? ""] as const);
  if (headers.some(([name]) => name === "")) return "bad";
  const path = pathOf(target);
  if (path === null) return "bad";
  const rest = input.subarray(headEnd + 4);
  const body = readBody(headers, rest);
  return typeof body === "string" ? body : { method, path, headers, body };
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

function readBody(headers: HttpRequest["headers"], rest: Uint8Array): Uint8Array | "more" | "bad" {
  const value = (name: string) => headers.find(([each]) => each.toLowerCase() === name)?.[1];
  if (value("transfer-encoding") !== undefined) {
    return value("transfer-encoding")?.toLowerCase() === "chunked" ? readChunks(rest) : "bad";
  }
  const length = value("content-length") ?? "0";
  if (!/^\d{1,15}$/.test(length)) return "bad";
  return rest.length < Number(length) ? "more" : rest.slice(0, Number(length));
}

function readChunks(rest: Uint8Array): Uint8Array | "more" | "bad" {
  const parts: number[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = rest.indexOf(13, at);
    if (lineEnd < 0) return rest.length - at > 64 ? "bad" : "more";
    const size = /^([0-9a-f]{1,8})(;.*)?$/i.exec(latin1(rest.subarray(at, lineEnd)))?.[1];
    if (size === undefined) return "bad";
    const start = lineEnd + 2;
    const end = start + Number.parseInt(size, 16);
    if (rest.length < end + 2) return "more";
    if (end === start) return Uint8Array.from(parts);
    for (let index = start; index < end; index++) parts.push(rest[index]!);
    at = end + 2;
  }
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
