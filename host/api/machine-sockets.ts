import { unreachable, VivariumError } from "../util/errors.js";
import type { FromGuestSocket, ToGuestSocket } from "./socket-messages.js";
import { ByteSource, type Bytes, toBytes } from "./streams.js";

const PORT_MAX = 0xffff_ffff;

/** A connection between the program and a process of the guest, by a socket (vsock). */
export class GuestSocket {
  /** The guest's end. */
  readonly guestPort: number;
  /** What the guest sends. It waits while nobody reads, with some 64 KiB under way. */
  readonly readable: ReadableStream<Bytes>;
  /** Takes bytes, and text as UTF-8. Closing it gives the guest an end of file. */
  readonly writable: WritableStream<Uint8Array | string>;
  /** Resolves when the connection is over. */
  readonly closed: Promise<void>;
  readonly #reset: () => void;

  /** @internal */
  constructor(guestPort: number, ends: SocketEnds) {
    this.guestPort = guestPort;
    this.readable = ends.source.stream;
    this.writable = ends.writable;
    this.closed = ends.closed;
    this.#reset = () => ends.reset();
  }

  /** Ends the connection at once; the guest gets an error. */
  reset(): void {
    this.#reset();
  }
}

/** What a program offers at a port of the host: called with each connection of the guest's. */
export type SocketListener = (socket: GuestSocket) => void;

/** The program's end of a guest's sockets. */
export class MachineSockets {
  readonly #tell: (message: ToGuestSocket) => void;
  readonly #sockets = new Map<number, SocketEnds>();
  readonly #listeners = new Map<number, SocketListener>();
  #lastId = 0;

  constructor(tell: (message: ToGuestSocket) => void) {
    this.#tell = tell;
  }

  /** @param onGiveUp is given what ends the attempt */
  connect(port: number, onGiveUp: (giveUp: () => void) => void): Promise<GuestSocket> {
    checkPort(port);
    const ends = this.#ends(++this.#lastId);
    onGiveUp(() => ends.reset());
    return new Promise((resolve, reject) => {
      ends.onOpened = () => resolve(new GuestSocket(port, ends));
      const message = `nobody in the guest takes connections at vsock port ${port}`;
      ends.onRefused = () => reject(new VivariumError("socket/refused", message, { port }));
      this.#tell({ kind: "connect", id: ends.id, port });
    });
  }

  /**
   * Takes connections of the guest's.
   *
   * @param port of the host, as the guest knows it
   * @returns ends it; connections that there are stay
   * @throws VivariumError `vsock/port` for one that is listened on already, `option/invalid` for what is none
   */
  listen(port: number, listener: SocketListener): () => void {
    checkPort(port);
    if (this.#listeners.has(port)) {
      throw new VivariumError("vsock/port", `vsock port ${port} of the host is listened on already`, { port });
    }
    this.#listeners.set(port, listener);
    this.#tell({ kind: "listen", port, isOffered: true });
    return () => {
      if (this.#listeners.get(port) !== listener) return;
      this.#listeners.delete(port);
      this.#tell({ kind: "listen", port, isOffered: false });
    };
  }

  receive(message: FromGuestSocket): void {
    if (message.kind === "accepted") {
      const ends = this.#ends(message.id);
      ends.opened();
      const listener = this.#listeners.get(message.port);
      if (listener === undefined) ends.reset();
      else listener(new GuestSocket(message.guestPort, ends));
      return;
    }
    const ends = this.#sockets.get(message.id);
    switch (message.kind) {
      case "opened":
        ends?.opened();
        return;
      case "data":
        ends?.received(message.bytes);
        return;
      case "written":
        ends?.written(message.byteLength);
        return;
      case "ended":
        ends?.source.end();
        return;
      case "closed":
        ends?.over();
        return;
      default:
        unreachable(message);
    }
  }

  /** There is no machine any more. */
  closeAll(): void {
    for (const ends of [...this.#sockets.values()]) ends.over();
  }

  #ends(id: number): SocketEnds {
    const ends = new SocketEnds(id, this.#tell, () => this.#sockets.delete(id));
    this.#sockets.set(id, ends);
    return ends;
  }
}

/** One socket: its streams. */
class SocketEnds {
  readonly id: number;
  readonly source: ByteSource;
  readonly writable: WritableStream<Uint8Array | string>;
  readonly closed: Promise<void>;
  onOpened = (): void => {};
  onRefused = (): void => {};
  readonly #tell: (message: ToGuestSocket) => void;
  readonly #forget: () => void;
  #resolveClosed = (): void => {};
  #failWriter = (_error: Error): void => {};
  #unwritten = 0;
  #onWritten: (() => void)[] = [];
  #isOver = false;

  constructor(id: number, tell: (message: ToGuestSocket) => void, forget: () => void) {
    this.id = id;
    this.#tell = tell;
    this.#forget = forget;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.source = new ByteSource((byteLength) => tell({ kind: "taken", id, byteLength }));
    this.writable = new WritableStream<Uint8Array | string>({
      start: (controller) => {
        this.#failWriter = (error) => controller.error(error);
      },
      write: (chunk) => this.#write(toBytes(chunk)),
      close: () => tell({ kind: "end", id }),
      abort: () => this.reset(),
    });
  }

  opened(): void {
    this.onRefused = () => {};
    this.onOpened();
  }

  received(bytes: Uint8Array): void {
    this.source.push(bytes);
  }

  written(byteLength: number): void {
    this.#unwritten -= byteLength;
    if (this.#unwritten <= 0) for (const resolve of this.#onWritten.splice(0)) resolve();
  }

  /** It has come to its end by the guest or with it. */
  over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#forget();
    this.onRefused();
    this.source.end();
    this.#failWriter(new VivariumError("socket/closed", "the guest has closed this connection"));
    for (const resolve of this.#onWritten.splice(0)) resolve();
    this.#resolveClosed();
  }

  reset(): void {
    if (this.#isOver) return;
    this.#tell({ kind: "reset", id: this.id });
    this.over();
  }

  #write(bytes: Uint8Array): Promise<void> | undefined {
    if (bytes.length === 0 || this.#isOver) return undefined;
    this.#unwritten += bytes.length;
    const reached = new Promise<void>((resolve) => this.#onWritten.push(resolve));
    // The bytes stay the caller's.
    this.#tell({ kind: "write", id: this.id, bytes: Uint8Array.from(bytes) });
    return reached;
  }
}

function checkPort(port: number): void {
  if (Number.isInteger(port) && port >= 0 && port <= PORT_MAX) return;
  throw new VivariumError("option/invalid", `port: ${port}; expected 0 to ${PORT_MAX}`, { option: "port" });
}
