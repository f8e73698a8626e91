import type { ConsolePort } from "../devices/virtio/console-port.js";
import { encodeTerminalSize, PORT_CONTROL } from "../images/control-port.js";
import type { Machine } from "../machine/machine.js";
import type { FromWorker } from "./messages.js";
import type { PresentMachine } from "./present-machine.js";
import type { Transit } from "./transit.js";

/** The worker's end of the machine's ports, and of the terminal whose size one of them tells. */
export class PortRelay {
  readonly #post: (message: FromWorker, transfer?: readonly ArrayBuffer[]) => void;
  readonly #present: PresentMachine;
  /** Of the operator's terminal; null before it is known. */
  #size: Transit["size"] = null;
  #isSilent = false;

  constructor(post: (message: FromWorker, transfer?: readonly ArrayBuffer[]) => void, present: PresentMachine) {
    this.#post = post;
    this.#present = present;
  }

  get size(): Transit["size"] {
    return this.#size;
  }

  /** For a machine that is made. */
  wires(names: readonly string[]): ConsolePort[] {
    return names.map((port) => ({
      name: port,
      receive: (bytes) => this.#post({ kind: "port", port, bytes }, [bytes.buffer as ArrayBuffer]),
      openChanged: (open) => {
        if (this.#isSilent) return;
        this.#post({ kind: "port-open", port, open });
        if (open && port === PORT_CONTROL) this.#tellSize();
      },
    }));
  }

  /** What goes to a machine that is off is lost: it has no device to write to. */
  receive(port: string, bytes: Uint8Array): void {
    if (this.#names.includes(port)) this.#present.machine?.port(port).write(bytes);
  }

  resize(size: NonNullable<Transit["size"]>): void {
    this.#size = size;
    this.#tellSize();
  }

  /** The guest is gone, or another one. */
  close(): void {
    for (const port of this.#names) this.#post({ kind: "port-open", port, open: false });
  }

  /** The machine has taken over a state, in which its ports are open or not. */
  reopen(machine: Machine): void {
    this.#tellSize();
    for (const name of this.#names) {
      if (machine.port(name).open) this.#post({ kind: "port-open", port: name, open: true });
    }
  }

  /** What waits for the guest is for a guest that is no more. */
  discard(machine: Machine): void {
    for (const name of this.#names) machine.port(name).discard();
  }

  /** Takes what the guest's device had no room for yet. */
  takeWaiting(machine: Machine): Transit["ports"] {
    return this.#names.map((name) => ({ name, waiting: machine.port(name).takeWaiting() }));
  }

  giveWaiting(machine: Machine, ports: Transit["ports"]): void {
    for (const { name, waiting } of ports) for (const bytes of waiting) machine.port(name).write(bytes);
  }

  /** The terminal of a machine that comes from elsewhere; its guest knows its size. */
  takeOver(size: Transit["size"]): void {
    this.#size = size;
  }

  /** Makes a machine that is only elsewhere now: its users know how its ports are. */
  async silently<T>(make: () => Promise<T>): Promise<T> {
    this.#isSilent = true;
    try {
      return await make();
    } finally {
      this.#isSilent = false;
    }
  }

  get #names(): readonly string[] {
    return this.#present.setup?.ports ?? [];
  }

  /** By the virtio console, and to the guest that listens for it because a serial line has no size. */
  #tellSize(): void {
    const { machine } = this.#present;
    if (this.#size === null || machine === null) return;
    const { columns, rows } = this.#size;
    machine.resizeConsole(columns, rows);
    if (!this.#names.includes(PORT_CONTROL)) return;
    const control = machine.port(PORT_CONTROL);
    if (control.open) control.write(encodeTerminalSize(columns, rows));
  }
}
