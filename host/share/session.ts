import { VivariumError } from "../util/errors.js";
import { type Eventual, runTask } from "../util/task.js";
import { EIO, EMSGSIZE, EPROTO, FolderError } from "./errno.js";
import { type Fid, FidTable } from "./fids.js";
import { FileNode, FileTree, pathTo } from "./file-tree.js";
import { LockTable } from "./locks.js";
import { NO_TAG, R_LERROR, type RequestOf, readRequest, replyType, VERSION_9P2000_L } from "./messages.js";
import { perform } from "./operations.js";
import type { SavedFid, SavedSession } from "./saved-session.js";
import { type FileAccess, isFileName, type SharedFolder } from "./shared-folder.js";
import { HEADER_BYTE_LENGTH, readHeader, WireWriter } from "./wire.js";

/** The longest message that a client may choose: Linux's virtio transport carries 500 KiB at most. */
export const MESSAGE_BYTE_LENGTH_MAX = 1 << 19;
/** The shortest that makes sense. */
const MESSAGE_BYTE_LENGTH_MIN = 4096;
/** Bytes of a reply that says only that something failed. */
export const ERROR_REPLY_BYTE_LENGTH = HEADER_BYTE_LENGTH + 4;

/** What a session works on. */
export interface SessionState {
  readonly folder: SharedFolder;
  readonly tree: FileTree;
  readonly fids: FidTable;
  readonly locks: LockTable;
  /** Tells this session's locks from those of others. */
  readonly identity: object;
}

/** The locks of a folder, whoever serves it. */
const LOCK_TABLES = new WeakMap<SharedFolder, LockTable>();

/** Serves a folder to one client by 9P2000.L. */
export class Session {
  readonly #state: SessionState;
  /** What the client and we agreed on; 0 before. */
  #messageByteLength = 0;
  /** Requests under way, by tag. */
  readonly #waiting = new Map<number, Promise<Uint8Array>>();

  constructor(folder: SharedFolder) {
    const locks = LOCK_TABLES.get(folder) ?? new LockTable();
    LOCK_TABLES.set(folder, locks);
    const tree = new FileTree(folder);
    this.#state = { folder, tree, fids: new FidTable(tree), locks, identity: this };
  }

  /**
   * Answers one request. Requests may be served at the same time; what depends on another's answer waits for that at
   * the client.
   *
   * @param request a whole message: anything of at least HEADER_BYTE_LENGTH
   * @param replyByteLengthMax what there is room for, at least ERROR_REPLY_BYTE_LENGTH
   * @returns the reply; never rejects
   */
  serve(request: Uint8Array, replyByteLengthMax: number): Eventual<Uint8Array> {
    const { byteLength, type, tag } = readHeader(request);
    const limit = Math.min(replyByteLengthMax, this.#messageByteLength || MESSAGE_BYTE_LENGTH_MIN);
    const fail = (error: unknown) => errorReply(tag, error instanceof FolderError ? error.errno : EIO);
    try {
      if (byteLength < HEADER_BYTE_LENGTH || byteLength > request.length) throw new FolderError(EPROTO);
      const message = readRequest(request.subarray(0, byteLength));
      const writer = new WireWriter(limit);
      if (message.kind === "version") {
        this.#agree(message, tag, writer);
        return writer.message(replyType(type), tag);
      }
      if (this.#messageByteLength === 0) throw new FolderError(EPROTO);
      // A flush is answered after what it flushes: then the client knows that no other answer comes.
      const done =
        message.kind === "flush" ? this.#waiting.get(message.oldTag) : runTask(perform(this.#state, message, writer));
      const reply = () => writer.message(replyType(type), tag);
      return done instanceof Promise ? this.#wait(tag, done.then(reply, fail)) : reply();
    } catch (error) {
      return fail(error);
    }
  }

  /** The client is gone, and all it had. */
  reset(): void {
    const { fids, tree, locks } = this.#state;
    fids.clear();
    tree.closeAll();
    locks.releaseSession(this);
    this.#messageByteLength = 0;
  }

  save(): SavedSession {
    const { fids, tree, locks } = this.#state;
    return {
      messageByteLength: this.#messageByteLength,
      fids: [...fids.entries].map(([number, fid]) => saveFid(number, fid, tree.root)),
      locks: [...locks.heldBy(this)].map(([file, { owner, start, end, exclusive }]) => {
        const { client, process } = owner;
        return { file, client, process, start, length: Number.isFinite(end) ? end - start : 0, exclusive };
      }),
    };
  }

  /**
   * Takes over a session that was saved. What it names is looked up when it is used.
   *
   * @throws VivariumError `bad-state` when there cannot be such a session
   */
  load(saved: SavedSession): void {
    this.reset();
    try {
      this.#load(saved);
    } catch (error) {
      if (!(error instanceof FolderError)) throw error;
      const message = `virtio-9p: expected a session that can be, got one with two fids or too many (${error.message})`;
      throw new VivariumError("bad-state", message, { path: "virtio-9p.session" });
    }
  }

  /**
   * Lets go of what is held open only to be fast.
   *
   * @returns false when the client has something open
   */
  settle(): boolean {
    for (const [, { opened }] of this.#state.fids.entries) if (opened !== null) return false;
    this.load(this.save());
    return true;
  }

  #load(saved: SavedSession): void {
    const { locks } = this.#state;
    this.#messageByteLength = Math.min(saved.messageByteLength, MESSAGE_BYTE_LENGTH_MAX);
    for (const fid of saved.fids) loadFid(this.#state, fid);
    for (const { file, client, process, start, length, exclusive } of saved.locks) {
      const end = length === 0 ? Number.POSITIVE_INFINITY : start + length;
      locks.acquire(file, { session: this, client, process }, { start, end, exclusive });
    }
  }

  #wait(tag: number, reply: Promise<Uint8Array>): Promise<Uint8Array> {
    const ended = reply.finally(() => {
      if (this.#waiting.get(tag) === ended) this.#waiting.delete(tag);
    });
    this.#waiting.set(tag, ended);
    return ended;
  }

  /** A client begins: what one before it had is gone. */
  #agree({ messageByteLength, version }: RequestOf<"version">, tag: number, writer: WireWriter): void {
    if (tag !== NO_TAG) throw new FolderError(EPROTO);
    if (messageByteLength < MESSAGE_BYTE_LENGTH_MIN) throw new FolderError(EMSGSIZE);
    this.reset();
    const agreed = Math.min(messageByteLength, MESSAGE_BYTE_LENGTH_MAX);
    const isOurs = version === VERSION_9P2000_L;
    if (isOurs) this.#messageByteLength = agreed;
    writer.u32(agreed);
    writer.string(isOurs ? VERSION_9P2000_L : "unknown");
  }
}

function errorReply(tag: number, errno: number): Uint8Array {
  const writer = new WireWriter(ERROR_REPLY_BYTE_LENGTH);
  writer.u32(errno);
  return writer.message(R_LERROR, tag);
}

function saveFid(number: number, fid: Fid, root: FileNode): SavedFid {
  const { opened } = fid;
  const access = opened?.kind === "file" ? opened.access : NO_ACCESS;
  return {
    fid: number,
    uid: fid.uid,
    path: pathTo(fid.node)
      .map((name) => `/${name}`)
      .join(""),
    isGone: !FidTable.isReachable(fid, root),
    opened: opened?.kind ?? "no",
    access: { read: access.read, write: access.write, append: access.append, sync: access.sync },
  };
}

function loadFid({ tree, fids }: SessionState, saved: SavedFid): void {
  const names = saved.path.split("/").filter(isFileName);
  let node = tree.root;
  for (const name of names) node = tree.child(node, name);
  if (saved.isGone) node = new FileNode(null, "");
  const fid = fids.add(saved.fid, node, saved.uid);
  if (saved.opened === "file") fids.openFile(fid, null, { ...saved.access, truncate: false });
  else if (saved.opened === "directory") fid.opened = { kind: "directory", names: null };
}

const NO_ACCESS: FileAccess = { read: false, write: false, append: false, truncate: false, sync: false };
