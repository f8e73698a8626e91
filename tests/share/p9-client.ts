/** A client of 9P2000.L for tests, written from the protocol's description and not from our server. */
import type { Session } from "../../host/share/session.js";

export type Field =
  | readonly ["u8" | "u16" | "u32", number]
  | readonly ["u64", bigint]
  | readonly ["string", string]
  | readonly ["bytes", Uint8Array];

export const T = {
  statfs: 8,
  lopen: 12,
  lcreate: 14,
  symlink: 16,
  mknod: 18,
  rename: 20,
  readlink: 22,
  getattr: 24,
  setattr: 26,
  xattrwalk: 30,
  readdir: 40,
  fsync: 50,
  lock: 52,
  getlock: 54,
  link: 70,
  mkdir: 72,
  renameat: 74,
  unlinkat: 76,
  version: 100,
  attach: 104,
  flush: 108,
  walk: 110,
  read: 116,
  write: 118,
  clunk: 120,
  remove: 122,
} as const;

export const RLERROR = 7;
export const NOTAG = 0xffff;

export const u8 = (value: number): Field => ["u8", value];
export const u16 = (value: number): Field => ["u16", value];
export const u32 = (value: number): Field => ["u32", value];
export const u64 = (value: bigint | number): Field => ["u64", BigInt(value)];
export const str = (value: string): Field => ["string", value];
export const raw = (value: Uint8Array): Field => ["bytes", value];

/** The bytes of a message. */
export function encode(type: number, tag: number, fields: readonly Field[]): Uint8Array {
  const body = Buffer.concat(fields.map(encodeField));
  const header = Buffer.alloc(7);
  header.writeUInt32LE(body.length + 7);
  header.writeUInt8(type, 4);
  header.writeUInt16LE(tag, 5);
  return Buffer.concat([header, body]);
}

function encodeField([kind, value]: Field): Buffer {
  const bytes = Buffer.alloc(8);
  switch (kind) {
    case "u8":
      return bytes.subarray(0, bytes.writeUInt8(value));
    case "u16":
      return bytes.subarray(0, bytes.writeUInt16LE(value));
    case "u32":
      return bytes.subarray(0, bytes.writeUInt32LE(value));
    case "u64":
      return bytes.subarray(0, bytes.writeBigUInt64LE(value));
    case "string":
      return Buffer.concat([encodeField(["u16", value.length]), Buffer.from(value, "latin1")]);
    case "bytes":
      return Buffer.from(value);
  }
}

export class P9Error extends Error {
  constructor(readonly errno: number) {
    super(`errno ${errno}`);
  }
}

export interface Entry {
  readonly qid: Qid;
  readonly offset: number;
  readonly type: number;
  readonly name: string;
}

export interface Qid {
  readonly type: number;
  readonly version: number;
  readonly path: bigint;
}

/** Reads a reply's fields one after the other. */
export class Reply {
  #position = 7;
  constructor(readonly bytes: Buffer) {}
  get type(): number {
    return this.bytes.readUInt8(4);
  }
  get tag(): number {
    return this.bytes.readUInt16LE(5);
  }
  u8(): number {
    return this.bytes.readUInt8(this.#skip(1));
  }
  u16(): number {
    return this.bytes.readUInt16LE(this.#skip(2));
  }
  u32(): number {
    return this.bytes.readUInt32LE(this.#skip(4));
  }
  u64(): bigint {
    return this.bytes.readBigUInt64LE(this.#skip(8));
  }
  string(): string {
    const length = this.u16();
    const start = this.#skip(length);
    return this.bytes.toString("latin1", start, start + length);
  }
  rest(): Buffer {
    return this.bytes.subarray(this.#position);
  }
  qid(): Qid {
    return { type: this.u8(), version: this.u32(), path: this.u64() };
  }
  get atEnd(): boolean {
    return this.#position === this.bytes.length;
  }
  #skip(length: number): number {
    this.#position += length;
    return this.#position - length;
  }
}

export class P9Client {
  readonly #session: Session;
  #tag = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Sends a request, and answers the reply. @throws P9Error */
  async call(type: number, fields: readonly Field[], tag = this.#nextTag()): Promise<Reply> {
    const bytes = Buffer.from(await this.#session.serve(encode(type, tag, fields), 1 << 19));
    const reply = new Reply(bytes);
    if (bytes.readUInt32LE() !== bytes.length) throw new Error("a reply whose size is wrong");
    if (reply.tag !== tag) throw new Error(`tag ${reply.tag} for ${tag}`);
    if (reply.type === RLERROR) throw new P9Error(reply.u32());
    if (reply.type !== type + 1) throw new Error(`reply ${reply.type} to ${type}`);
    return reply;
  }

  /** Agrees on the protocol, and makes fid 0 the root. */
  async begin(messageByteLength = 1 << 16): Promise<Qid> {
    await this.call(T.version, [u32(messageByteLength), str("9P2000.L")], NOTAG);
    return (await this.call(T.attach, [u32(0), u32(0xffff_ffff), str(""), str(""), u32(0)])).qid();
  }

  async walk(fid: number, newFid: number, ...names: readonly string[]): Promise<readonly Qid[]> {
    const reply = await this.call(T.walk, [u32(fid), u32(newFid), u16(names.length), ...names.map(str)]);
    return Array.from({ length: reply.u16() }, () => reply.qid());
  }

  async open(fid: number, flags = 0): Promise<Qid> {
    return (await this.call(T.lopen, [u32(fid), u32(flags)])).qid();
  }

  /** `fid`, a directory, becomes the open file. */
  async create(fid: number, name: string, flags = 2, mode = 0o644): Promise<Qid> {
    return (await this.call(T.lcreate, [u32(fid), str(name), u32(flags), u32(mode), u32(0)])).qid();
  }

  async read(fid: number, offset: number, count: number): Promise<string> {
    const reply = await this.call(T.read, [u32(fid), u64(offset), u32(count)]);
    const length = reply.u32();
    if (reply.rest().length !== length) throw new Error("a read whose count is wrong");
    return reply.rest().toString("latin1");
  }

  async write(fid: number, offset: number, text: string): Promise<number> {
    const bytes = Buffer.from(text, "latin1");
    return (await this.call(T.write, [u32(fid), u64(offset), u32(bytes.length), raw(bytes)])).u32();
  }

  async mkdir(fid: number, name: string, mode = 0o755): Promise<Qid> {
    return (await this.call(T.mkdir, [u32(fid), str(name), u32(mode), u32(0)])).qid();
  }

  async clunk(fid: number): Promise<void> {
    await this.call(T.clunk, [u32(fid)]);
  }

  /** One reading of a directory, from a position that an entry gave. */
  async readdir(fid: number, offset = 0, count = 60_000): Promise<readonly Entry[]> {
    const reply = await this.call(T.readdir, [u32(fid), u64(offset), u32(count)]);
    if (reply.u32() !== reply.rest().length) throw new Error("a directory whose count is wrong");
    const entries: Entry[] = [];
    while (!reply.atEnd) {
      entries.push({ qid: reply.qid(), offset: Number(reply.u64()), type: reply.u8(), name: reply.string() });
    }
    return entries;
  }

  async getattr(fid: number): Promise<{ readonly qid: Qid; readonly mode: number; readonly byteLength: bigint }> {
    const reply = await this.call(T.getattr, [u32(fid), u64(0x7ff)]);
    reply.u64();
    const qid = reply.qid();
    const mode = reply.u32();
    reply.u32();
    reply.u32();
    reply.u64();
    reply.u64();
    return { qid, mode, byteLength: reply.u64() };
  }

  #nextTag(): number {
    this.#tag = (this.#tag + 1) % 0xff00;
    return this.#tag;
  }
}

/** The error number with which a request is refused. */
export async function refused(call: Promise<unknown>): Promise<number | null> {
  try {
    await call;
    return null;
  } catch (error) {
    if (!(error instanceof P9Error)) throw error;
    return error.errno;
  }
}
