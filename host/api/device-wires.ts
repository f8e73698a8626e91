import type { InputEvent } from "../devices/virtio/input-events.js";
import type { Machine, MachineOptions, ResumeOptions, Share } from "../machine/machine.js";
import { VIRTIO_SLOTS } from "../machine/virtio-slots.js";
import { type LinkTransit, RemoteLink } from "../network/remote-link.js";
import { unreachable } from "../util/errors.js";
import type { FromWorker, MachineSetup, ToWorker } from "./messages.js";
import type { OpenShare, OpenSockets, WorkerPlatform } from "./platform.js";
import { SocketRelay } from "./socket-relay.js";

/** Said about devices. */
export type DeviceMessage = Extract<ToWorker, { readonly kind: "link" | "socket" | "input" }>;

/** The worker's end of what a machine is connected to, for one machine after the other. */
export class DeviceWires {
  readonly #platform: WorkerPlatform;
  readonly #links: readonly RemoteLink[];
  readonly #sockets: readonly SocketRelay[];
  readonly #post: (message: FromWorker, transfer?: readonly ArrayBuffer[]) => void;
  readonly #shares: (OpenShare & Share)[] = [];
  readonly #socketPaths: (OpenSockets | null)[] = [];
  #machine: Machine | null = null;

  constructor(platform: WorkerPlatform, post: (message: FromWorker, transfer?: readonly ArrayBuffer[]) => void) {
    this.#platform = platform;
    this.#post = post;
    this.#links = VIRTIO_SLOTS.net.map(
      (_, index) => new RemoteLink((message, transfer) => post({ kind: "link", index, message }, transfer)),
    );
    this.#sockets = VIRTIO_SLOTS.socket.map(
      (_, index) => new SocketRelay((message) => post({ kind: "socket", index, message })),
    );
  }

  /** Opens what of the setup is on the host. @throws VivariumError naming what cannot be opened */
  async open({ shares, sockets }: MachineSetup): Promise<void> {
    for (const { tag, directory, readOnly } of shares) {
      if (directory === null) continue;
      this.#shares.push({ tag, ...(await this.#platform.openShare(directory, readOnly)) });
    }
    for (const { path } of sockets) {
      this.#socketPaths.push(path === null ? null : await this.#platform.openSockets(path));
    }
  }

  async close(): Promise<void> {
    this.detach();
    for (const { close } of this.#shares.splice(0)) close();
    for (const sockets of this.#socketPaths.splice(0)) await sockets?.close();
  }

  /** For a machine that is switched on. */
  atPowerOn(
    setup: MachineSetup,
  ): Pick<MachineOptions, "networks" | "shares" | "socketCids" | "balloonCount" | "inputs"> {
    const { networks, sockets, balloonByteLength, inputs } = setup;
    return {
      networks: networks.map(({ mac, mtu }, index) => ({
        link: this.#links[index]!,
        mtu,
        ...(mac === null ? {} : { mac }),
      })),
      shares: this.#shares.map(({ tag, folder }) => ({ tag, folder })),
      socketCids: sockets.map(({ cid }) => cid),
      balloonCount: balloonByteLength === null ? 0 : 1,
      inputs: inputs.map((kind, index) => ({ kind, onEvent: this.#onInput(index) })),
    };
  }

  /** For a machine that goes on from a state. */
  atResume({ networks, inputs }: MachineSetup): Pick<ResumeOptions, "links" | "shares" | "inputs"> {
    return {
      links: networks.map((_, index) => this.#links[index]!),
      shares: this.#shares.map(({ tag, folder }) => ({ tag, folder })),
      inputs: inputs.map((_, index) => ({ onEvent: this.#onInput(index) })),
    };
  }

  /** The machine that there is now. @param isNew whether its guest knows of no connections */
  attach(machine: Machine, isNew: boolean): void {
    this.#machine = machine;
    for (const [index, device] of machine.sockets.entries()) {
      this.#sockets[index]!.attach(device);
      this.#socketPaths[index]?.attach(device);
    }
    if (isNew) this.renewLinks();
  }

  /** The machine has been switched off. */
  detach(): void {
    this.#machine = null;
    for (const relay of this.#sockets) relay.attach(null);
  }

  /** The guest is another one, or its past self: what was connected is not any more. */
  renewLinks(): void {
    for (const [index] of this.#machine?.networks.entries() ?? []) this.#links[index]!.renew();
  }

  /** What wires elsewhere need to go on amid everything; these are of no use afterwards. */
  handOver(): readonly LinkTransit[] {
    return this.#links.map((link) => link.handOver());
  }

  takeOver(links: readonly LinkTransit[]): void {
    for (const [index, transit] of links.entries()) this.#links[index]!.takeOver(transit);
  }

  receive(message: DeviceMessage): void {
    switch (message.kind) {
      case "link":
        this.#links[message.index]?.receive(message.message);
        return;
      case "socket":
        this.#sockets[message.index]?.receive(message.message);
        return;
      case "input":
        this.#machine?.inputs[message.index]?.report(message.events);
        return;
      default:
        unreachable(message);
    }
  }

  #onInput(index: number): (event: InputEvent) => void {
    return (event) => this.#post({ kind: "input", index, event });
  }
}
