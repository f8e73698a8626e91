/** Bodies of HTTP/1.1 messages: RFC 9112 sections 6 and 7.1. */

export interface BodyReader {
  /** @returns the body when it is whole */
  push(bytes: Uint8Array): Uint8Array<ArrayBuffer> | "more" | "bad";
}

/** A body whose length is known. */
export class PlainBody implements BodyReader {
  readonly #gathered = new Gathered();
  #left: number;

  constructor(byteLength: number) {
    this.#left = byteLength;
  }

  push(bytes: Uint8Array): Uint8Array<ArrayBuffer> | "more" {
    const part = bytes.subarray(0, this.#left);
    this.#gathered.push(part);
    this.#left -= part.length;
    return this.#left > 0 ? "more" : this.#gathered.toBytes();
  }
}

/** A size, an extension and a line end; nobody writes longer ones. */
const LINE_LENGTH_MAX = 256;
const LINE_FEED = 10;

/** A body in chunks: a line with the size in hexadecimal before each, an empty one behind; a size of 0 is the last. */
export class ChunkedBody implements BodyReader {
  readonly #gathered = new Gathered();
  #line = "";
  #expects: "size" | "end of chunk" | "trailer" = "size";
  /** Of the chunk. */
  #left = 0;

  push(bytes: Uint8Array): Uint8Array<ArrayBuffer> | "more" | "bad" {
    for (let at = 0; at < bytes.length; ) {
      if (this.#left > 0) {
        const part = bytes.subarray(at, at + this.#left);
        this.#gathered.push(part);
        this.#left -= part.length;
        at += part.length;
        continue;
      }
      const byte = bytes[at++]!;
      if (byte !== LINE_FEED) this.#line += String.fromCharCode(byte);
      else if (this.#takeLine() === "bad") return "bad";
      else if (this.#isWhole) return this.#gathered.toBytes();
      if (this.#line.length > LINE_LENGTH_MAX) return "bad";
    }
    return "more";
  }
  #isWhole = false;

  #takeLine(): "good" | "bad" {
    const line = this.#line.replace(/\r$/, "");
    this.#line = "";
    switch (this.#expects) {
      case "size": {
        const size = /^([0-9a-f]{1,8})[ \t]*(;.*)?$/i.exec(line)?.[1];
        if (size === undefined) return "bad";
        this.#left = Number.parseInt(size, 16);
        this.#expects = this.#left === 0 ? "trailer" : "end of chunk";
        return "good";
      }
      case "end of chunk":
        this.#expects = "size";
        return line === "" ? "good" : "bad";
      case "trailer":
        this.#isWhole = line === "";
        return "good";
    }
  }
}

/** Bytes that come in pieces, however small. */
class Gathered {
  #bytes = new Uint8Array();
  #byteLength = 0;

  push(part: Uint8Array): void {
    const end = this.#byteLength + part.length;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, this.#byteLength));
      this.#bytes = larger;
    }
    this.#bytes.set(part, this.#byteLength);
    this.#byteLength = end;
  }

  toBytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#byteLength);
  }
}
