import type { WasmModule } from "../core/wasm.js";
import { commandLineFor } from "../images/command-line.js";
import { encodeTerminalSize, encodeTime, PORT_CONTROL } from "../images/control-port.js";
import type { Image, ImageProgress } from "../images/image.js";
import { boardSchema } from "../machine/board-state.js";
import { Recorder } from "../machine/history/recorder.js";
import type { Boot, Drive, HostServices, Identity, MachineState } from "../machine/machine.js";
import { Machine as VirtMachine } from "../machine/machine.js";
import { replay } from "../snapshot/replay.js";
import type { BlockBackend } from "../storage/block-backend.js";
import { type BaseImage, CapturedDisk } from "../storage/captured-disk.js";
import { MemoryBlockBackend } from "../storage/memory.js";
import { unreachable, VivariumError } from "../util/errors.js";
import { decode } from "../util/schema.js";
import { ConsoleRelay } from "./console-relay.js";
import {
  type CallName,
  type Calls,
  type FromWorker,
  type GuestSetup,
  type MachineSetup,
  type MachineStatus,
  packError,
  type Source,
  type ToWorker,
} from "./messages.js";
import { buffersOf, StatePacker } from "./packed-state.js";
import type { OpenMachineFile, WorkerPlatform } from "./platform.js";
import { type ReplaySetup, reportReplay } from "./replay.js";

/** The machine as the worker's own program sees it, beside the caller at the channel: what keeps it in a file. */
export interface ServedMachine {
  /** @throws VivariumError `machine/status` when it is off */
  capture(): Promise<MachineState>;
  /** Goes on from a state, paused; `setup` is for when the guest starts anew. */
  adopt(setup: MachineSetup, state: MachineState, identity: Identity): Promise<void>;
  /** Goes back to a state of its own, as it was running or not. */
  restore(state: MachineState, identity: Identity): Promise<void>;
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
  readonly drives: readonly Drive[];
}

class MachineServer implements ServedMachine {
  readonly #platform: WorkerPlatform;
  readonly #host: HostServices;
  readonly #console: ConsoleRelay;
  readonly #open: BlockBackend[] = [];
  readonly #packer = new StatePacker();
  readonly #snapshots = new Map<number, MachineState>();
  #lastSnapshot = 0;
  /** Of the operator's terminal; null before it is known. */
  #size: { readonly columns: number; readonly rows: number } | null = null;
  #core: Promise<WasmModule> | null = null;
  /** The one that the machine is made of. */
  #image: Promise<Image> | null = null;
  /** Where the machine is saved. */
  #file: { readonly name: string; readonly opened: OpenMachineFile } | null = null;
  /** The file that its history is recorded in; null when it is not recorded. */
  #recordsTo: OpenMachineFile | null = null;
  /** Where it was saved before: snapshots in memory have their chunks there. */
  readonly #formerFiles: OpenMachineFile[] = [];
  #parts: Parts | null = null;
  #machine: VirtMachine | null = null;
  #status: MachineStatus = "off";
  /** The present run; resolves when it is over and all is settled. */
  #run: Promise<void> = Promise.resolve();
  /** Calls are served one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(platform: WorkerPlatform) {
    this.#platform = platform;
    this.#console = new ConsoleRelay((message) => this.#post(message));
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
        return answer(this.#machine?.stats() ?? { instructions: 0n, elapsedMs: 0, exits: NO_EXITS });
      case "stateHash":
        return answer(await this.#stateHash());
      case "close":
        await this.#halt("off");
        await Promise.all(this.#open.splice(0).map((drive) => drive.close()));
        await this.#closeFormerFiles();
        await this.#file?.opened.close();
        this.#file = null;
        return answer(undefined);
      default:
        return unreachable(name);
    }
  }

  async #create({ setup: given, record }: Calls["create"]["argument"]): Promise<MachineSetup> {
    if (record !== null) {
      this.#file = { name: record, opened: await this.#platform.createMachineFile(record) };
      this.#recordsTo = this.#file.opened;
    }
    const setup = await this.#withImageDisk(given);
    this.#parts = { setup, boot: once(() => this.#readBoot(setup.guest)), drives: await this.#openDrives(setup) };
    // Made at once, so that what cannot be is said by `create` and not by the first start.
    this.#machine = await this.#powerOn(this.#parts);
    return setup;
  }

  /** An image's own disk is the first one; the image stays as it is. */
  async #withImageDisk(setup: MachineSetup): Promise<MachineSetup> {
    const { guest, drives } = setup;
    if (guest.kind !== "image") return setup;
    const { disk } = await this.#openImage(guest.name);
    if (disk === null) return setup;
    return { ...setup, drives: [{ source: disk, readOnly: false, overlay: true, serial: "root" }, ...drives] };
  }

  #openImage(name: string): Promise<Image> {
    const onProgress = (progress: ImageProgress) => this.#post({ kind: "progress", progress });
    this.#image ??= this.#platform.openImage(name, { onProgress });
    return this.#image;
  }

  async #adoptFork({ setup, core, state, identity }: Calls["adopt"]["argument"]): Promise<void> {
    refuseSharedDrives(setup);
    this.#core = Promise.resolve(core);
    await this.#adopt(setup, this.#packer.unpack(state), identity);
  }

  async #adopt(setup: MachineSetup, state: MachineState, identity: Identity): Promise<void> {
    this.#parts = { setup, boot: once(() => this.#readBoot(setup.guest)), drives: await this.#openDrives(setup) };
    this.#machine = await this.#resume(state, this.#parts, identity);
    this.#setStatus("paused");
    this.#tellPorts();
  }

  async #openFile(argument: Calls["open"]["argument"]): Promise<Calls["open"]["answer"]> {
    const { name, record, replay } = argument;
    const opened = await this.#platform.openMachineFile(name);
    this.#file = { name, opened };
    if (record) this.#recordsTo = opened;
    const replayed = replay === null ? null : await this.#replay(opened.file, replay);
    const { state, identity } = replayed ?? this.#stateIn(opened.file, argument);
    const setup = setupOfState(state);
    this.#parts = { setup, boot: () => Promise.reject(cannotRestart()), drives: [] };
    this.#machine = await this.#resume(state, this.#parts, identity);
    this.#setStatus("paused");
    this.#tellPorts();
    return { setup, replayed: replayed?.report ?? null };
  }

  /** Runs a history again: what its guest writes to the console is heard, and nothing else. */
  async #replay(file: OpenMachineFile["file"], { translate, ...request }: ReplaySetup) {
    const done = await replay(file, request, {
      core: await this.#loadCore(),
      host: this.#host,
      serial: this.#console,
      translate,
    });
    this.#console.flush();
    return { state: await done.machine.capture(), identity: "renewed" as const, report: reportReplay(done) };
  }

  #stateIn(file: OpenMachineFile["file"], { name, snapshot, identity }: Calls["open"]["argument"]) {
    const point = snapshot === null ? file.present : file.find(snapshot);
    if (point === null)
      throw new VivariumError("file/empty", `${name}: no machine has been saved in it`, { file: name });
    return { state: file.load(point), identity: identity ?? file.identity };
  }

  async #save({ name, label }: Calls["save"]["argument"]): Promise<void> {
    const machine = this.#present();
    if (name !== null && name !== this.#file?.name) {
      const opened = await this.#platform.createMachineFile(name);
      if (this.#file !== null) this.#formerFiles.push(this.#file.opened);
      this.#file = { name, opened };
    }
    if (this.#file === null) {
      throw new VivariumError("option/invalid", "save: this machine has no file yet; expected the name of a new one");
    }
    this.#console.release();
    const state = await machine.capture();
    const options = { console: this.#console.tail(), ...(label === null ? {} : { name: label }) };
    await this.#file.opened.file.save(state, options);
    // What the machine still had in a former file is in this one, too.
    if (this.#snapshots.size === 0) await this.#closeFormerFiles();
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
        if (halt.kind !== "reboot" || this.#requireParts().setup.guest.kind === "saved") {
          this.#machine = null;
          this.#console.settle();
          this.#setStatus("off");
          this.#post({ kind: "halt", halt });
          return;
        }
        this.#machine = await this.#powerOn(this.#requireParts());
        this.#post({ kind: "reboot" });
        await this.#host.yieldToEvents();
      }
    } catch (error) {
      this.#machine = null;
      this.#console.settle();
      this.#closePorts();
      this.#setStatus("off");
      this.#post({ kind: "failure", error: packError(error) });
    }
  }

  /** Ends the present run: the machine stands still, or is gone. */
  async #halt(status: "paused" | "off"): Promise<void> {
    if (this.#status === "running") {
      this.#machine?.stop();
      this.#console.release();
      await this.#run;
    }
    if (status === "off") {
      await this.#machine?.endRecord();
      this.#closePorts();
      this.#console.settle();
      this.#machine = null;
      this.#setStatus("off");
    } else if (this.#machine !== null) {
      this.#setStatus("paused");
    }
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
    }
    this.#closePorts();
    this.#tellPorts();
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

  async #openDrives(setup: MachineSetup): Promise<Drive[]> {
    const drives: Drive[] = [];
    for (const [index, { source, readOnly, overlay, serial }] of setup.drives.entries()) {
      const name = `disk${index}`;
      const backend = overlay
        ? CapturedDisk.over(await this.#openBase(name, source), readOnly)
        : await this.#openDrive(name, source, readOnly);
      drives.push({ backend, serial });
    }
    return drives;
  }

  async #openDrive(name: string, source: Source, readOnly: boolean): Promise<BlockBackend> {
    if (typeof source !== "string") return new MemoryBlockBackend(source, { readOnly });
    return this.#opened(await this.#platform.openDrive(name, source, readOnly));
  }

  async #openBase(name: string, source: Source): Promise<BaseImage> {
    if (typeof source !== "string") return new MemoryBlockBackend(source, { readOnly: true });
    return this.#opened(await this.#platform.openBase(name, source));
  }

  #opened<T extends BlockBackend>(disk: T): T {
    this.#open.push(disk);
    return disk;
  }

  async #readBoot(guest: GuestSetup): Promise<Boot> {
    const read = async (what: string, source: Source): Promise<Uint8Array> =>
      typeof source === "string" ? this.#platform.readFile(what, source) : source;
    const initrdOf = async ({ initrd }: { readonly initrd?: Source }) =>
      initrd === undefined ? {} : { initrd: await read("initrd", initrd) };
    switch (guest.kind) {
      case "image": {
        const { kernel, initrd, commandLine: own, disk } = await this.#openImage(guest.name);
        const init = disk === null ? "busybox" : "systemd";
        const commandLine = commandLineFor(`${own} ${guest.append}`.trim(), { kind: "stay" }, init);
        if (guest.firmware === undefined) return { kind: "linux", kernel, initrd, commandLine };
        return { kind: "firmware", firmware: await read("firmware", guest.firmware), kernel, initrd, commandLine };
      }
      case "linux": {
        const { kind, commandLine } = guest;
        return { kind, kernel: await read("kernel", guest.kernel), commandLine, ...(await initrdOf(guest)) };
      }
      case "firmware": {
        const { kind, commandLine } = guest;
        const firmware = await read("firmware", guest.firmware);
        if (guest.kernel === undefined) return { kind, firmware, commandLine };
        const kernel = await read("kernel", guest.kernel);
        return { kind, firmware, kernel, commandLine, ...(await initrdOf(guest)) };
      }
      case "bare":
        return { kind: "bare", program: await read("program", guest.program) };
      case "saved":
        throw cannotRestart();
    }
  }

  async #powerOn({ setup, boot, drives }: Parts): Promise<VirtMachine> {
    const { hartCount, memoryByteLength, clock } = setup;
    const wires = await this.#wires(setup);
    return this.#recorded(
      await VirtMachine.create({ ...wires, hartCount, memoryByteLength, clock, boot: await boot(), drives }),
    );
  }

  async #resume(state: MachineState, { setup, drives }: Parts, identity: Identity): Promise<VirtMachine> {
    const outside = drives.map((drive, index) => (setup.drives[index]!.overlay ? undefined : drive));
    return this.#recorded(
      await VirtMachine.resume(state, { ...(await this.#wires(setup)), drives: outside, identity }),
    );
  }

  /** Begins the machine's history, if it is to be recorded. */
  async #recorded(machine: VirtMachine): Promise<VirtMachine> {
    if (this.#recordsTo !== null) await machine.record(await this.#recordsTo.file.record());
    return machine;
  }

  #loadCore(): Promise<WasmModule> {
    this.#core ??= this.#platform.loadCore();
    return this.#core;
  }

  async #wires({ ports }: MachineSetup) {
    return {
      core: await this.#loadCore(),
      serial: this.#console,
      ports: ports.map((port) => ({
        name: port,
        receive: (bytes: Uint8Array) => this.#post({ kind: "port", port, bytes }, [bytes.buffer as ArrayBuffer]),
        openChanged: (open: boolean) => {
          this.#post({ kind: "port-open", port, open });
          if (open && port === PORT_CONTROL) this.#tellSize();
        },
      })),
      host: this.#host,
      ...(this.#recordsTo === null ? {} : { border: this.#recorder() }),
    };
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
  #tellPorts(): void {
    this.#tellSize();
    for (const name of this.#requireParts().setup.ports) {
      const port = this.#machine?.port(name);
      if (port?.open !== true) continue;
      this.#post({ kind: "port-open", port: name, open: true });
      // The guest's clock stood still.
      if (name === PORT_CONTROL) port.write(encodeTime(Number(this.#host.nowNs() / NS_PER_MS) / MS_PER_S));
    }
  }

  /** The machine as it is; one that waits for its console's reader does not stay in the way. */
  #capture(): Promise<MachineState> {
    const machine = this.#present();
    this.#console.release();
    return machine.capture();
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

function cannotRestart(): VivariumError {
  const message = "a machine from a file cannot be switched on anew: the file has only how it goes on";
  return new VivariumError("machine/status", message);
}

/** What a saved machine was made of, as far as its state says. */
function setupOfState(state: MachineState): MachineSetup {
  const { memoryByteLength, hartCount, clock, drives, ports } = decode(boardSchema, state.board);
  const driveSetups = drives.map(({ readOnly, captured, serial }) => {
    return { source: "", readOnly, overlay: captured, serial };
  });
  return { guest: { kind: "saved" }, memoryByteLength, hartCount, clock, drives: driveSetups, ports };
}

const NS_PER_MS = 1_000_000n;
const MS_PER_S = 1000;

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

const NO_EXITS = { budget: 0, idle: 0, ecall: 0, stop: 0, stuck: 0 };
