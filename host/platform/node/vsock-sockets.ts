/**
 * Sockets of a guest as Unix sockets of the host, in the convention of Firecracker:
 *
 * - a program of the host that connects to PATH and writes "CONNECT port\n" gets "OK port\n" and is connected to that
 *   port of the guest, or is cut off;
 * - a guest that connects to a port of the host is connected to PATH_port, or refused where nobody listens there.
 */
import { unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { VirtioVsock } from "../../devices/virtio/vsock.js";
import type { VsockEvents, VsockStream } from "../../devices/virtio/vsock-connection.js";
import { VivariumError } from "../../util/errors.js";
import { removeDeadSocket } from "./dead-socket.js";

const CONNECT = /^CONNECT (\d{1,10})\n/;
const CONNECT_BYTE_LENGTH_MAX = 32;
const PORT_MAX = 0xffff_ffff;
/** Connections of the host's programs that have not said where to yet. */
const UNDECIDED_MAX = 64;

/** Offers a guest's sockets at a path, for one machine after the other. */
export class VsockSockets {
  readonly #path: string;
  readonly #server: Server;
  #device: VirtioVsock | null = null;
  #undecidedCount = 0;
  readonly #sockets = new Set<Socket>();

  private constructor(path: string, server: Server) {
    this.#path = path;
    this.#server = server;
    server.on("connection", (socket) => this.#connected(socket));
  }

  /** @throws VivariumError `vsock/socket` when there is no listening at the path */
  static async open(path: string): Promise<VsockSockets> {
    await removeDeadSocket(path);
    const server = createServer({ allowHalfOpen: true });
    const sockets = new VsockSockets(path, server);
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) => {
        const problem = error.code === "EADDRINUSE" ? "is there already" : `cannot be made (${error.code})`;
        reject(new VivariumError("vsock/socket", `--vsock: ${path} ${problem}; expected a new file`, { path }));
      });
      server.listen(path, resolve);
    });
    return sockets;
  }

  /** From now on the sockets are those of this device's guest. */
  attach(device: VirtioVsock): void {
    this.#device = device;
    device.otherListener = (stream) => this.#accept(stream);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    try {
      unlinkSync(this.#path);
    } catch {
      // Node has removed it.
    }
  }

  /** The guest connects to a port of the host. */
  #accept(stream: VsockStream): Promise<VsockEvents | null> {
    const socket = connect({ path: `${this.#path}_${stream.hostPort}`, allowHalfOpen: true });
    return new Promise((resolve) => {
      socket.once("error", () => resolve(null));
      socket.once("connect", () => {
        this.#keep(socket);
        resolve(new Relay(socket, stream));
      });
    });
  }

  /** A program of the host says which port of the guest it wants. */
  #connected(socket: Socket): void {
    this.#keep(socket);
    if (this.#undecidedCount >= UNDECIDED_MAX) {
      socket.destroy();
      return;
    }
    this.#undecidedCount++;
    let undecided = true;
    const decided = () => {
      if (undecided) this.#undecidedCount--;
      undecided = false;
    };
    let seen = Buffer.alloc(0);
    const onData = (bytes: Buffer) => {
      seen = Buffer.concat([seen, bytes]);
      const [line, port] = CONNECT.exec(seen.toString("latin1", 0, CONNECT_BYTE_LENGTH_MAX)) ?? [];
      if (line === undefined && seen.length < CONNECT_BYTE_LENGTH_MAX && !seen.includes("\n")) return;
      socket.off("data", onData);
      decided();
      if (line === undefined || Number(port) > PORT_MAX || this.#device === null) socket.destroy();
      else this.#connectToGuest(this.#device, socket, Number(port), seen.subarray(line.length));
    };
    socket.on("data", onData);
    socket.on("close", decided);
    socket.on("end", () => undecided && socket.destroy());
  }

  #connectToGuest(device: VirtioVsock, socket: Socket, port: number, first: Buffer): void {
    socket.pause();
    let relay: Relay | null = null;
    const stream: VsockStream = device.connect(port, {
      opened: () => {
        socket.write(`OK ${stream.hostPort}\n`);
        if (first.length > 0) socket.unshift(first);
        relay = new Relay(socket, stream);
        socket.resume();
      },
      readable: () => relay?.readable(),
      writable: () => relay?.writable(),
      ended: () => relay?.ended(),
      closed: () => (relay === null ? socket.destroy() : relay.closed()),
    });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
  }
}

/** Carries bytes between a socket of the host and a stream of the guest, each as fast as the other takes them. */
class Relay implements VsockEvents {
  readonly #socket: Socket;
  readonly #stream: VsockStream;
  #rest: Uint8Array = new Uint8Array();
  #guestHasEnded = false;
  #socketHasEnded = false;

  constructor(socket: Socket, stream: VsockStream) {
    this.#socket = socket;
    this.#stream = stream;
    socket.on("data", (bytes: Buffer) => this.#send(bytes));
    socket.on("drain", () => this.readable());
    socket.on("end", () => {
      this.#socketHasEnded = true;
      if (this.#rest.length === 0) stream.end();
    });
    socket.on("close", () => stream.reset());
  }

  readable(): void {
    while (this.#stream.readableByteLength > 0 && !this.#socket.writableNeedDrain) {
      if (this.#socket.destroyed) return;
      this.#socket.write(this.#stream.read(this.#stream.readableByteLength));
    }
    if (this.#guestHasEnded && this.#stream.readableByteLength === 0) this.#socket.end();
  }

  writable(): void {
    this.#send(new Uint8Array());
  }

  ended(): void {
    this.#guestHasEnded = true;
    this.readable();
  }

  closed(): void {
    this.ended();
    this.#socket.resume();
    this.#rest = new Uint8Array();
  }

  #send(bytes: Uint8Array): void {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    this.#rest = all.subarray(this.#stream.write(all));
    if (this.#rest.length > 0) this.#socket.pause();
    else if (this.#socketHasEnded) this.#stream.end();
    else this.#socket.resume();
  }
}
