import { WebSocket } from "ws";
import type { Link } from "../../../network/link.js";
import { type FramePeer, PeerLink } from "../../../network/peer-link.js";
import { VivariumError } from "../../../util/errors.js";

const RECONNECT_MS = 1000;
const CONNECT_TIMEOUT_MS = 10_000;
/** The largest message: a frame, and some more for what relays may put around it. */
export const MESSAGE_BYTE_LENGTH_MAX = 1 << 17;

/** What of a WebSocket carries frames. Not the type of `ws`: programs that use this package do not have its types. */
export interface FrameSocket {
  readonly bufferedAmount: number;
  readonly readyState: number;
  send(frame: Uint8Array, sent: () => void): void;
  pause(): void;
  resume(): void;
  terminate(): void;
}

/** A frame a message over a WebSocket, as the relays speak that v86 users run. */
export class WebSocketLink {
  readonly #link = new PeerLink();
  readonly #url: string;
  #socket: WebSocket | null = null;
  #reconnectTimer: NodeJS.Timeout | null = null;
  #isClosed = false;

  private constructor(url: string) {
    this.#url = url;
  }

  /**
   * Connects, and again whenever the connection is lost.
   *
   * @throws VivariumError `network/connect` when there is no relay the first time
   */
  static async connect(url: string): Promise<Link> {
    const self = new WebSocketLink(url);
    await new Promise<void>((resolve, reject) => {
      const bad = (error: Error) => {
        self.#isClosed = true;
        reject(new VivariumError("network/connect", `--net: cannot connect to ${url}: ${reasonOf(error)}`, { url }));
      };
      try {
        self.#dial(resolve, bad);
      } catch (error) {
        bad(error as Error);
      }
    });
    const link = self.#link;
    return {
      connect: (station) => link.connect(station),
      send: (frame) => link.send(frame),
      resume: () => link.resume(),
      close: () => self.#close(),
    };
  }

  #dial(onOpen: () => void = () => {}, onError: (error: Error) => void = () => {}): void {
    const socket = new WebSocket(this.#url, {
      perMessageDeflate: false,
      maxPayload: MESSAGE_BYTE_LENGTH_MAX,
      handshakeTimeout: CONNECT_TIMEOUT_MS,
    });
    socket.on("open", () => {
      if (this.#isClosed) {
        socket.terminate();
        return;
      }
      this.#socket = socket;
      this.#link.setPeer(webSocketPeer(socket, () => this.#link.drained()));
      onOpen();
    });
    socket.on("message", (data, isBinary) => {
      if (isBinary) this.#link.received(messageBytes(data));
    });
    socket.on("error", onError);
    socket.on("close", () => this.#lost(socket));
  }

  #lost(socket: WebSocket): void {
    if (this.#socket === socket) {
      this.#socket = null;
      this.#link.setPeer(null);
    }
    if (this.#isClosed) return;
    this.#reconnectTimer = setTimeout(() => this.#dial(), RECONNECT_MS);
    this.#reconnectTimer.unref();
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    if (this.#reconnectTimer !== null) clearTimeout(this.#reconnectTimer);
    await this.#link.close();
    this.#socket?.terminate();
  }
}

/** @param drained called when nothing is pending any more */
export function webSocketPeer(socket: FrameSocket, drained: () => void): FramePeer {
  return {
    get pendingByteLength() {
      return socket.bufferedAmount;
    },
    send: (frame) => {
      if (socket.readyState !== WebSocket.OPEN) return;
      socket.send(frame, () => {
        if (socket.bufferedAmount === 0) drained();
      });
    },
    pause: () => socket.pause(),
    resume: () => {
      if (socket.readyState === WebSocket.OPEN) socket.resume();
    },
    close: () => socket.terminate(),
  };
}

/** A copy, for a message's bytes may be part of a larger buffer. */
export function messageBytes(data: Buffer | ArrayBuffer | Buffer[]): Uint8Array {
  if (Array.isArray(data)) return Uint8Array.from(Buffer.concat(data));
  return data instanceof ArrayBuffer ? new Uint8Array(data) : Uint8Array.from(data);
}

function reasonOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.message;
}
