import type { Frame, Link, Station } from "../../../network/link.js";
import { PeerLink } from "../../../network/peer-link.js";

const RECONNECT_MS = 1000;
/** Browsers do not say when what is pending has gone. */
const POLL_MS = 5;

/** What of a browser's WebSocket is used. */
export type RelaySocket = Pick<
  WebSocket,
  "binaryType" | "bufferedAmount" | "close" | "onclose" | "onmessage" | "onopen" | "send"
>;

/**
 * The network of a relay, such as `viv relay`: a frame a message. While there is no connection the cable is out, and
 * another is tried again and again.
 */
export class RelayLink implements Link {
  readonly #link = new PeerLink();
  readonly #open: () => RelaySocket;
  #socket: RelaySocket | null = null;
  #isClosed = false;
  #pollTimer: ReturnType<typeof setTimeout> | null = null;

  /** @param open makes a WebSocket; that of the browser unless given */
  constructor(url: string, open: (url: string) => RelaySocket = (to) => new WebSocket(to)) {
    this.#open = () => open(url);
    this.#dial();
  }

  connect(station: Station): void {
    this.#link.connect(station);
  }

  send(frame: Frame): boolean {
    const isTaken = this.#link.send(frame);
    if (!isTaken) this.#pollTimer ??= setTimeout(() => this.#poll(), POLL_MS);
    return isTaken;
  }

  resume(): void {
    this.#link.resume();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#pollTimer !== null) clearTimeout(this.#pollTimer);
    await this.#link.close();
    this.#socket?.close();
  }

  #dial(): void {
    if (this.#isClosed) return;
    const socket = this.#open();
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#link.setPeer({
        get pendingByteLength() {
          return socket.bufferedAmount;
        },
        send: (frame) => socket.send(new Uint8Array(frame)),
        // A browser's WebSocket cannot be paused: what the machine has no room for waits in the link.
        pause: () => {},
        resume: () => {},
        close: () => socket.close(),
      });
    };
    socket.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) this.#link.received(new Uint8Array(data));
    };
    socket.onclose = () => {
      this.#link.setPeer(null);
      setTimeout(() => this.#dial(), RECONNECT_MS);
    };
  }

  #poll(): void {
    this.#pollTimer = null;
    this.#link.drained();
  }
}
