import type { WasmModule } from "../core/wasm.js";
import { Recorder } from "../machine/history/recorder.js";
import { type Boot, type Drive, type HostServices, type Identity, Machine } from "../machine/machine.js";
import type { MachineState, OutsideDisk } from "../machine/machine-state.js";
import type { ProcessorTurns } from "../machine/processor-turns.js";
import type { MachineFile } from "../snapshot/machine-file.js";
import { VivariumError } from "../util/errors.js";
import { MachineSources } from "./machine-sources.js";
import type { MachineWiring } from "./machine-wiring.js";
import { type FromWorker, type MachineSetup, packError } from "./messages.js";
import type { WorkerPlatform } from "./platform.js";

/** What a machine is made from, opened. */
export interface Parts {
  readonly setup: MachineSetup;
  /** Read when it is first needed, which is never for a fork that does not restart. */
  boot(): Promise<Boot>;
  /** Of a machine that can be made anew; none out of a file. */
  readonly drives: readonly Drive[];
  /** By slot: those that are not part of a state. */
  readonly outside: readonly (Drive | undefined)[];
}

export interface MachineMakerOptions {
  readonly platform: WorkerPlatform;
  /** Null for a machine that has the thread for itself. */
  readonly turns: ProcessorTurns | null;
  readonly host: HostServices;
  readonly wiring: MachineWiring;
  readonly post: (message: FromWorker) => void;
}

/** Makes one machine after the other of the same parts: switched on, or going on from a state. */
export class MachineMaker {
  readonly #options: MachineMakerOptions;
  readonly #sources: MachineSources;
  #core: Promise<WasmModule> | null = null;
  #parts: Parts | null = null;
  #recordsTo: MachineFile | null = null;

  constructor(options: MachineMakerOptions) {
    this.#options = options;
    const { platform, post } = options;
    this.#sources = new MachineSources(platform, (progress) => post({ kind: "progress", progress }));
  }

  /** Null before they are opened. */
  get setup(): MachineSetup | null {
    return this.#parts?.setup ?? null;
  }

  /** @throws VivariumError `machine/status` before they are opened */
  get parts(): Parts {
    if (this.#parts === null) throw new VivariumError("machine/status", "the machine has not been created");
    return this.#parts;
  }

  /** Whether there is something to boot. */
  get canBoot(): boolean {
    return this.parts.setup.guest.kind !== "saved";
  }

  /** With the image's own disk. */
  complete(setup: MachineSetup): Promise<MachineSetup> {
    return this.#sources.withImageDisk(setup);
  }

  /** Opens what the machine is made of and connected to. */
  async openParts(setup: MachineSetup): Promise<Parts> {
    const isSaved = setup.guest.kind === "saved";
    const drives = isSaved ? [] : await this.#sources.openDrives(setup);
    const outside = isSaved
      ? await this.#sources.openOutside(setup)
      : drives.map((drive, index) => (setup.drives[index]!.overlay ? undefined : drive));
    await this.#options.wiring.devices.open(setup);
    this.#parts = { setup, boot: once(() => this.#sources.readBoot(setup)), drives, outside };
    return this.#parts;
  }

  async closeParts(): Promise<void> {
    await this.#options.wiring.devices.close();
    await this.#sources.close();
  }

  /** The machine is elsewhere. */
  async releaseParts(): Promise<void> {
    this.#parts = null;
    await this.closeParts();
  }

  /** A guest that starts anew finds the same addresses. */
  keepAddresses(machine: Machine): void {
    const { setup } = this.parts;
    const networks = setup.networks.map((network, index) => ({ ...network, mac: machine.networks[index]!.ownMac }));
    this.#parts = { ...this.parts, setup: { ...setup, networks } };
  }

  loadCore(): Promise<WasmModule> {
    this.#core ??= this.#options.platform.loadCore();
    return this.#core;
  }

  /** The processor that another thread has compiled. */
  giveCore(core: WasmModule): void {
    this.#core = Promise.resolve(core);
  }

  /** The machine, switched on, of parts that can boot. */
  async powerOn(): Promise<Machine> {
    const { devices } = this.#options.wiring;
    const { setup } = this.parts;
    const machine = await this.#create(devices.atPowerOn(setup));
    devices.attach(machine, true);
    if (setup.balloonByteLength !== null) machine.balloons[0]?.setTarget(setup.balloonByteLength);
    return this.recorded(machine);
  }

  /** The state of the machine when it is switched on, of parts that can boot; nothing of it is run. */
  async powerOnState(): Promise<MachineState> {
    const machine = await this.#create(this.#options.wiring.devices.disconnected(this.parts.setup));
    return { ...(await machine.capture()), outside: this.#outsideAsTheyAre() };
  }

  async resume(state: MachineState, identity: Identity): Promise<Machine> {
    const { devices } = this.#options.wiring;
    const { setup, outside } = this.parts;
    const wires = { ...(await this.#wires(setup)), ...devices.atResume(setup) };
    const machine = await Machine.resume(state, { ...wires, drives: outside, identity });
    devices.attach(machine, false);
    return this.recorded(machine);
  }

  /** From now on machines are made to be recorded there; null not to be. */
  recordTo(file: MachineFile | null): void {
    this.#recordsTo = file;
  }

  /** Begins the machine's history, if it is to be recorded. */
  async recorded(machine: Machine): Promise<Machine> {
    if (this.#recordsTo !== null) await machine.record(await this.#recordsTo.record());
    return machine;
  }

  /** By slot, what disks were called that are not part of a state; nothing for one that was given as bytes. */
  outsideNames(): readonly (string | null)[] {
    const { setup, outside } = this.parts;
    const names = setup.drives.map(({ source }) => (typeof source === "string" ? source : ""));
    return outside.map((drive, slot) => (drive === undefined ? null : names[slot]!));
  }

  async #create(devices: ReturnType<MachineWiring["devices"]["atPowerOn"]>): Promise<Machine> {
    const { setup, boot, drives } = this.parts;
    const { hartCount, memoryByteLength, clock, virtio } = setup;
    const wires = await this.#wires(setup);
    return Machine.create({
      ...wires,
      ...devices,
      hartCount,
      memoryByteLength,
      clock,
      virtio,
      boot: await boot(),
      drives,
    });
  }

  async #wires({ ports, translate }: MachineSetup) {
    const { turns, host, wiring } = this.#options;
    return {
      core: await this.loadCore(),
      translate,
      ...(turns === null ? {} : { turns }),
      serial: wiring.console,
      ports: wiring.ports.wires(ports),
      host,
      ...(this.#recordsTo === null ? {} : { border: this.#recorder() }),
    };
  }

  #recorder(): Recorder {
    const { host, post } = this.#options;
    return new Recorder({ host, onFailure: (error) => post({ kind: "recording-failure", error: packError(error) }) });
  }

  /** A machine that is switched on has not looked at its disks yet. */
  #outsideAsTheyAre(): (OutsideDisk | null)[] {
    const anything = new Uint8Array();
    return this.outsideNames().map((name) => (name === null ? null : { name, digest: anything }));
  }
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => {
    made ??= make();
    return made;
  };
}
