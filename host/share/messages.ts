/**
 * The requests of 9P2000.L, each once: its number and its fields in their order. A reply's number is the request's
 * plus one; an error is R_LERROR.
 *
 * Source: the protocol as Linux speaks it (include/net/9p/9p.h names the numbers), "9P2000.L protocol" of diod.
 */
import { EOPNOTSUPP, FolderError } from "./errno.js";
import { readHeader, WireReader } from "./wire.js";

export const VERSION_9P2000_L = "9P2000.L";
export const R_LERROR = 7;
/** The tag of T_VERSION, and the fid that stands for none. */
export const NO_TAG = 0xffff;
export const NO_FID = 0xffff_ffff;

/** Of a qid. */
export const QT_DIR = 0x80;
export const QT_SYMLINK = 0x02;
export const QT_FILE = 0x00;

/** Flags of lopen and lcreate: those of open(2), asm-generic. */
export const L_ACCESS_MASK = 0o3;
export const L_RDONLY = 0o0;
export const L_WRONLY = 0o1;
export const L_RDWR = 0o2;
export const L_EXCL = 0o200;
export const L_TRUNC = 0o1000;
export const L_APPEND = 0o2000;
export const L_DSYNC = 0o10000;
export const L_DIRECTORY = 0o200000;
export const L_SYNC = 0o4000000;
/** Flag of unlinkat. */
export const AT_REMOVEDIR = 0x200;

/** What getattr asks for and gives: everything up to the number of blocks. */
export const GETATTR_BASIC = 0x7ff;

/** What setattr sets. */
export const SETATTR_MODE = 1 << 0;
export const SETATTR_UID = 1 << 1;
export const SETATTR_GID = 1 << 2;
export const SETATTR_SIZE = 1 << 3;
export const SETATTR_ATIME = 1 << 4;
export const SETATTR_MTIME = 1 << 5;
/** With SETATTR_ATIME: to the time given rather than to now. */
export const SETATTR_ATIME_SET = 1 << 7;
export const SETATTR_MTIME_SET = 1 << 8;

export const LOCK_READ = 0;
export const LOCK_WRITE = 1;
export const LOCK_UNLOCK = 2;
/** Answers of lock. */
export const LOCK_SUCCESS = 0;
export const LOCK_BLOCKED = 1;
export const LOCK_ERROR = 2;

type Read<T> = (reader: WireReader) => T;

const u8: Read<number> = (reader) => reader.u8();
const u16: Read<number> = (reader) => reader.u16();
const u32: Read<number> = (reader) => reader.u32();
const u64: Read<bigint> = (reader) => reader.u64();
const u53: Read<number> = (reader) => reader.u53();
const string: Read<string> = (reader) => reader.string();
const names: Read<readonly string[]> = (reader) => Array.from({ length: reader.u16() }, () => reader.string());
const data: Read<Uint8Array> = (reader) => reader.bytes(reader.u32());

const REQUESTS = {
  statfs: { type: 8, fields: { fid: u32 } },
  lopen: { type: 12, fields: { fid: u32, flags: u32 } },
  lcreate: { type: 14, fields: { fid: u32, name: string, flags: u32, mode: u32, gid: u32 } },
  symlink: { type: 16, fields: { fid: u32, name: string, target: string, gid: u32 } },
  mknod: { type: 18, fields: { fid: u32, name: string, mode: u32, major: u32, minor: u32, gid: u32 } },
  rename: { type: 20, fields: { fid: u32, newDirectory: u32, name: string } },
  readlink: { type: 22, fields: { fid: u32 } },
  getattr: { type: 24, fields: { fid: u32, mask: u64 } },
  setattr: {
    type: 26,
    fields: {
      ...{ fid: u32, valid: u32, mode: u32, uid: u32, gid: u32, byteLength: u53 },
      ...{ accessedSeconds: u64, accessedNanoseconds: u64, modifiedSeconds: u64, modifiedNanoseconds: u64 },
    },
  },
  xattrwalk: { type: 30, fields: { fid: u32, newFid: u32, name: string } },
  xattrcreate: { type: 32, fields: { fid: u32, name: string, byteLength: u64, flags: u32 } },
  readdir: { type: 40, fields: { fid: u32, offset: u53, count: u32 } },
  fsync: { type: 50, fields: { fid: u32, dataOnly: u32 } },
  lock: {
    type: 52,
    fields: { fid: u32, lock: u8, flags: u32, start: u53, length: u53, process: u32, client: string },
  },
  getlock: { type: 54, fields: { fid: u32, lock: u8, start: u53, length: u53, process: u32, client: string } },
  link: { type: 70, fields: { directory: u32, fid: u32, name: string } },
  mkdir: { type: 72, fields: { fid: u32, name: string, mode: u32, gid: u32 } },
  renameat: { type: 74, fields: { directory: u32, name: string, newDirectory: u32, newName: string } },
  unlinkat: { type: 76, fields: { directory: u32, name: string, flags: u32 } },
  version: { type: 100, fields: { messageByteLength: u32, version: string } },
  auth: { type: 102, fields: { fid: u32, user: string, tree: string, uid: u32 } },
  attach: { type: 104, fields: { fid: u32, authFid: u32, user: string, tree: string, uid: u32 } },
  flush: { type: 108, fields: { oldTag: u16 } },
  walk: { type: 110, fields: { fid: u32, newFid: u32, names } },
  read: { type: 116, fields: { fid: u32, offset: u53, count: u32 } },
  write: { type: 118, fields: { fid: u32, offset: u53, data } },
  clunk: { type: 120, fields: { fid: u32 } },
  remove: { type: 122, fields: { fid: u32 } },
} as const;

type Requests = typeof REQUESTS;
export type RequestKind = keyof Requests;
type FieldsOf<F> = { readonly [K in keyof F]: F[K] extends Read<infer T> ? T : never };

/** The request of one kind. */
export type RequestOf<K extends RequestKind> = { readonly kind: K } & FieldsOf<Requests[K]["fields"]>;
export type Request = { [K in RequestKind]: RequestOf<K> }[RequestKind];

interface Layout {
  readonly kind: RequestKind;
  readonly fields: readonly (readonly [string, Read<unknown>])[];
}

const LAYOUTS = new Map<number, Layout>(
  Object.entries(REQUESTS).map(([kind, { type, fields }]) => [
    type,
    { kind: kind as RequestKind, fields: Object.entries(fields) },
  ]),
);

/**
 * Reads a request.
 *
 * @param message with its header, whose size and tag the caller has looked at
 * @throws FolderError EPROTO when it is shorter than its fields, EOPNOTSUPP when there is no such request
 */
export function readRequest(message: Uint8Array): Request {
  const layout = LAYOUTS.get(readHeader(message).type);
  if (layout === undefined) throw new FolderError(EOPNOTSUPP);
  const reader = new WireReader(message);
  const request: Record<string, unknown> = { kind: layout.kind };
  for (const [name, read] of layout.fields) request[name] = read(reader);
  return request as Request;
}

/** The number of a reply to a request of that number. */
export function replyType(requestType: number): number {
  return requestType + 1;
}
