import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { LimitedLink, type LinkRate } from "../../../network/limited-link.js";
import { EgressPolicy, type EgressRule } from "../../../network/nat/egress.js";
import { Nat } from "../../../network/nat/nat.js";
import { PeerStation } from "../../../network/peer-link.js";
import { VivariumError } from "../../../util/errors.js";
import { keepAlive } from "../keep-alive.js";
import { NodeOutside } from "./outside.js";
import { MESSAGE_BYTE_LENGTH_MAX, messageBytes, webSocketPeer } from "./websocket-link.js";

/** Machines connected at once; more are turned away. */
const CLIENTS_MAX = 64;

export interface RelayOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly egress: readonly EgressRule[];
  /** For each machine. */
  readonly rate: LinkRate | null;
  /** Web pages that may connect besides those of this host, such as `https://example.org`; `*` is any. */
  readonly origins: readonly string[];
}

/**
 * Gives machines elsewhere, such as in browser tabs, a network of this host: a WebSocket server, where a message is a
 * frame and every connection has a NAT of its own.
 */
export class Relay {
  /** What machines may reach; changeable at any time. */
  readonly egress: EgressPolicy;
  readonly #http: Server;
  readonly #server: WebSocketServer;
  readonly #outside = new NodeOutside();
  readonly #rate: LinkRate | null;

  private constructor(options: RelayOptions) {
    this.egress = new EgressPolicy(options.egress);
    this.#rate = options.rate;
    this.#http = createServer((_, response) => {
      response.writeHead(426, { Connection: "close", Upgrade: "websocket" });
      response.end("This is a relay for network frames over WebSocket.\n");
    });
    this.#server = new WebSocketServer({
      server: this.#http,
      maxPayload: MESSAGE_BYTE_LENGTH_MAX,
      perMessageDeflate: false,
      verifyClient: ({ req }, decide) => {
        if (!isOriginAllowed(req, options.origins)) decide(false, 403, "origin not allowed");
        else if (this.#server.clients.size >= CLIENTS_MAX) decide(false, 503, "too many machines");
        else decide(true);
      },
    });
    this.#server.on("connection", (socket) => this.#serve(socket));
    this.#server.on("error", () => {});
  }

  /** @throws VivariumError `relay/listen` when the place cannot be listened on */
  static async open(options: RelayOptions): Promise<Relay> {
    const relay = new Relay(options);
    await new Promise<void>((resolve, reject) => {
      relay.#http.once("error", (error: NodeJS.ErrnoException) => {
        const place = `${options.host}:${options.port}`;
        const message = `relay: cannot listen on ${place}: ${error.code ?? error.message}; expected an address of this host and a free port`;
        reject(new VivariumError("relay/listen", message, { place }));
      });
      relay.#http.listen(options.port, options.host, () => resolve());
    });
    return relay;
  }

  /** Where machines connect. */
  get url(): string {
    const { address, family, port } = this.#http.address() as AddressInfo;
    return `ws://${family === "IPv6" ? `[${address}]` : address}:${port}/`;
  }

  get clientCount(): number {
    return this.#server.clients.size;
  }

  async close(): Promise<void> {
    for (const client of this.#server.clients) client.terminate();
    this.#server.close();
    await new Promise<void>((resolve) => {
      this.#http.close(() => resolve());
    });
  }

  #serve(socket: WebSocket): void {
    const nat = new Nat({ outside: this.#outside.forGuest(), egress: this.egress });
    const link = this.#rate === null ? nat : new LimitedLink(nat, this.#rate, this.#outside);
    const station = new PeerStation(
      webSocketPeer(socket, () => station.drained()),
      link,
    );
    keepAlive(socket);
    socket.on("message", (data, isBinary) => {
      if (isBinary) station.received(messageBytes(data));
    });
    socket.on("error", () => socket.terminate());
    socket.on("close", () => void link.close());
  }
}

/**
 * Any web page can make a browser connect here, and would be in this host's network. So a page has to come from this
 * host or be named; programs, which send no origin, could connect to the network by themselves.
 */
function isOriginAllowed({ headers }: IncomingMessage, allowed: readonly string[]): boolean {
  const { origin } = headers;
  if (origin === undefined || allowed.includes("*") || allowed.includes(origin)) return true;
  return /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(origin);
}
