import type { ConsoleSession } from "../../control/console-session.js";
import type { ExecSession } from "../../control/exec-session.js";
import type { Session } from "../../control/guest-run.js";
import { tellGuest } from "../../control/tell-guest.js";
import type { WasmModule } from "../../core/wasm.js";
import type { ByteSink } from "../../devices/device.js";
import { AGENT_PORT } from "../../guest-agent/protocol.js";
import type { HostServices } from "../../machine/host-services.js";
import { type ConsolePort, Machine } from "../../machine/machine.js";
import type { BootedCache, BootedMachine } from "./booted-cache.js";
import type { Translation } from "./fresh-machine.js";
import type { MachineSource } from "./run-machines.js";

/** A session as it is connected to a machine that need not be booted. */
export interface BootedSession {
  readonly ports: readonly ConsolePort[];
  /** Where a machine that goes on writes to. */
  readonly serial: ByteSink;
  /** What a machine that boots is connected to: `keep` is called once it has come up, before anything is done to it. */
  whileBooting(keep: (console: Uint8Array) => Promise<void>): Pick<Session, "serial" | "ports">;
  /** What a machine that goes on wrote to its console before. */
  replay(console: Uint8Array): void;
}

/** The prompt is kept before anything can be typed: that would be typed again each time. */
export function bootedConsole(session: ConsoleSession): BootedSession {
  const { serial, ports } = session;
  return {
    serial,
    ports,
    whileBooting(keep) {
      const watch = (bytes: Uint8Array) => {
        const wasReady = session.ready;
        serial.write(bytes);
        if (!wasReady && session.ready && !session.typed) void keep(session.consoleTail);
      };
      return { serial: { write: watch }, ports };
    },
    replay: (console) => session.replay(console),
  };
}

/** The agent that has opened its port is kept before the session greets it: it waits for whoever does. */
export function bootedCommand({ serial, ports }: ExecSession): BootedSession {
  return {
    serial,
    ports,
    whileBooting(keep) {
      let isKept = false;
      const held = (port: ConsolePort): ConsolePort => ({
        ...port,
        openChanged: (open) => {
          if (isKept || !open) return port.openChanged?.(open);
          isKept = true;
          void keep(new Uint8Array()).then(() => port.openChanged?.(true));
        },
      });
      return { serial, ports: ports.map((port) => (port.name === AGENT_PORT ? held(port) : port)) };
    },
    replay: () => {},
  };
}

export interface BootedSourceOptions {
  readonly cache: BootedCache;
  readonly session: BootedSession;
  readonly core: WasmModule;
  readonly translation: Translation;
  /** Makes a machine in its power-on state. */
  readonly boot: (host: HostServices, connected: Pick<Session, "serial" | "ports">) => Promise<Machine>;
}

/**
 * Machines that have come up: the first goes on from one that was booted before, if there is one, else it is booted and
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
    if (this.#first !== null) return boot(host, session);
    this.#first =
      (await this.#resume(host)) ??
      (await boot(
        host,
        session.whileBooting((console) => this.#keep(console)),
      ));
    return this.#first;
  }

  /** Resolves when the machine has been captured; it is written while it runs. */
  async #keep(console: Uint8Array): Promise<void> {
    const capturing = this.#first!.capture();
    this.#keeping = capturing.then((state) => this.#options.cache.keep(state, console));
    // A machine that cannot be captured has failed, and says so itself.
    await capturing.catch(() => {});
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
