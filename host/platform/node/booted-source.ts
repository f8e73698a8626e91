import type { ConsoleSession } from "../../control/console-session.js";
import type { WasmModule } from "../../core/wasm.js";
import type { HostServices } from "../../machine/host-services.js";
import { Machine } from "../../machine/machine.js";
import type { BootedCache, BootedMachine } from "./booted-cache.js";
import { tellTime } from "./kept-machine.js";
import type { MachineSource } from "./run-machines.js";

export interface BootedSourceOptions {
  readonly cache: BootedCache;
  readonly session: ConsoleSession;
  readonly core: WasmModule;
  /** Makes a machine in its power-on state. */
  readonly boot: (host: HostServices) => Promise<Machine>;
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
  #isCold = false;
  #keeping: Promise<void> = Promise.resolve();

  constructor(options: BootedSourceOptions) {
    this.#options = options;
  }

  async create(host: HostServices): Promise<Machine> {
    if (this.#first !== null) return this.#options.boot(host);
    this.#first = (await this.#resume(host)) ?? (await this.#options.boot(host));
    return this.#first;
  }

  onReady(): void {
    const { session, cache } = this.#options;
    const machine = this.#first;
    if (!this.#isCold || machine === null || session.typed) return;
    this.#keeping = (async () => {
      const console = session.consoleTail;
      const state = await machine.capture();
      // What somebody typed meanwhile would be typed again each time.
      if (!session.typed) await cache.keep(state, console);
    })();
  }

  /** Waits for what is being kept. */
  async close(): Promise<void> {
    await this.#keeping;
    await this.#booted?.close();
  }

  /** @returns null when there is nothing to go on from */
  async #resume(host: HostServices): Promise<Machine | null> {
    const { cache, session, core } = this.#options;
    const booted = await cache.open();
    this.#isCold = booted === null;
    if (booted === null) return null;
    this.#booted = booted;
    const { serial, ports } = session;
    try {
      const machine = await Machine.resume(booted.state, { core, serial, ports, host, identity: "renewed" });
      tellTime(machine, host);
      session.replay(booted.console);
      return machine;
    } catch {
      // It was made by another build of this version.
      await cache.forget();
      this.#isCold = true;
      return null;
    }
  }
}
