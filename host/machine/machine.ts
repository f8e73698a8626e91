import { MAX_HARTS, MAX_RAM_BYTE_LENGTH, PAGE_BYTE_LENGTH } from "../../assembly/shared/layout.js";
import { CommitTracer } from "../core/commit-tracer.js";
import { Core, coreSchema } from "../core/core.js";
import { hartSchema } from "../core/hart.js";
import type { TranslationStats } from "../core/region-linker.js";
import type { VirtioBalloon } from "../devices/virtio/balloon.js";
import type { ConsolePort } from "../devices/virtio/console-port.js";
import type { VirtioInput, VirtioInputOptions } from "../devices/virtio/input.js";
import type { VirtioNet } from "../devices/virtio/net.js";
import type { VirtioVsock } from "../devices/virtio/vsock.js";
import type { SystemReset } from "../firmware/platform.js";
import { SbiFirmware } from "../firmware/sbi.js";
import { startSupervisor } from "../firmware/supervisor.js";
import { isCapturable } from "../storage/captured-disk.js";
import { assert, unreachable, VivariumError } from "../util/errors.js";
import { decode, encode, type SavedState } from "../util/schema.js";
import { Board, type Drive, type Network, type Share } from "./board.js";
import { type BoardState, boardOf, boardSchema, checkBoard, slotsOf } from "./board-state.js";
import { type Boot, type BootPlan, PRIVILEGE_S, planBoot } from "./boot.js";
import { Bus } from "./bus.js";
import { type GuestClock, HostClock, VirtualClock } from "./clock.js";
import type { Component } from "./component.js";
import { KASLR_SEED_BYTE_LENGTH, RNG_SEED_BYTE_LENGTH } from "./device-tree.js";
import { GuestMemory } from "./guest-memory.js";
import type { HostServices } from "./host-services.js";
import { Htif } from "./htif.js";
import type { MachineOptions, MachineWires, ResumeOptions } from "./machine-options.js";
import { MachinePort } from "./machine-port.js";
import type { MachineState } from "./machine-state.js";
import { memoryMapWith } from "./memory-map.js";
import { mebibytes } from "./placement.js";
import {
  checkContents,
  driveOf,
  hartName,
  networksOf,
  portsOf,
  refuseOtherBoard,
  refuseUnknownParts,
  sharesOf,
} from "./resume.js";
import { type ExitReason, type Halt, RunLoop, type RunnableProcessor } from "./run-loop.js";
import { SeededRandom } from "./seeded-random.js";
import { SerialInput, SerialOutput } from "./serial-line.js";
import { StateHash } from "./state-hash.js";

export type { Identity, MachineOptions, MachineWires, ResumeOptions } from "./machine-options.js";
export type { Boot, ConsolePort, Drive, Halt, HostServices, MachineState, Network, Share };

export interface MachineStats {
  /** Instructions retired by all harts. */
  readonly instructions: bigint;
  /** Time spent in `run`, sleep included. */
  readonly elapsedMs: number;
  /** How often the processor handed over to the machine, by reason. */
  readonly exits: Readonly<Record<ExitReason, number>>;
  readonly translation: TranslationStats;
}

const A2 = 12;
const CSR_MENVCFG = 0x30a;
/**
 * Harts of QEMU's board set A and D bits from power-on, and kernels that bring no firmware count on it: they write
 * page tables without these bits and take no page faults for them.
 */
const MENVCFG_ADUE = 1n << 61n;
/** A program that follows HTIF waits for its answers: they come at least so often. */
const HTIF_BUDGET_MAX = 100_000;

/** What a machine is put together of. */
interface MachineParts {
  readonly drives: readonly Drive[];
  readonly networks: readonly Network[];
  readonly shares: readonly Share[];
  readonly inputs: readonly VirtioInputOptions[];
  readonly bus: Bus;
  readonly core: Core;
  /** Null for a machine that need not run the same way again. */
  readonly random: SeededRandom | null;
}

/** One RISC-V computer, from power-on to its end. */
export class Machine {
  /** Typed characters for the serial console. */
  readonly serialInput: SerialInput;
  /** Every component that has state of its own besides harts and RAM, by name. */
  readonly devices: ReadonlyMap<string, Component>;
  readonly #boardState: BoardState;
  readonly #core: Core;
  readonly #clock: GuestClock;
  readonly #host: HostServices;
  readonly #drives: readonly Drive[];
  readonly #memory: GuestMemory;
  readonly #board: Board;
  readonly #output: SerialOutput;
  readonly #firmware: SbiFirmware | null;
  readonly #htif: Htif | null;
  readonly #loop: RunLoop;
  readonly #ports = new Map<string, MachinePort>();

  /**
   * A machine in its power-on state, with its programs in memory.
   *
   * @throws VivariumError naming what cannot be: too many harts, too much memory, a file that is not what it should
   *   be or does not fit
   */
  static async create(options: MachineOptions): Promise<Machine> {
    checkOptions(options);
    const random = options.clock === "virtual" ? new SeededRandom() : null;
    const seed = new Uint8Array(RNG_SEED_BYTE_LENGTH + KASLR_SEED_BYTE_LENGTH);
    fillRandom(seed, options.host, random);
    const slots = slotsOf(options);
    const plan = planBoot({ ...options, seed, memoryMap: memoryMapWith(Object.values(slots).flat()) });
    const board = boardOf(options, plan.htif);
    const bus = new Bus();
    const core = await createCore(board, options, bus);
    const { drives, networks = [], shares = [], inputs = [] } = options;
    const machine = new Machine(board, options, { drives, networks, shares, inputs, bus, core, random });
    machine.#start(plan);
    return machine;
  }

  /**
   * A machine that goes on where `state` was captured, on this computer or another.
   *
   * @throws VivariumError `bad-state` naming what in the state cannot be; `machine/drives` when a disk outside the
   *   state is missing or another one
   */
  static async resume(state: MachineState, options: ResumeOptions): Promise<Machine> {
    const board = decode(boardSchema, state.board);
    checkBoard(board);
    const drives = board.drives.map((drive, index) => driveOf(drive, index, state, options.drives?.[index]));
    const networks = networksOf(board, options.links ?? []);
    const shares = sharesOf(board, options.shares ?? []);
    const inputs = board.inputs.map((kind, index) => ({ ...options.inputs?.[index], kind }));
    const random = board.clock === "virtual" ? new SeededRandom() : null;
    const bus = new Bus();
    const core = await createCore(board, options, bus);
    const machine = new Machine(board, options, { drives, networks, shares, inputs, bus, core, random });
    machine.#load(state);
    if (options.identity !== "kept") machine.#renewIdentity();
    return machine;
  }

  private constructor(board: BoardState, wires: MachineWires, parts: MachineParts) {
    const { host } = wires;
    const { drives, networks, shares, inputs, bus, core, random } = parts;
    const virtualClock = board.clock === "virtual" ? new VirtualClock(core) : null;
    const clock: GuestClock = virtualClock ?? new HostClock(core, host);
    this.#boardState = board;
    this.#core = core;
    this.#clock = clock;
    this.#host = host;
    this.#drives = drives;
    this.#memory = new GuestMemory(core, (error) => this.#loop.fail(error));
    this.#output = new SerialOutput(wires.serial);
    this.#htif = board.htif === null ? null : new Htif(core.ram, board.htif, this.#output);
    this.#loop = new RunLoop(processorOf(core, wires.onCommit), clock, host, {
      budgetMax: this.#htif === null ? Number.MAX_SAFE_INTEGER : HTIF_BUDGET_MAX,
      beforeSlice: () => {
        this.serialInput.feed(this.#board.uart);
        this.#board.pollNetworks();
      },
      serveCall: (hart) => this.#serveCall(hart),
      afterSlice: () => this.#afterSlice(),
      // With virtual time, input and output end with the slice in which they were begun: at the same instruction
      // in every run.
      drainSlice: virtualClock === null ? () => Promise.resolve() : () => this.#board.drain(),
      drain: () => this.#board.drain(),
      isDead: () => core.harts.every((hart) => hart.runState === "stopped"),
    });
    this.#board = new Board(bus, {
      core,
      clock,
      serial: this.#output,
      slots: slotsOf(board),
      drives,
      inOrder: board.clock === "virtual",
      networks,
      shares,
      socketCids: board.socketCids,
      inputs,
      ports: portsOf(board, wires).map((port) => this.#connect(port)),
      randomBytes: (into) => fillRandom(into, host, random),
      finish: (finish) => this.#loop.halt(finish),
      wake: () => this.#loop.wake(),
    });
    this.serialInput = new SerialInput(() => this.#loop.wake());
    this.#firmware = board.firmware === "machine" ? this.#createFirmware() : null;
    this.devices = new Map<string, Component>([
      ...this.#board.devices,
      ["serial-input", this.serialInput],
      ...(this.#firmware === null ? [] : [["sbi-hsm", this.#firmware.hsm] as const]),
      ...(virtualClock === null ? [] : [["clock", virtualClock] as const]),
      ...(random === null ? [] : [["random", random] as const]),
    ]);
    for (const name of board.ports) {
      const port = this.#board.console?.port(name);
      assert(port !== undefined, `the console has no port ${name}`);
      this.#ports.set(name, new MachinePort(port));
    }
  }

  /** The whole machine as it is, between two instructions; also while it runs, which it goes on to do. */
  capture(): Promise<MachineState> {
    return this.#loop.between(() => this.#capture());
  }

  /**
   * Puts the machine into a state that was captured from it or from one like it; also while it runs. Consoles and ports
   * stay connected.
   *
   * @throws VivariumError `machine/other-board` for the state of a machine made of other parts, `bad-state` for one that
   *   cannot be; the machine is then as it was
   */
  restore(state: MachineState, options: Pick<ResumeOptions, "identity"> = {}): Promise<void> {
    return this.#loop.between(() => {
      refuseOtherBoard(this.#boardState, decode(boardSchema, state.board));
      const before = this.#capture();
      try {
        this.#load(state);
      } catch (error) {
        this.#load(before);
        throw error;
      }
      if (options.identity !== "kept") this.#renewIdentity();
    });
  }

  /** Runs until the guest ends itself or `stop` is called. */
  run(): Promise<Halt> {
    return this.#loop.run();
  }

  /** Ends `run` after the instruction being executed; before `run`, ends it at once. */
  stop(): void {
    this.#loop.halt({ kind: "stopped" });
  }

  hasPort(name: string): boolean {
    return this.#ports.has(name);
  }

  /** The host's end of a port that was given to `create`. */
  port(name: string): MachinePort {
    const port = this.#ports.get(name);
    assert(port !== undefined, `the machine has no port ${name}`);
    return port;
  }

  /** The network devices, in the order in which they were given to `create`. */
  get networks(): readonly VirtioNet[] {
    return this.#board.networks;
  }

  /** Another one for each machine that goes on beside its original; 16 bytes. */
  get generationId(): Uint8Array {
    return this.#board.generationId.id;
  }

  /** The socket devices, in the order of `socketCids`: listen and connect by them, at any time. */
  get sockets(): readonly VirtioVsock[] {
    return this.#board.sockets;
  }

  /** The balloons: take memory and give it back by them, at any time. */
  get balloons(): readonly VirtioBalloon[] {
    return this.#board.balloons;
  }

  /** The keyboards and tablets, in the order of `inputs`. */
  get inputs(): readonly VirtioInput[] {
    return this.#board.inputs;
  }

  /** Tells the guest the size of its virtio console, in characters. */
  resizeConsole(columns: number, rows: number): void {
    this.#board.console?.resize(columns, rows);
  }

  stats(): MachineStats {
    return {
      instructions: this.#core.retired,
      elapsedMs: this.#loop.elapsedMs,
      exits: { ...this.#loop.exits },
      translation: { ...this.#core.translation },
    };
  }

  /** A hash over harts, RAM and devices. Not while `run` is running. */
  stateHash(): string {
    const hash = new StateHash();
    const { turn, mtime, retired } = this.#core;
    hash.value({ turn: { ...turn }, mtime: mtime.toString(), retired: retired.toString() });
    for (const hart of this.#core.harts) hash.value(encode(hartSchema, hart.save()));
    for (const [name, device] of this.devices) {
      hash.text(name);
      hash.value(encode(device.schema, device.save()));
    }
    hash.ram(this.#core.ram);
    this.#loop.assertSound();
    return hash.toString();
  }

  /** A port that sends on what was written to it as the guest makes room. */
  #connect(port: ConsolePort): ConsolePort {
    return {
      name: port.name,
      receive: (bytes) => port.receive(bytes),
      openChanged: (open) => port.openChanged?.(open),
      writable: () => {
        this.#ports.get(port.name)?.feed();
        port.writable?.();
      },
    };
  }

  #start(plan: BootPlan): void {
    const { ram, harts } = this.#core;
    for (const { paddr, contents } of plan.loads) ram.write(paddr, contents);
    for (const { hart: id, pc, privilege, a0, a1, a2 } of plan.harts) {
      const hart = harts[id]!;
      if (privilege === PRIVILEGE_S) {
        startSupervisor(hart, pc, a1);
      } else {
        hart.setX(A2, a2);
        hart.setCsr(CSR_MENVCFG, MENVCFG_ADUE);
        hart.start(pc, privilege, a0, a1);
      }
    }
  }

  #capture(): MachineState {
    const parts = new Map<string, SavedState>([["core", encode(coreSchema, this.#core.save())]]);
    for (const hart of this.#core.harts) parts.set(hartName(hart.id), encode(hartSchema, hart.save()));
    for (const [name, device] of this.devices) parts.set(name, encode(device.schema, device.save()));
    return {
      board: encode(boardSchema, this.#boardState),
      parts,
      ram: this.#memory.capture(),
      drives: this.#drives.map(({ backend }) => (isCapturable(backend) ? backend.capture() : null)),
      instructions: this.#core.retired,
    };
  }

  #load(state: MachineState): void {
    const part = (name: string): unknown => state.parts.get(name);
    refuseUnknownParts(state, ["core", ...this.#core.harts.map(({ id }) => hartName(id)), ...this.devices.keys()]);
    const core = decode(coreSchema, part("core"));
    const harts = this.#core.harts.map(({ id }) => decode(hartSchema, part(hartName(id))));
    // A device that was not there when the state was captured is as after power-on: its guest does not know of it.
    const devices = [...this.devices].map(([name, device]) => ({
      device,
      saved: state.parts.has(name) ? decode(device.schema, part(name)) : null,
    }));
    checkContents(state, this.#boardState);

    this.#core.reset();
    this.#memory.restore(state.ram);
    for (const [index, { backend }] of this.#drives.entries()) {
      const contents = state.drives[index] ?? null;
      if (isCapturable(backend) && contents !== null) backend.restore(contents);
    }
    this.#core.load(core);
    this.#clock.resume();
    for (const { device, saved } of devices) {
      if (saved === null) device.reset();
      else device.load(saved);
    }
    // Devices have driven their lines anew, which is nothing new: the interrupt controller and the harts know of them.
    const plic = this.devices.get("plic")!;
    if (state.parts.has("plic")) plic.load(decode(plic.schema, part("plic")));
    for (const [id, hart] of harts.entries()) this.#core.harts[id]!.load(hart);
  }

  /** To be called between slices. */
  #renewIdentity(): void {
    for (const device of this.devices.values()) device.renewIdentity?.((into) => this.#host.randomBytes(into));
  }

  #createFirmware(): SbiFirmware {
    const { ram, harts } = this.#core;
    return new SbiFirmware({
      ram,
      harts,
      console: {
        write: (bytes) => this.#output.write(bytes),
        read: (into) => {
          this.serialInput.feed(this.#board.uart);
          return this.#board.readSerial(into);
        },
      },
      reset: (request) => this.#loop.halt(haltOf(request)),
    });
  }

  #serveCall(hart: number): void {
    assert(this.#firmware !== null, "an environment call for a firmware that is not there");
    this.#firmware.call(this.#core.harts[hart]!);
  }

  #afterSlice(): void {
    const end = this.#htif?.poll() ?? null;
    if (end !== null) this.#loop.halt({ kind: "htif", ...end });
    this.#output.flush();
  }
}

/** The core as the loop runs it: instruction by instruction where somebody wants to see each. */
function processorOf(core: Core, onCommit: MachineOptions["onCommit"]): RunnableProcessor {
  if (onCommit === undefined) return core;
  const tracer = new CommitTracer(core, onCommit);
  return {
    run: (budget) => tracer.run(budget),
    get exitHart() {
      return core.exitHart;
    },
    get retired() {
      return core.retired;
    },
    requestStop: () => core.requestStop(),
  };
}

/** @param random null for a machine that need not run the same way again */
function fillRandom(into: Uint8Array, host: HostServices, random: SeededRandom | null): void {
  if (random === null) host.randomBytes(into);
  else random.fill(into);
}

function haltOf(request: SystemReset): Halt {
  switch (request) {
    case "poweroff":
    case "reboot":
      return { kind: request };
    case "failure":
      return { kind: "fail", code: 1 };
    default:
      return unreachable(request);
  }
}

function checkOptions({ hartCount, memoryByteLength }: MachineOptions): void {
  if (!Number.isInteger(hartCount) || hartCount < 1 || hartCount > MAX_HARTS) {
    throw new VivariumError("machine/harts", `${hartCount} harts; expected 1 to ${MAX_HARTS}`, { hartCount });
  }
  const isWholePages = memoryByteLength % PAGE_BYTE_LENGTH === 0;
  if (!isWholePages || memoryByteLength <= 0 || memoryByteLength > MAX_RAM_BYTE_LENGTH) {
    throw new VivariumError(
      "machine/memory",
      `memory of ${memoryByteLength} bytes; expected a multiple of ${PAGE_BYTE_LENGTH}, at most ` +
        mebibytes(MAX_RAM_BYTE_LENGTH),
      { memoryByteLength },
    );
  }
}

async function createCore(board: BoardState, wires: MachineWires, mmio: Bus): Promise<Core> {
  const { memoryByteLength, hartCount, firmware } = board;
  const { translationByteLengthMax, onTranslationRefused } = wires;
  try {
    const core = await Core.create({
      module: wires.core,
      memoryByteLength,
      hartCount,
      mmio,
      hostFirmware: firmware === "machine",
      translate: wires.translate ?? "on",
      ...(translationByteLengthMax === undefined ? {} : { translationByteLengthMax }),
      ...(onTranslationRefused === undefined ? {} : { onTranslationRefused }),
      nowMs: () => wires.host.monotonicMs(),
    });
    core.onTranslation = wires.onTranslation;
    return core;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new VivariumError("machine/memory", `memory: the host cannot give ${mebibytes(memoryByteLength)}`, {
      memoryByteLength,
    });
  }
}
