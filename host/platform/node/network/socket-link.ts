import { connect, createServer, type Server, type Socket } from "node:net";
import type { SocketPlace } from "../../../control/network-options.js";
import { FrameReader, frameWithLength } from "../../../network/frame-stream.js";
import type { Link } from "../../../network/link.js";
import { type FramePeer, PeerLink } from "../../../network/peer-link.js";
import { VivariumError } from "../../../util/errors.js";

/** How long after a connection has gone, or could not be made, the next is tried. */
const RECONNECT_MS = 1000;

/** How to connect. */
export interface SocketLinkOptions {
  /** Done before each connection after the first. */
  readonly prepare?: () => Promise<void>;
  readonly retryMs?: number;
}

/** Frames over TCP or a Unix socket, as QEMU's `-netdev stream` speaks. */
export class SocketLink {
  readonly #link = new PeerLink();
  readonly #place: SocketPlace;
  readonly #prepare: () => Promise<void>;
  readonly #retryMs: number;
  #server: Server | null = null;
  #socket: Socket | null = null;
  #reconnectTimer: NodeJS.Timeout | null = null;
  #isClosed = false;

  private constructor(
    place: SocketPlace,
    { prepare = async () => {}, retryMs = RECONNECT_MS }: SocketLinkOptions = {},
  ) {
    this.#place = place;
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
    const reader = new FrameReader();
    socket.on("data", (bytes: Buffer) => {
      const frames = reader.push(bytes);
      if (frames === null) socket.destroy();
      for (const frame of frames ?? []) this.#link.received(frame);
    });
    socket.on("drain", () => this.#link.drained());
    this.#link.setPeer(socketPeer(socket));
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

/** The other end of a stream that carries frames. */
export function socketPeer(socket: Socket): FramePeer {
  return {
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
