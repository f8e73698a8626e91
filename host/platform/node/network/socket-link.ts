import { connect, createServer, type Server, type Socket } from "node:net";
import type { SocketPlace } from "../../../control/network-options.js";
import { FrameReader, frameWithLength, packFrame, unpackFrame } from "../../../network/frame-stream.js";
import { type Frame, type Link, plainFrame } from "../../../network/link.js";
import { type FramePeer, PeerLink } from "../../../network/peer-link.js";
import { VivariumError } from "../../../util/errors.js";
import { removeDeadSocket } from "../dead-socket.js";

/** How long after a connection has gone, or could not be made, the next is tried. */
const RECONNECT_MS = 1000;
const KEEP_ALIVE_MS = 30_000;

/** How to connect. */
export interface SocketLinkOptions {
  /** Done before each connection after the first. */
  readonly prepare?: () => Promise<void>;
  readonly retryMs?: number;
  /** Whether the other end is one of ours, and takes frames with work left undone. */
  readonly isOurs?: boolean;
}

/** Frames over TCP or a Unix socket, as QEMU's `-netdev stream` speaks. */
export class SocketLink {
  readonly #link = new PeerLink();
  readonly #place: SocketPlace;
  readonly #prepare: () => Promise<void>;
  readonly #retryMs: number;
  readonly #isOurs: boolean;
  #server: Server | null = null;
  #socket: Socket | null = null;
  #reconnectTimer: NodeJS.Timeout | null = null;
  #isClosed = false;

  private constructor(place: SocketPlace, options: SocketLinkOptions = {}) {
    const { prepare = async () => {}, retryMs = RECONNECT_MS, isOurs = false } = options;
    this.#place = place;
    this.#isOurs = isOurs;
    this.#prepare = prepare;
    this.#retryMs = retryMs;
  }

  /**
   * Connects, and again whenever the connection is lost.
   *
   * @throws VivariumError `network/connect` when there is nobody the first time
   */
  static async connect(place: SocketPlace, options: SocketLinkOptions = {}): Promise<Link> {
    const link = new SocketLink(place, options);
    await new Promise<void>((resolve, reject) => {
      const failed = (error: NodeJS.ErrnoException) => {
        link.#isClosed = true;
        reject(unusable("connect to", place, error));
      };
      const socket = link.#dial(() => {
        socket.off("error", failed);
        resolve();
      });
      socket.once("error", failed);
    });
    return link.#asLink();
  }

  /**
   * Waits for somebody to connect; one at a time.
   *
   * @throws VivariumError `network/connect` when the place cannot be listened on
   */
  static async listen(place: SocketPlace): Promise<Link> {
    if (place.kind === "unix") await removeDeadSocket(place.path);
    const link = new SocketLink(place);
    const server = createServer((socket) => link.#welcome(socket));
    link.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) => reject(unusable("listen on", place, error)));
      server.listen(optionsOf(place), () => resolve());
    });
    server.on("error", () => {});
    return link.#asLink();
  }

  #asLink(): Link {
    const link = this.#link;
    return {
      connect: (station) => link.connect(station),
      send: (frame) => link.send(frame),
      resume: () => link.resume(),
      close: () => this.#close(),
    };
  }

  #dial(onConnect: () => void = () => {}): Socket {
    const socket = connect(optionsOf(this.#place));
    socket.once("connect", () => {
      onConnect();
      this.#adopt(socket);
    });
    // What failed the first time is told there; later it is tried again.
    socket.on("error", () => {});
    socket.once("close", () => this.#lost(socket));
    return socket;
  }

  /** A second one would be a second station on a cable with two ends. */
  #welcome(socket: Socket): void {
    socket.on("error", () => {});
    if (this.#socket !== null) {
      socket.destroy();
      return;
    }
    socket.once("close", () => this.#lost(socket));
    this.#adopt(socket);
  }

  #adopt(socket: Socket): void {
    if (this.#isClosed) {
      socket.destroy();
      return;
    }
    this.#socket = socket;
    socket.setNoDelay(true);
    // A far end that has vanished without a word would keep its place for ever.
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    readFrames(socket, this.#isOurs, (frame) => this.#link.receivedFrame(frame));
    socket.on("drain", () => this.#link.drained());
    this.#link.setPeer(socketPeer(socket, this.#isOurs));
  }

  #lost(socket: Socket): void {
    if (this.#socket === socket) {
      this.#socket = null;
      this.#link.setPeer(null);
    }
    if (this.#server !== null || this.#isClosed) return;
    this.#reconnectTimer = setTimeout(() => void this.#redial(), this.#retryMs);
    this.#reconnectTimer.unref();
  }

  async #redial(): Promise<void> {
    // What cannot be prepared now may be later: without it, nobody answers, and it is tried again.
    await this.#prepare().catch(() => {});
    if (!this.#isClosed) this.#dial();
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    if (this.#reconnectTimer !== null) clearTimeout(this.#reconnectTimer);
    this.#server?.close();
    await this.#link.close();
    this.#socket?.destroy();
  }
}

/** Hands on the frames that come; a stream that is not one of frames ends. @param isOurs as in `SocketLinkOptions` */
export function readFrames(socket: Socket, isOurs: boolean, receive: (frame: Frame) => void): void {
  const reader = new FrameReader();
  socket.on("data", (bytes: Buffer) => {
    const frames = reader.push(bytes)?.map((each) => (isOurs ? unpackFrame(each) : plainFrame(each)));
    for (const frame of frames ?? [null]) {
      if (frame === null) socket.destroy();
      else receive(frame);
    }
  });
}

/** The other end of a stream that carries frames. @param isOurs as in `SocketLinkOptions` */
export function socketPeer(socket: Socket, isOurs = false): FramePeer {
  const unfinished = (frame: Frame) => void socket.write(frameWithLength(packFrame(frame)));
  return {
    ...(isOurs ? { sendUnfinished: unfinished } : {}),
    get pendingByteLength() {
      return socket.writableLength;
    },
    send: (frame) => {
      socket.write(frameWithLength(frame));
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: () => socket.destroy(),
  };
}

function optionsOf(place: SocketPlace): { path: string } | { host: string; port: number } {
  return place.kind === "unix" ? { path: place.path } : { host: place.host, port: place.port };
}

function unusable(what: string, place: SocketPlace, error: NodeJS.ErrnoException): VivariumError {
  const name = place.kind === "unix" ? `unix:${place.path}` : `${place.host}:${place.port}`;
  return new VivariumError("network/connect", `--net: cannot ${what} ${name}: ${error.code ?? error.message}`, {
    name,
  });
}
