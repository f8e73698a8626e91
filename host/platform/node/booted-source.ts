import type { ConsoleSession } from "../../control/console-session.js";
import { tellGuest } from "../../control/tell-guest.js";
import type { WasmModule } from "../../core/wasm.js";
import type { ByteSink } from "../../devices/device.js";
import type { HostServices } from "../../machine/host-services.js";
import { Machine } from "../../machine/machine.js";
import type { BootedCache, BootedMachine } from "./booted-cache.js";
import type { Translation } from "./fresh-machine.js";
import type { MachineSource } from "./run-machines.js";

export interface BootedSourceOptions {
  readonly cache: BootedCache;
  readonly session: ConsoleSession;
  readonly core: WasmModule;
  readonly translation: Translation;
  /** Makes a machine in its power-on state that writes to `serial`. */
  readonly boot: (host: HostServices, serial: ByteSink) => Promise<Machine>;
}

/**
 * Machines at the prompt: the first goes on from one that was booted before, if there is one, else it is booted and
 * kept for the next time.
 */
export class BootedSource implements MachineSource {
  readonly hash = false;
  readonly #options: BootedSourceOptions;
  #booted: BootedMachine | null = null;
  #first: Machine | null = null;
  #keeping: Promise<void> = Promise.resolve();

  constructor(options: BootedSourceOptions) {
    this.#options = options;
  }

  async create(host: HostServices): Promise<Machine> {
    const { boot, session } = this.#options;
    if (this.#first !== null) return boot(host, session.serial);
    this.#first = (await this.#resume(host)) ?? (await boot(host, { write: (bytes) => this.#watch(bytes) }));
    return this.#first;
  }

  /** The machine is captured at its prompt before anything can be typed: that would be typed again each time. */
  #watch(bytes: Uint8Array): void {
    const { session, cache } = this.#options;
    const wasReady = session.ready;
    session.serial.write(bytes);
    if (wasReady || !session.ready || session.typed) return;
    const console = session.consoleTail;
    this.#keeping = this.#first!.capture().then((state) => cache.keep(state, console));
  }

  /** Waits for what is being kept. */
  async close(): Promise<void> {
    await this.#keeping;
    await this.#booted?.close();
  }

  /** @returns null when there is nothing to go on from */
  async #resume(host: HostServices): Promise<Machine | null> {
    const { cache, session, core, translation } = this.#options;
    const booted = await cache.open();
    if (booted === null) return null;
    this.#booted = booted;
    const { serial, ports } = session;
    try {
      const machine = await Machine.resume(booted.state, {
        ...translation,
        core,
        serial,
        ports,
        host,
        identity: "renewed",
      });
      tellGuest(machine, host, "renewed");
      session.replay(booted.console);
      return machine;
    } catch {
      // It was made by another build of this version.
      await cache.forget();
      return null;
    }
  }
}
