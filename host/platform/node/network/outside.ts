import { randomFillSync } from "node:crypto";
import { createSocket } from "node:dgram";
import { getServers } from "node:dns";
import { lookup } from "node:dns/promises";
import { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { formatAddress, parseAddress } from "../../../network/address.js";
import type {
  DatagramEvents,
  Endpoint,
  IncomingStream,
  NameAnswer,
  Outside,
  OutsideDatagrams,
  OutsideStream,
  StreamEvents,
  StreamFailure,
} from "../../../network/nat/outside.js";
import { NodeDatagrams } from "./datagrams.js";
import { SocketBudget } from "./socket-budget.js";

const DNS_PORT = 53;
const DNS_TIMEOUT_MS = 5000;

/** The host's own network, by Node's sockets and the host's resolver. */
export class NodeOutside implements Outside {
  readonly #budget: SocketBudget;
  #socketCount = 0;

  constructor(budget: SocketBudget = new SocketBudget()) {
    this.#budget = budget;
  }

  /** The same network for another guest: their sockets are counted together, and each has its part. */
  forGuest(): NodeOutside {
    return new NodeOutside(this.#budget);
  }

  nowMs(): number {
    return performance.now();
  }

  after(ms: number, callback: () => void): () => void {
    const timer = setTimeout(callback, ms);
    // A timer of the network's keeps no program alive that has nothing else to do.
    timer.unref();
    return () => clearTimeout(timer);
  }

  connect({ address, port }: Endpoint, events: StreamEvents): OutsideStream {
    const socket = new Socket({ allowHalfOpen: true });
    if (!this.#take()) {
      process.nextTick(() => socket.destroy(new Error("too many sockets")));
      return new NodeStream(socket, events);
    }
    socket.once("close", () => this.#give());
    socket.connect({ host: formatAddress(address), port, autoSelectFamily: false });
    socket.once("connect", () => events.connected());
    return new NodeStream(socket, events);
  }

  openDatagrams(addressByteLength: number, events: DatagramEvents): OutsideDatagrams {
    if (!this.#take()) return LOST_DATAGRAMS;
    return new NodeDatagrams(addressByteLength, events, () => this.#give());
  }

  async resolve(name: string): Promise<NameAnswer> {
    try {
      const found = await lookup(name, { all: true, order: "verbatim" });
      const addresses = found.map(({ address }) => parseAddress(address)).filter((address) => address !== null);
      return { kind: "addresses", addresses };
    } catch (error) {
      return { kind: codeOf(error) === "ENOTFOUND" ? "unknown" : "failed" };
    }
  }

  async query(message: Uint8Array): Promise<Uint8Array | null> {
    for (const server of getServers()) {
      const endpoint = parseServer(server);
      const answer = endpoint === null ? null : await askServer(endpoint, message);
      if (answer !== null) return answer;
    }
    return null;
  }

  defer(callback: () => void): void {
    queueMicrotask(callback);
  }

  randomBytes(into: Uint8Array): void {
    randomFillSync(into);
  }

  #take(): boolean {
    if (!this.#budget.take(this.#socketCount)) return false;
    this.#socketCount++;
    return true;
  }

  #give(): void {
    this.#socketCount--;
    this.#budget.give();
  }
}

/** For a guest that has its part of the sockets: datagrams may be lost. */
const LOST_DATAGRAMS: OutsideDatagrams = { send: () => {}, close: () => {} };

/** A connection that a listener of the host has accepted, paused until somebody takes it. */
export class NodeIncomingStream implements IncomingStream {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  accept(events: StreamEvents): OutsideStream {
    const stream = new NodeStream(this.#socket, events);
    this.#socket.resume();
    return stream;
  }
}

class NodeStream implements OutsideStream {
  readonly #socket: Socket;
  #isDead = false;

  constructor(socket: Socket, events: StreamEvents) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => {
      if (!this.#isDead) events.received(bytes);
    });
    socket.on("end", () => {
      if (!this.#isDead) events.ended();
    });
    socket.on("drain", () => {
      if (!this.#isDead) events.drained();
    });
    socket.on("error", (error) => this.#die(() => events.failed(failureOf(error))));
    socket.on("close", () => this.#die(() => events.closed()));
  }

  get pendingByteLength(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Uint8Array): void {
    if (!this.#isDead && this.#socket.writable) this.#socket.write(bytes);
  }

  end(): void {
    if (!this.#isDead) this.#socket.end();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  abort(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    if (this.#socket.connecting) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  #die(tell: () => void): void {
    if (this.#isDead) return;
    this.#isDead = true;
    tell();
  }
}

function askServer({ address, port }: Endpoint, message: Uint8Array): Promise<Uint8Array | null> {
  return new Promise((resolve) => {
    const socket = createSocket(address.length === 4 ? "udp4" : "udp6");
    let isDone = false;
    const finish = (answer: Uint8Array | null) => {
      if (isDone) return;
      isDone = true;
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => finish(null), DNS_TIMEOUT_MS);
    socket.on("error", () => finish(null));
    socket.on("message", (answer) => {
      const isOurs = answer.length >= 12 && answer[0] === message[0] && answer[1] === message[1];
      if (isOurs) finish(new Uint8Array(answer));
    });
    // Connected, so that nobody else's answer counts.
    socket.connect(port, formatAddress(address), () => socket.send(message));
  });
}

/** A name server as Node writes it: `192.0.2.1`, `2001:db8::1`, either with a port behind. */
function parseServer(text: string): Endpoint | null {
  const match = /^\[(.+)\]:(\d+)$|^([\d.]+):(\d+)$/.exec(text);
  const address = parseAddress((match?.[1] ?? match?.[3] ?? text).replace(/%.*$/, ""));
  return address === null ? null : { address, port: Number(match?.[2] ?? match?.[4] ?? DNS_PORT) };
}

function failureOf(error: unknown): StreamFailure {
  switch (codeOf(error)) {
    case "ECONNREFUSED":
      return "refused";
    case "ETIMEDOUT":
      return "timeout";
    case "ENETUNREACH":
    case "EHOSTUNREACH":
    case "ENETDOWN":
    case "EHOSTDOWN":
    case "EADDRNOTAVAIL":
    case "EACCES":
    case "EPERM":
    case "EAFNOSUPPORT":
      return "unreachable";
    default:
      return "reset";
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException | null)?.code ?? "";
}
