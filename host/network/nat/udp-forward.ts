import { keyOf } from "../octets.js";
import type { Endpoint } from "./outside.js";
import type { UdpDatagram } from "./udp.js";

/** Whoever sends to a forwarded port has a port of the router's, so that the guest can answer. */
const FIRST_PORT = 50_000;
const CLIENTS_MAX = 1024;

interface Client {
  readonly port: number;
  readonly answer: (bytes: Uint8Array) => void;
}

/** Datagrams that come to forwarded ports of the host, and the guest's answers to them. */
export class UdpForwards {
  readonly #gateway: Uint8Array;
  readonly #deliver: (datagram: UdpDatagram) => void;
  /** By forwarded port and sender, the oldest first. */
  readonly #clients = new Map<string, Client>();
  readonly #byPort = new Map<number, { readonly key: string; readonly guest: Endpoint }>();
  #nextPort = FIRST_PORT;

  constructor(gateway: Uint8Array, deliver: (datagram: UdpDatagram) => void) {
    this.#gateway = gateway;
    this.#deliver = deliver;
  }

  /** @param answer sends back to `from` by the port it sent to, which `forward` names */
  receive(forward: string, from: Endpoint, guest: Endpoint, data: Uint8Array, answer: Client["answer"]): void {
    const key = `${forward} ${keyOf(from.address)}${from.port}`;
    const client = this.#clients.get(key) ?? this.#admit(key, guest, answer);
    this.#deliver({ source: { address: this.#gateway, port: client.port }, destination: guest, data });
  }

  /** @returns whether the datagram was an answer to one of them */
  answer({ source, destination, data }: UdpDatagram): boolean {
    const known = this.#byPort.get(destination.port);
    if (known === undefined || known.guest.port !== source.port) return false;
    this.#clients.get(known.key)?.answer(data);
    return true;
  }

  #admit(key: string, guest: Endpoint, answer: Client["answer"]): Client {
    if (this.#clients.size >= CLIENTS_MAX) this.#forget(this.#clients.keys().next().value!);
    const client = { port: this.#nextPort, answer };
    this.#nextPort = this.#nextPort === FIRST_PORT + 2 * CLIENTS_MAX ? FIRST_PORT : this.#nextPort + 1;
    this.#clients.set(key, client);
    this.#byPort.set(client.port, { key, guest });
    return client;
  }

  #forget(key: string): void {
    const client = this.#clients.get(key);
    if (client !== undefined) this.#byPort.delete(client.port);
    this.#clients.delete(key);
  }
}
