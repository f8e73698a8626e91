import { type Eventual, runTask } from "../util/task.js";
import { EIO, EMSGSIZE, EPROTO, FolderError } from "./errno.js";
import { FidTable } from "./fids.js";
import { FileTree } from "./file-tree.js";
import { LockTable } from "./locks.js";
import { NO_TAG, R_LERROR, readRequest, replyType, VERSION_9P2000_L, type RequestOf } from "./messages.js";
import { perform } from "./operations.js";
import type { SharedFolder } from "./shared-folder.js";
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

  constructor(folder: SharedFolder) {
    const locks = LOCK_TABLES.get(folder) ?? new LockTable();
    LOCK_TABLES.set(folder, locks);
    const tree = new FileTree(folder);
    this.#state = { folder, tree, fids: new FidTable(tree), locks, identity: this };
  }

  get messageByteLength(): number {
    return this.#messageByteLength;
  }

  set messageByteLength(byteLength: number) {
    this.#messageByteLength = byteLength;
  }

  get state(): SessionState {
    return this.#state;
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
      const done = runTask(perform(this.#state, message, writer));
      const reply = () => writer.message(replyType(type), tag);
      return done instanceof Promise ? done.then(reply, fail) : reply();
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
