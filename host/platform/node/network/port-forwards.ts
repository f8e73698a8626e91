import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { createServer, type Server } from "node:net";
import type { PortForward } from "../../../control/network-options.js";
import { parseAddress } from "../../../network/address.js";
import type { Nat } from "../../../network/nat/nat.js";
import { VivariumError } from "../../../util/errors.js";
import { NodeIncomingStream } from "./outside.js";

/** Connections waiting to be taken from a listener. */
const BACKLOG = 1024;

/** Ports of the host that lead to ports of the guest. */
export class PortForwards {
  readonly #closers = new Set<() => Promise<void>>();

  private constructor() {}

  /** @throws VivariumError `network/forward` when one cannot be listened on; then none is */
  static async open(nat: Nat, forwards: readonly PortForward[]): Promise<PortForwards> {
    const opened = new PortForwards();
    try {
      for (const forward of forwards) await opened.add(nat, forward);
      return opened;
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  /** @returns a function that ends it; connections stay @throws VivariumError `network/forward` */
  async add(nat: Nat, forward: PortForward): Promise<() => Promise<void>> {
    const close = await (forward.protocol === "tcp" ? listenTcp(nat, forward) : listenUdp(nat, forward));
    this.#closers.add(close);
    return async () => {
      if (this.#closers.delete(close)) await close();
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#closers].map((close) => close()));
    this.#closers.clear();
  }
}

async function listenTcp(nat: Nat, forward: PortForward): Promise<() => Promise<void>> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    // Errors before somebody has taken the connection are nobody's.
    socket.on("error", () => {});
    if (!nat.forwardTcp(new NodeIncomingStream(socket), forward.guestAddress, forward.guestPort)) socket.destroy();
  });
  await listening(server, forward, () => server.listen({ host: forward.host, port: forward.port, backlog: BACKLOG }));
  // It listens no more at once. Its callback would wait for connections that are still open, and they are the NAT's.
  return async () => {
    server.close();
  };
}

async function listenUdp(nat: Nat, forward: PortForward): Promise<() => Promise<void>> {
  const socket = createSocket(forward.host.includes(":") ? "udp6" : "udp4");
  await listening(socket, forward, () => socket.bind(forward.port, forward.host));
  socket.on("message", (bytes, { address, port }) => {
    const from = parseAddress(address.replace(/%.*$/, ""));
    if (from === null) return;
    const answer = (data: Uint8Array) => socket.send(data, port, address, () => {});
    nat.forwardUdp(
      `${forward.host}:${forward.port}`,
      { address: from, port },
      forward.guestAddress,
      forward.guestPort,
      bytes,
      answer,
    );
  });
  return () =>
    new Promise((resolve) => {
      socket.close(() => resolve());
    });
}

function listening(listener: Server | DatagramSocket, forward: PortForward, start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    listener.once("error", (error: NodeJS.ErrnoException) => {
      const { protocol, host, port } = forward;
      const message = `--net: cannot listen on ${protocol} ${host}:${port}: ${error.code ?? error.message}; expected an address of this host and a free port`;
      reject(new VivariumError("network/forward", message, { host, port }));
    });
    listener.once("listening", () => {
      listener.removeAllListeners("error");
      listener.on("error", () => {});
      resolve();
    });
    start();
  });
}
