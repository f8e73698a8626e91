import { tellGuest } from "../control/tell-guest.js";
import type { WasmModule } from "../core/wasm.js";
import type { BalloonStatistics, VirtioBalloon } from "../devices/virtio/balloon.js";
import { encodeTerminalSize, PORT_CONTROL } from "../images/control-port.js";
import { type BoardState, boardSchema } from "../machine/board-state.js";
import { Recorder } from "../machine/history/recorder.js";
import type { Boot, Drive, HostServices, Identity, MachineState } from "../machine/machine.js";
import { Machine as VirtMachine } from "../machine/machine.js";
import type { ProcessorTurns } from "../machine/processor-turns.js";
import type { MachineFile } from "../snapshot/machine-file.js";
import { replay } from "../snapshot/replay.js";
import { POWER_ON } from "../snapshot/snapshot-name.js";
import { unreachable, VivariumError } from "../util/errors.js";
import { decode } from "../util/schema.js";
import { ConsoleRelay } from "./console-relay.js";
import { DeviceWires } from "./device-wires.js";
import { noBalloon } from "./machine-balloon.js";
import { cannotRestart, MachineSources } from "./machine-sources.js";
import {
  type CallName,
  type Calls,
  type Connections,
  type FromWorker,
  type MachineSetup,
  type MachineStatus,
  packError,
  type ToWorker,
  type WorkerStats,
} from "./messages.js";
import { buffersOf, StatePacker } from "./packed-state.js";
import type { OpenMachineFile, WorkerPlatform } from "./platform.js";
import { type ReplayReport, type ReplaySetup, reportReplay } from "./replay.js";
import type { DetachedMachine } from "./transit.js";

/** The machine as the worker's own program sees it, beside the caller at the channel: what keeps it in a file. */
export interface ServedMachine {
  /** @throws VivariumError `machine/status` when it is off */
  capture(): Promise<MachineState>;
  /** Goes on from a state, paused; `setup` is for when the guest starts anew. */
  adopt(setup: MachineSetup, state: MachineState, identity: Identity): Promise<void>;
  /** Goes back to a state of its own, as it was running or not. */
  restore(state: MachineState, identity: Identity): Promise<void>;
  /**
   * Begins to record the machine's history in a file, or with null ends that; it runs on if it ran.
   *
   * @throws VivariumError `machine/status` when it is off
   */
  record(file: MachineFile | null): Promise<void>;
  /**
   * Runs the newest history of a file again, to the console. The machine itself stands still meanwhile.
   *
   * @throws VivariumError as `snapshot/replay.ts` says
   */
  replay(file: MachineFile): Promise<ReplayReport>;
}

/** A machine whose worker decides about it, not the caller: one of many that a worker serves. */
export interface HostedServer extends ServedMachine {
  receive(message: ToWorker): void;
  /** Null while it is off. */
  readonly machine: VirtMachine | null;
  readonly status: MachineStatus;
  /** What it is made of, the image's own disk included; null before `create`. */
  readonly setup: MachineSetup | null;
  /** The end of what the guest has written. */
  readonly consoleTail: Uint8Array;
  create(setup: MachineSetup): Promise<MachineSetup>;
  /** With the image's own disk, as `create` answers. */
  complete(setup: MachineSetup): Promise<MachineSetup>;
  start(): Promise<void>;
  pause(): Promise<void>;
  /** Switches the machine off at once, and closes what it is made of. */
  close(): Promise<void>;
  /**
   * Takes the machine out amid everything. Its users are told nothing, and nothing more comes from here.
   *
   * @throws VivariumError `machine/status` when it is off
   */
  detach(): Promise<DetachedMachine>;
  /** Goes on, paused, with a machine that was taken out of a server elsewhere; its users are told nothing. */
  attach(machine: Pick<DetachedMachine, "setup" | "state" | "transit">, identity: Identity): Promise<void>;
}

/** Serves one machine to the program at the other end of the channel, which hands over its messages itself. */
export function hostMachine(platform: WorkerPlatform, turns: ProcessorTurns): HostedServer {
  return new MachineServer(platform, turns);
}

/** Serves one machine to the program at the other end of the channel: what a worker does. */
export function serveMachine(platform: WorkerPlatform): ServedMachine {
  const server = new MachineServer(platform);
  platform.channel.onMessage((message) => server.receive(message as ToWorker));
  return server;
}

/** What a machine is made from, opened. */
interface Parts {
  readonly setup: MachineSetup;
  /** Read when it is first needed, which is never for a fork that does not restart. */
  boot(): Promise<Boot>;
  /** Of a machine that can be made anew; none out of a file. */
  readonly drives: readonly Drive[];
  /** By slot: those that are not part of a state. */
  readonly outside: readonly (Drive | undefined)[];
}

class MachineServer implements HostedServer {
  readonly #platform: WorkerPlatform;
  readonly #turns: ProcessorTurns | null;
  readonly #host: HostServices;
  readonly #console: ConsoleRelay;
  readonly #sources: MachineSources;
  readonly #devices: DeviceWires;
  readonly #packer = new StatePacker();
  readonly #snapshots = new Map<number, MachineState>();
  #lastSnapshot = 0;
  /** Of the operator's terminal; null before it is known. */
  #size: { readonly columns: number; readonly rows: number } | null = null;
  #core: Promise<WasmModule> | null = null;
  /** Where the machine is saved. */
  #file: { readonly name: string; readonly opened: OpenMachineFile } | null = null;
  /** The file that its history is recorded in; null when it is not recorded. */
  #recordsTo: MachineFile | null = null;
  /** Where it was saved before: snapshots in memory have their chunks there. */
  readonly #formerFiles: OpenMachineFile[] = [];
  #parts: Parts | null = null;
  #machine: VirtMachine | null = null;
  /** The one that was switched off last: its disks are those of the next. */
  #former: VirtMachine | null = null;
  #isAttaching = false;
  #status: MachineStatus = "off";
  /** The present run; resolves when it is over and all is settled. */
  #run: Promise<void> = Promise.resolve();
  /** Calls are served one after the other. */
  #turn: Promise<void> = Promise.resolve();

  /** @param turns null for a machine that has the thread for itself */
  constructor(platform: WorkerPlatform, turns: ProcessorTurns | null = null) {
    this.#platform = platform;
    this.#turns = turns;
    this.#console = new ConsoleRelay((message) => this.#post(message));
    this.#sources = new MachineSources(platform, (progress) => this.#post({ kind: "progress", progress }));
    this.#devices = new DeviceWires(platform, (message, transfer) => this.#post(message, transfer));
    this.#host = platform.hostServices(() => this.#console.beforeGuest(this.#machine));
  }

  receive(message: ToWorker): void {
    switch (message.kind) {
      case "call":
        this.#turn = this.#turn.then(() => this.#serve(message.id, message.name, message.argument));
        return;
      case "port":
        // A machine that is off has no device to write to: nobody hears it.
        if (this.#parts?.setup.ports.includes(message.port) === true) {
          this.#machine?.port(message.port).write(message.bytes);
        }
        return;
      case "link":
      case "socket":
      case "input":
        this.#devices.receive(message);
        return;
      case "wanted":
        return;
      case "type":
        this.#console.type(message.bytes, this.#machine);
        return;
      case "resize":
        this.#size = message;
        this.#tellSize();
        return;
      case "hold-console":
        this.#console.hold(message.hold);
        return;
      case "console-taken":
        this.#console.taken(message.byteLength);
        return;
      default:
        unreachable(message);
    }
  }

  capture(): Promise<MachineState> {
    return this.#inTurn(() => this.#capture());
  }

  adopt(setup: MachineSetup, state: MachineState, identity: Identity): Promise<void> {
    return this.#inTurn(() => this.#adopt(setup, state, identity));
  }

  restore(state: MachineState, identity: Identity): Promise<void> {
    return this.#inTurn(() => this.#restore(state, identity));
  }

  record(file: MachineFile | null): Promise<void> {
    return this.#inTurn(() => this.#record(file));
  }

  replay(file: MachineFile): Promise<ReplayReport> {
    return this.#inTurn(async () => {
      if (this.#status === "running") await this.#halt("paused");
      const { report } = await this.#replay(file, { translate: "on" });
      return report;
    });
  }

  get machine(): VirtMachine | null {
    return this.#machine;
  }

  get status(): MachineStatus {
    return this.#status;
  }

  get setup(): MachineSetup | null {
    return this.#parts?.setup ?? null;
  }

  get consoleTail(): Uint8Array {
    return this.#console.tail();
  }

  complete(setup: MachineSetup): Promise<MachineSetup> {
    return this.#sources.withImageDisk(setup);
  }

  create(setup: MachineSetup): Promise<MachineSetup> {
    return this.#inTurn(() => this.#create({ setup, record: null }));
  }

  start(): Promise<void> {
    return this.#inTurn(() => this.#start());
  }

  pause(): Promise<void> {
    return this.#inTurn(() => this.#halt("paused"));
  }

  close(): Promise<void> {
    return this.#inTurn(() => this.#close());
  }

  detach(): Promise<DetachedMachine> {
    return this.#inTurn(() => this.#detach());
  }

  attach(machine: Pick<DetachedMachine, "setup" | "state" | "transit">, identity: Identity): Promise<void> {
    return this.#inTurn(() => this.#attach(machine, identity));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.then(
      () => {},
      () => {},
    );
    return done;
  }

  async #serve(id: number, name: CallName, argument: unknown): Promise<void> {
    try {
      const { value, transfer } = await this.#answer(name, argument);
      this.#post({ kind: "answer", id, value }, transfer);
    } catch (error) {
      this.#post({ kind: "refusal", id, error: packError(error) });
    }
  }

  async #answer(name: CallName, argument: unknown): Promise<Answer> {
    const given = <N extends CallName>() => argument as Calls[N]["argument"];
    switch (name) {
      case "create":
        return answer(await this.#create(given<"create">()));
      case "adopt":
        return answer(await this.#adoptFork(given<"adopt">()));
      case "open":
        return answer(await this.#openFile(given<"open">()));
      case "save":
        return answer(await this.#save(given<"save">()));
      case "start":
        return answer(await this.#start());
      case "pause":
        return answer(await this.#halt("paused"));
      case "stop":
        return answer(await this.#halt("off"));
      case "reset":
        await this.#halt("off");
        return answer(await this.#start());
      case "snapshot": {
        const state = await this.#capture();
        this.#snapshots.set(++this.#lastSnapshot, state);
        return answer({ id: this.#lastSnapshot, instructions: state.instructions });
      }
      case "restore": {
        const { id, identity } = given<"restore">();
        return answer(await this.#restore(this.#snapshot(id), identity));
      }
      case "deleteSnapshot":
        this.#snapshots.delete(given<"deleteSnapshot">().id);
        return answer(undefined);
      case "pack":
        return this.#pack(given<"pack">());
      case "stats":
        return answer(this.#stats());
      case "setBalloon":
        this.#balloon.setTarget(given<"setBalloon">().byteLength);
        return answer(undefined);
      case "guestMemory":
        return answer(await this.#guestMemory());
      case "stateHash":
        return answer(await this.#stateHash());
      case "close":
        return answer(await this.#close());
      default:
        return unreachable(name);
    }
  }

  async #close(): Promise<void> {
    await this.#halt("off");
    await this.#closeParts();
    await this.#closeFormerFiles();
    await this.#file?.opened.close();
    this.#file = null;
  }

  async #closeParts(): Promise<void> {
    await this.#devices.close();
    await this.#sources.close();
  }

  async #detach(): Promise<DetachedMachine> {
    const isRunning = this.#status === "running";
    if (isRunning) await this.#standStill();
    const machine = this.#present();
    await machine.endRecord();
    const { setup } = this.#requireParts();
    const ports = setup.ports.map((name) => ({ name, waiting: machine.port(name).takeWaiting() }));
    const links = this.#devices.handOver();
    const transit = { console: this.#console.handOver(), ports, size: this.#size, links };
    const state = await machine.capture();
    this.#forget();
    this.#status = "off";
    this.#parts = null;
    await this.#closeParts();
    return { setup, state, transit, isRunning };
  }

  async #attach(
    { setup, state, transit }: Pick<DetachedMachine, "setup" | "state" | "transit">,
    identity: Identity,
  ): Promise<void> {
    const parts = await this.#openParts(setup);
    this.#size = transit.size;
    this.#console.takeOver(transit.console);
    this.#devices.takeOver(transit.links);
    this.#isAttaching = true;
    const machine = await this.#resume(state, parts, identity).finally(() => {
      this.#isAttaching = false;
    });
    this.#machine = machine;
    this.#status = "paused";
    for (const { name, waiting } of transit.ports) for (const bytes of waiting) machine.port(name).write(bytes);
    tellGuest(machine, this.#host, identity);
    this.#keepAddresses(machine);
  }

  async #create({ setup: given, record }: Calls["create"]["argument"]): Promise<MachineSetup> {
    if (record !== null) {
      this.#file = { name: record, opened: await this.#platform.createMachineFile(record) };
      this.#recordsTo = this.#file.opened.file;
    }
    const setup = await this.#sources.withImageDisk(given);
    await this.#openParts(setup);
    // Made at once, so that what cannot be is said by `create` and not by the first start.
    this.#machine = await this.#powerOn(this.#requireParts());
    return setup;
  }

  /** Opens what the machine is made of and connected to. */
  async #openParts(setup: MachineSetup): Promise<Parts> {
    const isSaved = setup.guest.kind === "saved";
    const drives = isSaved ? [] : await this.#sources.openDrives(setup);
    const outside = isSaved
      ? await this.#sources.openOutside(setup)
      : drives.map((drive, index) => (setup.drives[index]!.overlay ? undefined : drive));
    await this.#devices.open(setup);
    this.#parts = { setup, boot: once(() => this.#sources.readBoot(setup)), drives, outside };
    return this.#parts;
  }

  async #adoptFork({ setup, core, state, identity, start }: Calls["adopt"]["argument"]): Promise<void> {
    refuseSharedDrives(setup);
    this.#core = Promise.resolve(core);
    await this.#adopt(setup, this.#packer.unpack(state), identity);
    if (start) await this.#start();
  }

  async #adopt(setup: MachineSetup, state: MachineState, identity: Identity): Promise<void> {
    this.#machine = await this.#resume(state, await this.#openParts(setup), identity);
    this.#setStatus("paused");
    this.#tellPorts(identity);
  }

  async #openFile(argument: Calls["open"]["argument"]): Promise<Calls["open"]["answer"]> {
    const { name, connections, record, replay } = argument;
    const opened = await this.#platform.openMachineFile(name);
    this.#file = { name, opened };
    if (record) this.#recordsTo = opened.file;
    const replayed = replay === null ? null : await this.#replay(opened.file, replay);
    const { state, identity } = replayed ?? this.#stateIn(opened.file, argument);
    const setup = setupOfBoard(decode(boardSchema, state.board), connections);
    const parts = await this.#openParts(setup);
    await opened.file.checkOutside(state, parts.outside);
    this.#machine = await this.#resume(state, parts, identity);
    this.#setStatus("paused");
    this.#tellPorts(identity);
    return { setup, replayed: replayed?.report ?? null };
  }

  /** Runs a history again: what its guest writes to the console is heard, and nothing else. */
  async #replay(file: MachineFile, { translate, ...request }: ReplaySetup) {
    const done = await replay(file, request, {
      core: await this.#loadCore(),
      host: this.#host,
      serial: this.#console,
      translate,
    });
    this.#console.flush();
    return { state: await done.machine.capture(), identity: "renewed" as const, report: reportReplay(done) };
  }

  #stateIn(file: MachineFile, { name, snapshot, identity }: Calls["open"]["argument"]) {
    const point = snapshot === null ? file.present : file.find(snapshot);
    if (point === null)
      throw new VivariumError("file/empty", `${name}: no machine has been saved in it`, { file: name });
    return { state: file.load(point), identity: identity ?? file.identity };
  }

  async #save({ name, label }: Calls["save"]["argument"]): Promise<void> {
    this.#present();
    const former = this.#file?.opened ?? null;
    const isNew = name !== null && name !== this.#file?.name;
    if (isNew) {
      const opened = await this.#platform.createMachineFile(name);
      if (this.#file !== null) this.#formerFiles.push(this.#file.opened);
      this.#file = { name, opened };
    }
    if (this.#file === null) {
      throw new VivariumError("option/invalid", "save: this machine has no file yet; expected the name of a new one");
    }
    if (isNew) await this.#savePowerOn(this.#file.opened, former);
    this.#console.release();
    const { file } = this.#file.opened;
    const state = await this.#captureWithDisks(file);
    const options = { console: this.#console.tail(), ...(label === null ? {} : { name: label }) };
    await file.save(state, options);
    // What the machine still had in a former file is in this one, too.
    if (this.#snapshots.size === 0) await this.#closeFormerFiles();
  }

  /** With what is on disks that are not part of the state; the guest stands still while they are read. */
  async #captureWithDisks(file: MachineFile): Promise<MachineState> {
    const { outside } = this.#requireParts();
    if (outside.every((drive) => drive === undefined)) return this.#present().capture();
    const isRunning = this.#status === "running";
    if (isRunning) await this.#standStill();
    try {
      const state = await this.#present().capture();
      return { ...state, outside: await file.lookAtOutside(this.#outsideNames(), outside) };
    } finally {
      if (isRunning && this.#machine !== null) this.#run = this.#runUntilHalt();
    }
  }

  /** The machine as it is when it is switched on, for when it is: a file has nothing else to boot. */
  async #savePowerOn({ file }: OpenMachineFile, former: OpenMachineFile | null): Promise<void> {
    const { setup, boot, drives } = this.#requireParts();
    if (setup.guest.kind === "saved") {
      const state = former === null ? null : powerOnOf(former);
      if (state !== null) await file.save(state, { name: POWER_ON });
      return;
    }
    const { hartCount, memoryByteLength, clock } = setup;
    const machine = await VirtMachine.create({
      ...(await this.#wires(setup)),
      ...this.#devices.disconnected(setup),
      hartCount,
      memoryByteLength,
      clock,
      boot: await boot(),
      drives,
    });
    const anything = new Uint8Array();
    const outside = this.#outsideNames().map((name) => (name === null ? null : { name, digest: anything }));
    await file.save({ ...(await machine.capture()), outside }, { name: POWER_ON });
  }

  /** By slot, what disks were called that are not part of a state; nothing for one that was given as bytes. */
  #outsideNames(): readonly (string | null)[] {
    const { setup, outside } = this.#requireParts();
    const names = setup.drives.map(({ source }) => (typeof source === "string" ? source : ""));
    return outside.map((drive, slot) => (drive === undefined ? null : names[slot]!));
  }

  /** A machine out of a file is switched on as it was first, with the disks that it has now. */
  async #powerOnFromFile(parts: Parts): Promise<VirtMachine> {
    const state = this.#file === null ? null : powerOnOf(this.#file.opened);
    if (state === null) throw cannotRestart();
    const drives = this.#former === null ? state.drives : (await this.#former.capture()).drives;
    const machine = await this.#resume({ ...state, drives }, parts, "renewed");
    this.#former = null;
    this.#devices.renewLinks();
    return machine;
  }

  #canRestart(): boolean {
    if (this.#requireParts().setup.guest.kind !== "saved") return true;
    return this.#file !== null && powerOnOf(this.#file.opened) !== null;
  }

  async #closeFormerFiles(): Promise<void> {
    for (const former of this.#formerFiles.splice(0)) await former.close();
  }

  async #start(): Promise<void> {
    if (this.#status === "running") return;
    const machine = this.#machine ?? (await this.#powerOn(this.#requireParts()));
    this.#machine = machine;
    this.#setStatus("running");
    this.#run = this.#runUntilHalt();
  }

  async #runUntilHalt(): Promise<void> {
    try {
      for (;;) {
        const halt = await this.#machine!.run();
        this.#console.flush();
        if (halt.kind === "stopped") return;
        await this.#machine?.endRecord();
        this.#closePorts();
        if (halt.kind !== "reboot" || !this.#canRestart()) {
          this.#forget();
          this.#console.settle();
          this.#setStatus("off");
          this.#post({ kind: "halt", halt });
          return;
        }
        this.#forget();
        this.#machine = await this.#powerOn(this.#requireParts());
        this.#post({ kind: "reboot" });
        await this.#host.yieldToEvents();
      }
    } catch (error) {
      this.#forget();
      this.#console.settle();
      this.#closePorts();
      this.#setStatus("off");
      this.#post({ kind: "failure", error: packError(error) });
    }
  }

  /** Ends the present run: the machine stands still, or is gone. */
  async #halt(status: "paused" | "off"): Promise<void> {
    if (this.#status === "running") await this.#standStill();
    if (status === "off") {
      await this.#machine?.endRecord();
      this.#closePorts();
      this.#console.settle();
      this.#forget();
      this.#setStatus("off");
    } else if (this.#machine !== null) {
      this.#setStatus("paused");
    }
  }

  /** Ends the present run, amid everything. */
  async #standStill(): Promise<void> {
    this.#machine?.stop();
    this.#console.release();
    await this.#run;
  }

  /** The machine is off. */
  #forget(): void {
    if (this.#parts?.setup.guest.kind === "saved") this.#former = this.#machine ?? this.#former;
    this.#machine = null;
    this.#devices.detach();
  }

  async #restore(state: MachineState, identity: Identity): Promise<void> {
    if (this.#machine === null) {
      this.#machine = await this.#resume(state, this.#requireParts(), identity);
      this.#setStatus("paused");
    } else {
      // What waits for the guest is for a guest that is no more.
      for (const name of this.#requireParts().setup.ports) this.#machine.port(name).discard();
      this.#console.release();
      await this.#machine.restore(state, { identity });
      await this.#recorded(this.#machine);
      this.#devices.renewLinks();
    }
    this.#closePorts();
    this.#tellPorts(identity);
  }

  async #pack({ id, count }: Calls["pack"]["argument"]): Promise<Answer> {
    const state = id === null ? await this.#capture() : this.#snapshot(id);
    const states = this.#packer.pack(state, count);
    const transfer = [...new Set(states.flatMap(buffersOf))];
    return { value: { core: await this.#loadCore(), states } satisfies Calls["pack"]["answer"], transfer };
  }

  async #stateHash(): Promise<string> {
    if (this.#status === "running") {
      throw new VivariumError("machine/status", "the state of a running machine has no hash; pause it first");
    }
    return this.#present().stateHash();
  }

  async #powerOn(parts: Parts): Promise<VirtMachine> {
    const { setup, boot, drives } = parts;
    if (setup.guest.kind === "saved") return this.#powerOnFromFile(parts);
    const { hartCount, memoryByteLength, clock } = setup;
    const wires = await this.#wires(setup);
    const machine = await VirtMachine.create({
      ...wires,
      ...this.#devices.atPowerOn(setup),
      hartCount,
      memoryByteLength,
      clock,
      boot: await boot(),
      drives,
    });
    this.#devices.attach(machine, true);
    if (setup.balloonByteLength !== null) machine.balloons[0]?.setTarget(setup.balloonByteLength);
    return this.#recorded(machine);
  }

  async #resume(state: MachineState, { setup, outside }: Parts, identity: Identity): Promise<VirtMachine> {
    const wires = { ...(await this.#wires(setup)), ...this.#devices.atResume(setup) };
    const machine = await VirtMachine.resume(state, { ...wires, drives: outside, identity });
    this.#devices.attach(machine, false);
    return this.#recorded(machine);
  }

  /** Begins the machine's history, if it is to be recorded. */
  async #recorded(machine: VirtMachine): Promise<VirtMachine> {
    if (this.#recordsTo !== null) await machine.record(await this.#recordsTo.record());
    return machine;
  }

  #loadCore(): Promise<WasmModule> {
    this.#core ??= this.#platform.loadCore();
    return this.#core;
  }

  async #wires({ ports, translate }: MachineSetup) {
    return {
      core: await this.#loadCore(),
      translate,
      ...(this.#turns === null ? {} : { turns: this.#turns }),
      serial: this.#console,
      ports: ports.map((port) => ({
        name: port,
        receive: (bytes: Uint8Array) => this.#post({ kind: "port", port, bytes }, [bytes.buffer as ArrayBuffer]),
        openChanged: (open: boolean) => {
          // Of a machine that is only elsewhere now, its users know how its ports are.
          if (this.#isAttaching) return;
          this.#post({ kind: "port-open", port, open });
          if (open && port === PORT_CONTROL) this.#tellSize();
        },
      })),
      host: this.#host,
      ...(this.#recordsTo === null ? {} : { border: this.#recorder() }),
    };
  }

  /** A machine that is to be recorded has to be made so: it goes on in another one, at the same instruction. */
  async #record(file: MachineFile | null): Promise<void> {
    const isRunning = this.#status === "running";
    if (isRunning) await this.#standStill();
    const machine = this.#present();
    await machine.endRecord();
    this.#recordsTo = file;
    try {
      if (file !== null) await this.#remake(machine);
    } catch (error) {
      this.#recordsTo = null;
      throw error;
    } finally {
      if (isRunning) this.#run = this.#runUntilHalt();
    }
  }

  async #remake(machine: VirtMachine): Promise<void> {
    const parts = this.#requireParts();
    const ports = parts.setup.ports.map((name) => ({ name, waiting: machine.port(name).takeWaiting() }));
    this.#isAttaching = true;
    let next = machine;
    try {
      next = await this.#resume(await machine.capture(), parts, "kept");
    } catch (error) {
      this.#devices.attach(machine, false);
      throw error;
    } finally {
      this.#isAttaching = false;
      this.#machine = next;
      for (const { name, waiting } of ports) for (const bytes of waiting) next.port(name).write(bytes);
    }
  }

  #recorder(): Recorder {
    const onFailure = (error: unknown) => this.#post({ kind: "recording-failure", error: packError(error) });
    return new Recorder({ host: this.#host, onFailure });
  }

  /** By the virtio console, and to the guest that listens for it because a serial line has no size. */
  #tellSize(): void {
    if (this.#size === null || this.#machine === null) return;
    const { columns, rows } = this.#size;
    this.#machine.resizeConsole(columns, rows);
    if (this.#parts?.setup.ports.includes(PORT_CONTROL) !== true) return;
    const control = this.#machine.port(PORT_CONTROL);
    if (control.open) control.write(encodeTerminalSize(columns, rows));
  }

  #closePorts(): void {
    for (const port of this.#parts?.setup.ports ?? []) this.#post({ kind: "port-open", port, open: false });
  }

  /** After the machine has taken over a state. */
  #tellPorts(identity: Identity): void {
    this.#tellSize();
    const machine = this.#present();
    for (const name of this.#requireParts().setup.ports) {
      if (machine.port(name).open) this.#post({ kind: "port-open", port: name, open: true });
    }
    tellGuest(machine, this.#host, identity);
    this.#keepAddresses(machine);
  }

  /** The guest finds the same addresses when it starts anew. */
  #keepAddresses(machine: VirtMachine): void {
    const parts = this.#requireParts();
    const networks = parts.setup.networks.map((network, index) => ({
      ...network,
      mac: machine.networks[index]!.ownMac,
    }));
    this.#parts = { ...parts, setup: { ...parts.setup, networks } };
  }

  /** The machine as it is; one that waits for its console's reader does not stay in the way. */
  #capture(): Promise<MachineState> {
    const machine = this.#present();
    this.#console.release();
    return machine.capture();
  }

  #stats(): WorkerStats {
    const machine = this.#machine;
    if (machine === null) return OFF;
    const [balloon] = machine.balloons;
    if (balloon === undefined) return { ...machine.stats(), balloon: null };
    const { byteLength, targetByteLength, givenByteLength } = balloon;
    return { ...machine.stats(), balloon: { byteLength, targetByteLength, givenByteLength } };
  }

  get #balloon(): VirtioBalloon {
    const balloon = this.#machine?.balloons[0];
    if (balloon === undefined) throw noBalloon();
    return balloon;
  }

  /** A guest that stands still says nothing. */
  async #guestMemory(): Promise<BalloonStatistics | null> {
    const balloon = this.#balloon;
    return this.#status === "running" ? balloon.statistics() : null;
  }

  #present(): VirtMachine {
    if (this.#machine === null) throw new VivariumError("machine/status", "the machine is off; start it first");
    return this.#machine;
  }

  #snapshot(id: number): MachineState {
    const state = this.#snapshots.get(id);
    if (state === undefined) throw new VivariumError("snapshot/unknown", "this snapshot has been deleted");
    return state;
  }

  #requireParts(): Parts {
    if (this.#parts === null) throw new VivariumError("machine/status", "the machine has not been created");
    return this.#parts;
  }

  #setStatus(status: MachineStatus): void {
    if (status === this.#status) return;
    this.#status = status;
    this.#post({ kind: "status", status });
  }

  #post(message: FromWorker, transfer: readonly ArrayBuffer[] = []): void {
    this.#platform.channel.post(message, transfer);
  }
}

/** Null for a file that has none. */
function powerOnOf({ file }: OpenMachineFile): MachineState | null {
  const point = file.snapshots.find(({ name }) => name === POWER_ON);
  return point === undefined ? null : file.load(point);
}

/** A machine as its state says, connected again. */
export function setupOfBoard(
  { memoryByteLength, hartCount, clock, drives, ports, networks, shares, socketCids, balloonCount, inputs }: BoardState,
  connections: Connections,
): MachineSetup {
  if (connections.networkCount > networks.length) {
    const message = `${connections.networkCount} networks; this machine has ${networks.length} network devices`;
    throw new VivariumError("machine/networks", message, { count: networks.length });
  }
  const unknown = connections.shares.find(({ tag }) => !shares.includes(tag));
  if (unknown !== undefined) {
    throw new VivariumError("machine/shares", `this machine has no folder ${unknown.tag}`, { tag: unknown.tag });
  }
  const outside = drives.flatMap(({ captured }, slot) => (captured ? [] : [slot]));
  if (connections.drives.length > outside.length) {
    const message = `${connections.drives.length} drives; this machine has ${outside.length} disks outside of its file`;
    throw new VivariumError("machine/drives", message, { count: outside.length });
  }
  if (connections.sockets.length > socketCids.length) {
    const message = `${connections.sockets.length} sockets; this machine has ${socketCids.length} socket devices`;
    throw new VivariumError("machine/sockets", message, { count: socketCids.length });
  }
  return {
    guest: { kind: "saved" },
    memoryByteLength,
    hartCount,
    clock,
    drives: drives.map(({ readOnly, captured, serial }, slot) => {
      const source = captured ? "" : (connections.drives[outside.indexOf(slot)] ?? "");
      return { source, readOnly, overlay: captured, serial };
    }),
    ports,
    networks,
    shares: shares.map(
      (tag) =>
        connections.shares.find((share) => share.tag === tag) ?? {
          tag,
          directory: null,
          readOnly: true,
          mountPoint: null,
        },
    ),
    sockets: socketCids.map((cid, index) => ({ cid, path: connections.sockets[index] ?? null })),
    balloonByteLength: balloonCount === 0 ? null : 0,
    inputs,
    translate: connections.translate,
  };
}

/** Two machines that write one disk would destroy what is on it. */
function refuseSharedDrives(setup: MachineSetup): void {
  const shared = setup.drives.findIndex(({ overlay, readOnly }) => !overlay && !readOnly);
  if (shared < 0) return;
  const message = `disk${shared}: a fork cannot write the same file; give it to \`create\` with \`overlay: true\``;
  throw new VivariumError("machine/drives", message, { drive: `disk${shared}` });
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => {
    made ??= make();
    return made;
  };
}

interface Answer {
  readonly value: unknown;
  readonly transfer: readonly ArrayBuffer[];
}

function answer(value: unknown): Answer {
  return { value, transfer: [] };
}

/** Of a machine that is off. */
const OFF: WorkerStats = {
  instructions: 0n,
  elapsedMs: 0,
  exits: { budget: 0, idle: 0, ecall: 0, stop: 0, stuck: 0 },
  translation: {
    regions: 0,
    modules: 0,
    byteLength: 0,
    translateMs: 0,
    compileMs: 0,
    instructions: 0n,
    exits: { budget: 0, access: 0, step: 0, nested: 0, refused: 0, cold: 0 },
    invalidations: 0,
    restarts: 0,
  },
  balloon: null,
};
