import type { VirtioVsock } from "../devices/virtio/vsock.js";
import type { VsockEvents, VsockStream } from "../devices/virtio/vsock-connection.js";
import { concatBytes } from "../util/bytes.js";
import { unreachable } from "../util/errors.js";
import type { FromGuestSocket, ToGuestSocket } from "./socket-messages.js";

/** Bytes that may be on their way to a reader before the guest's process waits. */
const UNTAKEN_MAX = 64 * 1024;

/** The worker's end of a guest's sockets. */
export class SocketRelay {
  readonly #post: (message: FromGuestSocket) => void;
  readonly #relays = new Map<number, StreamRelay>();
  /** Ports of the host that are offered, with what takes each back from the present device. */
  readonly #offered = new Map<number, () => void>();
  #device: VirtioVsock | null = null;
  #lastAcceptedId = 0;

  constructor(post: (message: FromGuestSocket) => void) {
    this.#post = post;
  }

  /** From now on the sockets are those of this device's guest; null when there is none. */
  attach(device: VirtioVsock | null): void {
    for (const relay of [...this.#relays.values()]) relay.closed();
    this.#device = device;
    for (const port of this.#offered.keys()) this.#offer(port);
  }

  receive(message: ToGuestSocket): void {
    switch (message.kind) {
      case "connect":
        this.#connect(message.id, message.port);
        return;
      case "listen":
        this.#offered.get(message.port)?.();
        if (message.isOffered) this.#offer(message.port);
        else this.#offered.delete(message.port);
        return;
      case "write":
        this.#relays.get(message.id)?.write(message.bytes);
        return;
      case "taken":
        this.#relays.get(message.id)?.taken(message.byteLength);
        return;
      case "end":
        this.#relays.get(message.id)?.end();
        return;
      case "reset":
        this.#relays.get(message.id)?.reset();
        return;
      default:
        unreachable(message);
    }
  }

  #connect(id: number, port: number): void {
    if (this.#device === null) {
      this.#post({ kind: "closed", id });
      return;
    }
    const relay = this.#relay(id);
    relay.stream = this.#device.connect(port, relay);
  }

  #offer(port: number): void {
    const device = this.#device;
    const takeBack = device?.listen(port, (stream) => {
      const relay = this.#relay(--this.#lastAcceptedId);
      relay.stream = stream;
      this.#post({ kind: "accepted", id: relay.id, port, guestPort: stream.guestPort });
      return relay;
    });
    this.#offered.set(port, takeBack ?? (() => {}));
  }

  #relay(id: number): StreamRelay {
    const relay = new StreamRelay(id, this.#post, () => this.#relays.delete(id));
    this.#relays.set(id, relay);
    return relay;
  }
}

/** One socket. */
class StreamRelay implements VsockEvents {
  readonly id: number;
  /** Null while the device has not given it yet. */
  stream: VsockStream | null = null;
  readonly #post: (message: FromGuestSocket) => void;
  readonly #forget: () => void;
  #untaken = 0;
  /** What the guest has no room for yet. */
  #rest: Uint8Array = new Uint8Array();
  #isEnding = false;
  #guestHasEnded = false;
  #endIsTold = false;
  #isClosed = false;
  #isForgotten = false;

  constructor(id: number, post: (message: FromGuestSocket) => void, forget: () => void) {
    this.id = id;
    this.#post = post;
    this.#forget = forget;
  }

  opened(): void {
    this.#post({ kind: "opened", id: this.id });
  }

  readable(): void {
    const stream = this.stream;
    while (stream !== null && stream.readableByteLength > 0 && this.#untaken < UNTAKEN_MAX) {
      const bytes = Uint8Array.from(stream.read(UNTAKEN_MAX));
      this.#untaken += bytes.length;
      this.#post({ kind: "data", id: this.id, bytes });
    }
    if ((stream?.readableByteLength ?? 0) > 0 || this.#isForgotten) return;
    if (this.#guestHasEnded && !this.#endIsTold) {
      this.#endIsTold = true;
      this.#post({ kind: "ended", id: this.id });
    }
    if (!this.#isClosed) return;
    this.#isForgotten = true;
    this.#forget();
    this.#post({ kind: "closed", id: this.id });
  }

  writable(): void {
    this.#feed();
  }

  ended(): void {
    this.#guestHasEnded = true;
    this.readable();
  }

  closed(): void {
    this.#isClosed = true;
    this.readable();
  }

  taken(byteLength: number): void {
    this.#untaken = Math.max(0, this.#untaken - byteLength);
    this.readable();
  }

  write(bytes: Uint8Array): void {
    this.#rest = concatBytes([this.#rest, bytes]);
    this.#feed();
  }

  end(): void {
    this.#isEnding = true;
    this.#feed();
  }

  reset(): void {
    this.stream?.reset();
    this.#guestHasEnded = true;
    this.#isClosed = true;
    this.#forget();
    this.#isForgotten = true;
  }

  #feed(): void {
    if (this.stream === null || this.#isClosed) return;
    if (this.#rest.length > 0) {
      const byteLength = this.stream.write(this.#rest);
      this.#rest = this.#rest.subarray(byteLength);
      if (byteLength > 0) this.#post({ kind: "written", id: this.id, byteLength });
    }
    if (this.#isEnding && this.#rest.length === 0) this.stream.end();
  }
}
