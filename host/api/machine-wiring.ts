import { unreachable } from "../util/errors.js";
import { ConsoleRelay } from "./console-relay.js";
import { DeviceWires } from "./device-wires.js";
import type { FromWorker, ToWorker } from "./messages.js";
import type { WorkerPlatform } from "./platform.js";
import { PortRelay } from "./port-relay.js";
import type { PresentMachine } from "./present-machine.js";

/** The worker's ends of all that its machine is connected to. */
export class MachineWiring {
  readonly console: ConsoleRelay;
  readonly ports: PortRelay;
  readonly devices: DeviceWires;
  readonly #present: PresentMachine;

  constructor(
    platform: WorkerPlatform,
    present: PresentMachine,
    post: (message: FromWorker, transfer?: readonly ArrayBuffer[]) => void,
  ) {
    this.#present = present;
    this.console = new ConsoleRelay(post);
    this.ports = new PortRelay(post, present);
    this.devices = new DeviceWires(platform, post);
  }

  receive(message: Exclude<ToWorker, { readonly kind: "call" }>): void {
    switch (message.kind) {
      case "port":
        this.ports.receive(message.port, message.bytes);
        return;
      case "link":
      case "socket":
      case "input":
        this.devices.receive(message);
        return;
      case "wanted":
        return;
      case "type":
        this.console.type(message.bytes, this.#present.machine);
        return;
      case "resize":
        this.ports.resize(message);
        return;
      case "hold-console":
        this.console.hold(message.hold);
        return;
      case "console-taken":
        this.console.taken(message.byteLength);
        return;
      default:
        unreachable(message);
    }
  }
}
