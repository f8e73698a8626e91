/**
 * A machine as a stream of bytes: `docs/machine-file.md`, "The stream".
 *
 *     "VIVSTRM1" | kind u8: 0 plain, 1 encrypted | of an encrypted one: salt, 16 bytes, and iterations u32
 *     segment...: flags u8, bit 0 the last one | stored length u32 | stored bytes
 *
 * A plain segment is its payload and a SHA-256 over the check of the segment before (zeros before the first), the flags
 * and the payload; so what is missing, changed or out of order shows. An encrypted one is AES-256-GCM with the number
 * of the segment as nonce and the flags as additional data, under a key that PBKDF2 with SHA-256 makes of passphrase
 * and salt. Payloads, one after the other, are records: type u8 | length u32 | body. Integers are little-endian.
 */
import { concatBytes, dataView, littleEndian32, utf8 } from "../util/bytes.js";
import { VivariumError } from "../util/errors.js";
import { damagedStream } from "./damaged.js";
import type { FileServices } from "./database.js";

const MAGIC = utf8("VIVSTRM1");
const KIND_PLAIN = 0;
const KIND_ENCRYPTED = 1;
const LAST = 1;
const SALT_BYTE_LENGTH = 16;
/** OWASP's recommendation for PBKDF2 with SHA-256 (2023). */
const ITERATIONS = 600_000;
/** What a stream may ask for: more would let it keep us busy. */
const ITERATIONS_MAX = 10_000_000;
const SEGMENT_BYTE_LENGTH = 1 << 20;
/** Longest stored segment: records are not cut, so one may exceed a segment's length by a record's. */
const STORED_BYTE_LENGTH_MAX = 80 << 20;
const RECORD_BYTE_LENGTH_MAX = 64 << 20;
const CHECK_BYTE_LENGTH = 32;
const NONCE_BYTE_LENGTH = 12;
const RECORD_HEADER_BYTE_LENGTH = 5;
const SEGMENT_HEADER_BYTE_LENGTH = 5;

/** AES-256-GCM under a key made of a passphrase, as WebCrypto has it. */
export interface Cipher {
  seal(nonce: Uint8Array, additional: Uint8Array, plain: Uint8Array): Promise<Uint8Array>;
  /** @throws any error when it was sealed with another key, or is not what was sealed */
  open(nonce: Uint8Array, additional: Uint8Array, sealed: Uint8Array): Promise<Uint8Array>;
}

export interface StreamServices extends FileServices {
  cipher(passphrase: string, salt: Uint8Array, iterations: number): Promise<Cipher>;
}

export interface StreamRecord {
  readonly type: number;
  readonly body: Uint8Array;
}

/** The bytes of a stream of records. @param passphrase null for a plain one */
export async function* writeStream(
  records: Iterable<StreamRecord>,
  services: StreamServices,
  passphrase: string | null,
): AsyncGenerator<Uint8Array> {
  let seal: Sealer;
  if (passphrase === null) {
    yield concatBytes([MAGIC, Uint8Array.of(KIND_PLAIN)]);
    seal = checking(services);
  } else {
    const salt = new Uint8Array(SALT_BYTE_LENGTH);
    services.randomBytes(salt);
    yield concatBytes([MAGIC, Uint8Array.of(KIND_ENCRYPTED), salt, littleEndian32(ITERATIONS)]);
    const cipher = await services.cipher(passphrase, salt, ITERATIONS);
    seal = (number, flags, payload) => cipher.seal(nonceOf(number), Uint8Array.of(flags), payload);
  }
  let number = 0;
  for (const { payload, flags } of segments(records)) {
    const stored = await seal(number++, flags, payload);
    yield concatBytes([Uint8Array.of(flags), littleEndian32(stored.length), stored]);
  }
}

/**
 * The records of a stream.
 *
 * @param passphrase null when none was given
 * @throws VivariumError `stream/not-a-machine`, `stream/passphrase` when one is missing or wrong, `stream/damaged`
 */
export async function* readStream(
  source: AsyncIterable<Uint8Array>,
  services: StreamServices,
  passphrase: string | null,
): AsyncGenerator<StreamRecord> {
  const reader = new ByteReader(source);
  const open = await readHeader(reader, services, passphrase);
  for (let number = 0, isLast = false; !isLast; number++) {
    const header = await reader.take(SEGMENT_HEADER_BYTE_LENGTH);
    const flags = header[0]!;
    const length = dataView(header).getUint32(1, true);
    if (flags > LAST || length > STORED_BYTE_LENGTH_MAX) throw damagedStream(`segment ${number} cannot be one`);
    isLast = flags === LAST;
    yield* recordsOf(await open(number, flags, await reader.take(length)));
  }
  if (!(await reader.isAtEnd())) throw damagedStream("it goes on after its end");
}

type Sealer = (number: number, flags: number, payload: Uint8Array) => Promise<Uint8Array>;

function checking({ digest }: FileServices): Sealer {
  let check: Uint8Array = new Uint8Array(CHECK_BYTE_LENGTH);
  return async (_number, flags, payload) => {
    check = digest(concatBytes([check, Uint8Array.of(flags), payload]));
    return concatBytes([payload, check]);
  };
}

function verifying({ digest }: FileServices): Sealer {
  let check: Uint8Array = new Uint8Array(CHECK_BYTE_LENGTH);
  return async (number, flags, stored) => {
    const payload = stored.subarray(0, Math.max(0, stored.length - CHECK_BYTE_LENGTH));
    check = digest(concatBytes([check, Uint8Array.of(flags), payload]));
    const found = stored.subarray(payload.length);
    if (found.length !== check.length || found.some((byte, index) => byte !== check[index])) {
      throw damagedStream(`segment ${number} is not what was written`);
    }
    return payload;
  };
}

async function readHeader(reader: ByteReader, services: StreamServices, passphrase: string | null): Promise<Sealer> {
  const magic = await reader.takeUpTo(MAGIC.length);
  if (magic.length !== MAGIC.length || magic.some((byte, index) => byte !== MAGIC[index])) {
    throw new VivariumError("stream/not-a-machine", 'this is nothing that "viv export" wrote');
  }
  const kind = (await reader.take(1))[0];
  if (kind === KIND_PLAIN) {
    if (passphrase !== null) throw passphraseError("it is not encrypted, but there is a passphrase");
    return verifying(services);
  }
  if (kind !== KIND_ENCRYPTED) throw damagedStream("it is neither plain nor encrypted");
  const salt = await reader.take(SALT_BYTE_LENGTH);
  const iterations = dataView(await reader.take(4)).getUint32(0, true);
  if (iterations < 1 || iterations > ITERATIONS_MAX) throw damagedStream(`a key of ${iterations} iterations`);
  if (passphrase === null) throw passphraseError("it is encrypted: a passphrase is needed");
  const cipher = await services.cipher(passphrase, salt, iterations);
  return async (number, flags, sealed) => {
    try {
      return await cipher.open(nonceOf(number), Uint8Array.of(flags), sealed);
    } catch {
      if (number === 0) throw passphraseError("the passphrase is not the one it was encrypted with, or it is damaged");
      throw damagedStream(`segment ${number} is not what was written`);
    }
  };
}

/** Records put together to segments, the last of which is marked. */
function* segments(records: Iterable<StreamRecord>): Generator<{ payload: Uint8Array; flags: number }> {
  let parts: Uint8Array[] = [];
  let byteLength = 0;
  for (const { type, body } of records) {
    if (byteLength >= SEGMENT_BYTE_LENGTH) {
      yield { payload: concatBytes(parts), flags: 0 };
      parts = [];
      byteLength = 0;
    }
    parts.push(Uint8Array.of(type), littleEndian32(body.length), body);
    byteLength += RECORD_HEADER_BYTE_LENGTH + body.length;
  }
  yield { payload: concatBytes(parts), flags: LAST };
}

function* recordsOf(payload: Uint8Array): Generator<StreamRecord> {
  const view = dataView(payload);
  let at = 0;
  while (at < payload.length) {
    if (payload.length - at < RECORD_HEADER_BYTE_LENGTH) throw damagedStream("a record is cut short");
    const type = payload[at]!;
    const length = view.getUint32(at + 1, true);
    at += RECORD_HEADER_BYTE_LENGTH;
    if (length > RECORD_BYTE_LENGTH_MAX || length > payload.length - at) throw damagedStream("a record is cut short");
    yield { type, body: payload.subarray(at, at + length) };
    at += length;
  }
}

/** Takes bytes from pieces of any length, and holds no more than it was asked for and one piece. */
class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** @throws VivariumError `stream/damaged` when there are fewer */
  async take(byteLength: number): Promise<Uint8Array> {
    const bytes = await this.takeUpTo(byteLength);
    if (bytes.length < byteLength) throw damagedStream("it ends too early");
    return bytes;
  }

  async takeUpTo(byteLength: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for (let missing = byteLength; missing > 0; ) {
      if (this.#piece.length === 0 && !(await this.#next())) break;
      const part = this.#piece.subarray(0, missing);
      this.#piece = this.#piece.subarray(part.length);
      parts.push(part);
      missing -= part.length;
    }
    return concatBytes(parts);
  }

  async isAtEnd(): Promise<boolean> {
    while (this.#piece.length === 0) if (!(await this.#next())) return true;
    return false;
  }

  async #next(): Promise<boolean> {
    const { done, value } = await this.#source.next();
    if (done === true) return false;
    this.#piece = value;
    return true;
  }
}

/** 12 bytes, never the same twice under one key. */
function nonceOf(number: number): Uint8Array {
  const nonce = new Uint8Array(NONCE_BYTE_LENGTH);
  dataView(nonce).setUint32(NONCE_BYTE_LENGTH - 4, number, true);
  return nonce;
}

function passphraseError(problem: string): VivariumError {
  return new VivariumError("stream/passphrase", problem);
}
