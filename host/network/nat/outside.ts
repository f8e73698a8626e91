/** The real network, as the NAT uses it: what a platform provides. */
import type { NetworkClock } from "../link.js";

/** One end of a stream or datagram. */
export interface Endpoint {
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  readonly port: number;
}

/** Why a stream ended before its time. */
export type StreamFailure = "refused" | "unreachable" | "timeout" | "reset";

/** What a stream tells its user. After `failed` or `closed` it tells nothing more. */
export interface StreamEvents {
  /** The other side has accepted. */
  connected(): void;
  /** The bytes are the receiver's. */
  received(bytes: Uint8Array): void;
  /** The other side sends no more. */
  ended(): void;
  /** Less is pending than before. */
  drained(): void;
  failed(failure: StreamFailure): void;
  /** Both sides have ended and everything was sent. */
  closed(): void;
}

/** A TCP connection of the host. Calls after it has failed, closed or been aborted do nothing. */
export interface OutsideStream {
  /** Bytes written that the host's TCP has not taken yet. */
  readonly pendingByteLength: number;
  /** Sends the bytes, which from now on are the stream's. */
  write(bytes: Uint8Array): void;
  /** Ends this side, after what was written. */
  end(): void;
  /** Stops `received` until `resume`; some may still come. */
  pause(): void;
  resume(): void;
  /** Gives the connection up with a reset; no event follows. */
  abort(): void;
}

/** A connection that somebody has made to the host. */
export interface IncomingStream {
  /** Takes it over: the stream is connected, and events come from now on. */
  accept(events: StreamEvents): OutsideStream;
}

/** What a UDP socket tells its user. */
export interface DatagramEvents {
  received(bytes: Uint8Array, from: Endpoint): void;
  /** Nobody listens where a datagram was sent. Told where the host tells it: to a socket that has sent to nobody else. */
  refused(to: Endpoint): void;
}

/** A UDP socket of the host. */
export interface OutsideDatagrams {
  /** Sends, or loses when too much is on its way already. */
  send(bytes: Uint8Array, to: Endpoint): void;
  close(): void;
}

export type NameAnswer =
  | { readonly kind: "addresses"; readonly addresses: readonly Uint8Array[] }
  | { readonly kind: "unknown" }
  | { readonly kind: "failed" };

export interface Outside extends NetworkClock {
  /** Connects a TCP stream. Nothing is told before this has returned. */
  connect(to: Endpoint, events: StreamEvents): OutsideStream;
  /** Opens a UDP socket on any port. */
  openDatagrams(addressByteLength: number, events: DatagramEvents): OutsideDatagrams;
  /** The addresses of a host by the host's own ways: its hosts file, its name servers. Never rejects. */
  resolve(name: string): Promise<NameAnswer>;
  /** Asks the host's name server. @returns its message, or null when there is none. Never rejects */
  query(message: Uint8Array): Promise<Uint8Array | null>;
  /** Calls back once what is running now has come to its end, before any input or output. */
  defer(callback: () => void): void;
  randomBytes(into: Uint8Array): void;
}
