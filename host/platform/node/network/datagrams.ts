import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { formatAddress, parseAddress } from "../../../network/address.js";
import type { DatagramEvents, Endpoint, OutsideDatagrams } from "../../../network/nat/outside.js";
import { equalBytes } from "../../../network/octets.js";

/** Datagrams handed to the host's UDP that it has not sent; more are lost. */
const ON_THE_WAY_MAX = 256;
const RECEIVE_BUFFER_BYTE_LENGTH = 1 << 20;
/** Ports for whoever wants one: RFC 6335 section 6. */
const FIRST_PORT = 49_152;
const PORT_COUNT = 16_384;
/** A server of TFTP answers by another port than the one it was asked at: RFC 1350 section 4. */
const TFTP_PORT = 69;
/** Ports that are tried, before the host chooses one. */
const PORT_TRIES_MAX = 8;

/**
 * - opening: it has no port yet; what is to be sent waits
 * - connected: it is the socket of one peer, and hears when that one's port is closed
 * - free: it talks to several peers, or to one that answers by another port; the host does not tell of closed ones
 */
type Phase = "opening" | "connected" | "free" | "closed";

interface Waiting {
  readonly bytes: Uint8Array;
  readonly to: Endpoint;
}

/** A UDP socket of the host, which keeps its port whomever it talks to. */
export class NodeDatagrams implements OutsideDatagrams {
  readonly #socket: DatagramSocket;
  readonly #events: DatagramEvents;
  readonly #waiting: Waiting[] = [];
  #phase: Phase = "opening";
  #peer: Endpoint | null = null;
  #isPeerOnly = true;
  #portTries = 0;
  #onTheWay = 0;

  constructor(addressByteLength: number, events: DatagramEvents, onClose: () => void) {
    this.#events = events;
    this.#socket = createSocket({
      type: addressByteLength === 4 ? "udp4" : "udp6",
      ipv6Only: addressByteLength !== 4,
      recvBufferSize: RECEIVE_BUFFER_BYTE_LENGTH,
    });
    this.#socket.on("message", (bytes, { address, port }) => {
      const from = parseAddress(address.replace(/%.*$/, ""));
      if (from !== null && this.#phase !== "closed") events.received(bytes, { address: from, port });
    });
    this.#socket.once("close", onClose);
    this.#socket.on("error", (error: NodeJS.ErrnoException) => this.#failed(error));
    this.#socket.once("listening", () => this.#bound());
  }

  send(bytes: Uint8Array, to: Endpoint): void {
    if (this.#phase === "closed" || this.#onTheWay + this.#waiting.length >= ON_THE_WAY_MAX) return;
    if (this.#peer === null) {
      this.#peer = to;
      this.#isPeerOnly = to.port !== TFTP_PORT;
      this.#bind();
    } else if (!isSame(this.#peer, to)) {
      this.#free();
    }
    if (this.#phase === "opening") this.#waiting.push({ bytes, to });
    else this.#transmit(bytes, to, true);
  }

  close(): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#waiting.length = 0;
    this.#socket.close();
  }

  /** Disconnecting a socket takes away a port that the host has chosen, so this one is chosen here. */
  #bind(): void {
    const isOurChoice = this.#portTries++ < PORT_TRIES_MAX;
    if (!isOurChoice) this.#isPeerOnly = false;
    const port = isOurChoice ? FIRST_PORT + Math.floor(Math.random() * PORT_COUNT) : 0;
    this.#socket.bind({ port, exclusive: true });
  }

  #bound(): void {
    if (this.#phase !== "opening" || this.#peer === null) return;
    if (!this.#isPeerOnly) {
      this.#open("free");
      return;
    }
    this.#socket.connect(this.#peer.port, formatAddress(this.#peer.address), (error?: Error) => {
      if (this.#phase !== "opening") return;
      this.#open(error === undefined ? "connected" : "free");
    });
  }

  #open(phase: "connected" | "free"): void {
    this.#phase = phase;
    if (phase === "connected" && !this.#isPeerOnly) this.#free();
    for (const { bytes, to } of this.#waiting.splice(0)) this.#transmit(bytes, to, true);
  }

  /** From now on others may answer too. */
  #free(): void {
    this.#isPeerOnly = false;
    if (this.#phase !== "connected") return;
    this.#phase = "free";
    this.#socket.disconnect();
  }

  #transmit(bytes: Uint8Array, to: Endpoint, mayRepeat: boolean): void {
    const sent = (error: NodeJS.ErrnoException | null) => {
      this.#onTheWay--;
      if (error === null || this.#phase !== "connected") return;
      if (error.code === "ECONNREFUSED") this.#events.refused(to);
      // A host that has moved to another network: the socket is bound to the address that it had before.
      else this.#free();
      // The error may be of the datagram before, in place of this one.
      if (mayRepeat) this.#transmit(bytes, to, false);
    };
    this.#onTheWay++;
    if (this.#phase === "connected") this.#socket.send(bytes, sent);
    else this.#socket.send(bytes, to.port, formatAddress(to.address), sent);
  }

  #failed({ code, syscall }: NodeJS.ErrnoException): void {
    if (this.#phase === "connected" && code === "ECONNREFUSED") this.#events.refused(this.#peer!);
    else if (this.#phase === "opening" && syscall === "bind" && this.#portTries <= PORT_TRIES_MAX) this.#bind();
    else if (this.#phase === "connected" && syscall === "recvmsg") this.#free();
    // A host without such sockets, or one that refuses to send: datagrams may be lost.
    else if (code !== "ECONNREFUSED") this.close();
  }
}

function isSame(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && equalBytes(a.address, b.address);
}
