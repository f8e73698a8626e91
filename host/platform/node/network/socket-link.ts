import { connect, createServer, type Server, type Socket } from "node:net";
import type { SocketPlace } from "../../../control/network-options.js";
import { FrameReader, frameWithLength } from "../../../network/frame-stream.js";
import type { Link } from "../../../network/link.js";
import { type FramePeer, PeerLink } from "../../../network/peer-link.js";
import { VivariumError } from "../../../util/errors.js";

/** How long after a connection has gone, or could not be made, the next is tried. */
const RECONNECT_MS = 1000;

/** Frames over TCP or a Unix socket, as QEMU's `-netdev stream` speaks. */
export class SocketLink {
  readonly #link = new PeerLink();
  readonly #place: SocketPlace;
  #server: Server | null = null;
  #socket: Socket | null = null;
  #reconnectTimer: NodeJS.Timeout | null = null;
  #isClosed = false;

  private constructor(place: SocketPlace) {
    this.#place = place;
  }

  /**
   * Connects, and again whenever the connection is lost.
   *
   * @throws VivariumError `network/connect` when there is nobody the first time
   */
  static async connect(place: SocketPlace): Promise<Link> {
    const link = new SocketLink(place);
    await new Promise<void>((resolve, reject) => {
      const socket = link.#dial(() => resolve());
      socket.once("error", (error: NodeJS.ErrnoException) => reject(unusable("connect to", place, error)));
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
    this.#reconnectTimer = setTimeout(() => this.#dial(), RECONNECT_MS);
    this.#reconnectTimer.unref();
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    if (this.#reconnectTimer !== null) clearTimeout(this.#reconnectTimer);
    this.#server?.close();
    await this.#link.close();
    this.#socket?.destroy();
  }
}

function socketPeer(socket: Socket): FramePeer {
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
