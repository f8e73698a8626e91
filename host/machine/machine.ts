import type { Core } from "../core/core.js";
import type { TranslationStats } from "../core/region-linker.js";
import type { VirtioBalloon } from "../devices/virtio/balloon.js";
import type { BlkTraffic } from "../devices/virtio/blk.js";
import type { ConsolePort } from "../devices/virtio/console-port.js";
import type { VirtioInput, VirtioInputOptions } from "../devices/virtio/input.js";
import type { NetTraffic, VirtioNet } from "../devices/virtio/net.js";
import type { VirtioVsock } from "../devices/virtio/vsock.js";
import type { SystemReset } from "../firmware/platform.js";
import { SbiFirmware } from "../firmware/sbi.js";
import { startSupervisor } from "../firmware/supervisor.js";
import { assert, unreachable } from "../util/errors.js";
import { decode } from "../util/schema.js";
import { Board, type Drive, type Network, type Share } from "./board.js";
import { type BoardState, boardOf, boardSchema, checkBoard, slotsOf } from "./board-state.js";
import { type Boot, type BootPlan, PRIVILEGE_S, planBoot } from "./boot.js";
import { Bus } from "./bus.js";
import { type GuestClock, VIRTUAL_TICKS_PER_INSTRUCTION, VirtualClock } from "./clock.js";
import type { Component } from "./component.js";
import { KASLR_SEED_BYTE_LENGTH, RNG_SEED_BYTE_LENGTH } from "./device-tree.js";
import { GuestMemory, type MemoryUsage } from "./guest-memory.js";
import { type BorderedMachine, type Context, randomOf } from "./history/border.js";
import { clockOf } from "./history/history-clock.js";
import type { Input } from "./history/input.js";
import { type RecordEnd, Recorder, type RecordSink } from "./history/recorder.js";
import { type ReplayEnd, Replayer } from "./history/replayer.js";
import type { HostServices } from "./host-services.js";
import { Htif } from "./htif.js";
import { MachineContents } from "./machine-contents.js";
import { checkMachineOptions, type MachineOptions, type MachineWires, type ResumeOptions } from "./machine-options.js";
import { MachinePort } from "./machine-port.js";
import type { MachineState } from "./machine-state.js";
import { memoryMapWith } from "./memory-map.js";
import { createCore, processorOf } from "./processor.js";
import { driveOf, networksOf, portsOf, refuseOtherBoard, sharesOf } from "./resume.js";
import { type ExitReason, type Halt, RunLoop, type SliceHooks } from "./run-loop.js";
import { SeededRandom } from "./seeded-random.js";
import { SerialInput, SerialOutput } from "./serial-line.js";

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

export interface MachineTraffic {
  readonly disks: readonly BlkTraffic[];
  readonly networks: readonly NetTraffic[];
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
  /** Null for a machine whose history is neither recorded nor run again. */
  readonly #border: Recorder | Replayer | null;
  readonly #shares: readonly Share[];
  readonly #memory: GuestMemory;
  readonly #contents: MachineContents;
  readonly #board: Board;
  readonly #output: SerialOutput;
  readonly #firmware: SbiFirmware | null;
  readonly #htif: Htif | null;
  readonly #loop: RunLoop;
  /** Why the last run ended, or the present one would if it were ended. */
  #lastHalt: Halt = { kind: "stopped" };
  readonly #ports = new Map<string, MachinePort>();

  /**
   * A machine in its power-on state, with its programs in memory.
   *
   * @throws VivariumError naming what cannot be: too many harts, too much memory, a file that is not what it should
   *   be or does not fit
   */
  static async create(options: MachineOptions): Promise<Machine> {
    checkMachineOptions(options);
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
    const drives = board.drives.map((drive, index) => driveOf(drive, index, state, options));
    const networks = networksOf(board, options.links ?? []);
    const shares = sharesOf(board, options.shares ?? []);
    const inputs = board.inputs.map((kind, index) => ({ ...options.inputs?.[index], kind }));
    const random = board.clock === "virtual" ? new SeededRandom() : null;
    const bus = new Bus();
    const core = await createCore(board, options, bus);
    const machine = new Machine(board, options, { drives, networks, shares, inputs, bus, core, random });
    machine.#contents.load(state);
    if (options.identity !== "kept") machine.#renewIdentity();
    return machine;
  }

  private constructor(board: BoardState, wires: MachineWires, parts: MachineParts) {
    const { host, border = null } = wires;
    const { drives, networks, shares, inputs, bus, core, random } = parts;
    this.#shares = shares;
    const virtualClock = board.clock === "virtual" ? new VirtualClock(core) : null;
    const clock = clockOf(core, host, virtualClock, border);
    this.#boardState = board;
    this.#core = core;
    this.#clock = clock;
    this.#host = host;
    this.#border = border;
    this.#memory = new GuestMemory(core, (error) => this.#loop.fail(error));
    this.#output = new SerialOutput(wires.serial);
    this.#htif = board.htif === null ? null : new Htif(core.ram, board.htif, this.#output);
    this.#loop = new RunLoop(processorOf(core, wires), clock, host, this.#hooks(bus), wires.turns ?? null);
    if (wires.turns !== undefined) bus.onAccesses = () => this.#loop.checkDeadline();
    this.#board = new Board(bus, {
      core,
      clock,
      serial: this.#output,
      virtio: board.virtio,
      slots: slotsOf(board),
      drives,
      inOrder: board.clock === "virtual",
      networks,
      shares,
      socketCids: board.socketCids,
      inputs,
      ports: portsOf(board, wires).map((port) => this.#connect(port)),
      randomBytes: (into) => this.#fillRandom(into, random),
      border,
      finish: (finish) => this.#loop.halt(finish),
      wake: () => this.#loop.wake(),
    });
    this.serialInput = new SerialInput(
      () => this.#loop.wake(),
      border === null ? undefined : (bytes) => border.enter({ kind: "serial", bytes }),
    );
    this.#firmware = board.firmware === "machine" ? this.#createFirmware() : null;
    const devices = this.#components(virtualClock, random);
    this.devices = devices;
    this.#contents = new MachineContents({ board, core, memory: this.#memory, devices, drives, clock });
    for (const name of board.ports) {
      const port = this.#board.console?.port(name);
      assert(port !== undefined, `the console has no port ${name}`);
      this.#ports.set(name, new MachinePort(port, border === null ? undefined : (input) => border.enter(input)));
    }
    border?.attach(this.#bordered(board));
  }

  /** What the loop has done before, in and after each slice. */
  #hooks(bus: Bus): SliceHooks {
    const core = this.#core;
    const border = this.#border;
    return {
      budgetMax: this.#htif === null ? Number.MAX_SAFE_INTEGER : HTIF_BUDGET_MAX,
      prepareSlice: () => border?.prepareSlice() ?? null,
      beforeSlice: () => {
        border?.beginSlice();
        this.serialInput.feed(this.#board.uart);
        this.#board.pollNetworks();
      },
      serveCall: (hart) => this.#serveCall(hart),
      afterSlice: () => this.#afterSlice(),
      drainSlice: () => border?.drainSlice() ?? this.#drainSlice(),
      drain: () => (border ?? this.#board).drain(),
      isDead: () => border?.isLive !== false && core.harts.every((hart) => hart.runState === "stopped"),
      isUncut: border !== null,
      get deviceAccesses() {
        return bus.accessCount;
      },
      // A history has no word of it: its guest is not told.
      wasHeldBack: (ms) => {
        if (border === null) this.#reportSteal(ms);
      },
    };
  }

  #components(virtualClock: VirtualClock | null, random: SeededRandom | null): ReadonlyMap<string, Component> {
    const components = new Map<string, Component>([...this.#board.devices, ["serial-input", this.serialInput]]);
    if (this.#firmware !== null) {
      components.set("sbi-hsm", this.#firmware.hsm);
      components.set("sbi-sta", this.#firmware.sta);
    }
    if (virtualClock !== null) components.set("clock", virtualClock);
    if (random !== null) components.set("random", random);
    return components;
  }

  /** The whole machine as it is, between two instructions, soon; also while it runs, which it goes on to do. */
  capture(): Promise<MachineState> {
    return this.#loop.between(() => this.#capture());
  }

  /**
   * Copies most of what a running machine has written, while it runs on: for a capture right afterwards, which it then
   * stands still for the less. A history has the moments at which the processor forgets translations, which are its
   * captures and no others: of a machine with one nothing is copied.
   */
  async copyAhead(): Promise<void> {
    if (!this.#loop.isRunning || this.#border !== null) return;
    for (const _ of this.#memory.copyAhead()) await this.#host.yieldToEvents();
  }

  /**
   * Puts the machine into a state that was captured from it or from one like it; also while it runs. Consoles and ports
   * stay connected. A history that is being recorded ends before it.
   *
   * @throws VivariumError `machine/other-board` for the state of a machine made of other parts, `bad-state` for one that
   *   cannot be; the machine is then as it was
   */
  async restore(state: MachineState, options: Pick<ResumeOptions, "identity"> = {}): Promise<void> {
    await this.endRecord();
    return this.#loop.between(() => {
      refuseOtherBoard(this.#boardState, decode(boardSchema, state.board));
      const before = this.#capture();
      try {
        this.#contents.load(state);
      } catch (error) {
        this.#contents.load(before);
        throw error;
      }
      if (options.identity !== "kept") this.#renewIdentity();
    });
  }

  /** Runs until the guest ends itself or `stop` is called. */
  async run(): Promise<Halt> {
    this.#lastHalt = await this.#loop.run();
    return this.#lastHalt;
  }

  /**
   * Ends `run` after the instruction being executed; before `run`, ends it at once. A machine that is recorded runs to
   * the end of its slice.
   */
  stop(): void {
    if (this.#border === null) this.#loop.halt({ kind: "stopped" });
    else this.#border.stop();
  }

  /**
   * Begins to record the machine's history, where it stands; for a machine that was made with a recorder. A restore ends
   * the history, and this begins another.
   *
   * @param sink keeps it, and first of all the state that it begins with
   */
  async record(sink: RecordSink): Promise<void> {
    const border = this.#border;
    assert(border instanceof Recorder, "the machine has no recorder");
    const state = await this.#loop.between(() => {
      // What is under way in devices is not part of a state: from here on it is not there for this machine either.
      this.#contents.load(this.#capture());
      const nowNs = this.#clock.now();
      this.#clock.fireAlarms(nowNs);
      const begin = {
        ...this.#capture(),
        moment: { history: sink.history, piece: 0, context: { nowNs, ...this.#context() } },
      };
      border.begin(sink, () => this.capture());
      return begin;
    });
    await sink.keep(state);
  }

  /** Ends the history where the machine stands; null when none was being recorded. */
  async endRecord(): Promise<RecordEnd | null> {
    const border = this.#border;
    if (!(border instanceof Recorder) || !border.isRecording) return null;
    const ending = await this.#loop.between(() => ({ end: border.end(this.#lastHalt) }));
    return ending.end;
  }

  /** Runs the machine's history again, for a machine that was made with one. @throws VivariumError `replay/diverged` */
  async replay(): Promise<ReplayEnd> {
    const border = this.#border;
    assert(border instanceof Replayer, "the machine has no history to run again");
    const halt = await this.run();
    const end = await border.finish(halt);
    this.#loop.assertSound();
    return end;
  }

  /** Ends `replay` where it is, which throws `replay/cancelled`; this machine is of no use then. */
  cancelReplay(): void {
    const border = this.#border;
    assert(border instanceof Replayer, "the machine has no history to run again");
    border.cancel();
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

  /** What disks and networks have moved since the machine was made. */
  get traffic(): MachineTraffic {
    return {
      disks: this.#board.disks.map(({ traffic }) => traffic),
      networks: this.#board.networks.map(({ traffic }) => traffic),
    };
  }

  /** What guest RAM takes up; costs a look at all of its chunks. */
  get memoryUsage(): MemoryUsage {
    return this.#memory.usage();
  }

  /** What the contents of its disks take up in memory; costs a look at all of their chunks. */
  get diskMemoryByteLength(): number {
    return this.#contents.diskMemoryByteLength;
  }

  /** Tells the guest the size of its virtio console, in characters. */
  resizeConsole(columns: number, rows: number): void {
    const input = { kind: "resize", columns, rows } as const;
    if (this.#border === null) this.#apply(input);
    else this.#border.enter(input);
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
    const hash = this.#contents.hash();
    this.#loop.assertSound();
    return hash;
  }

  /** The machine as its border sees it. */
  #bordered({ clock }: BoardState): BorderedMachine {
    const core = this.#core;
    return {
      clock,
      get retired() {
        return core.retired;
      },
      get mtime() {
        return core.mtime;
      },
      setTime: (mtime, ticksPerInstruction) => core.setTime(mtime, ticksPerInstruction),
      apply: (input) => this.#apply(input),
      fireAlarms: (nowNs) => this.#clock.fireAlarms(nowNs),
      now: () => this.#clock.now(),
      settle: () => this.#isSettled() && this.#board.settle(),
      forgetWritten: () => void this.#memory.capture(),
      checkHash: () => this.#contents.hashWithoutRam(),
      stateHash: () => this.stateHash(),
      context: () => this.#context(),
      wake: () => this.#loop.wake(),
      halt: (halt) => this.#loop.halt(halt),
      fail: (error) => this.#loop.fail(error),
      drainOwn: () => this.#board.drainOwn(),
      drainAll: () => this.#board.drain(),
    };
  }

  /** Lets in what came from outside. */
  #apply(input: Input): void {
    switch (input.kind) {
      case "wait":
        this.#core.setTime(this.#core.mtime + input.ticks, VIRTUAL_TICKS_PER_INSTRUCTION);
        return;
      case "serial":
        this.serialInput.take(input.bytes);
        return;
      case "port-write":
      case "port-discard":
      case "port-close":
        this.port(input.port).apply(input);
        return;
      case "resize":
        this.#board.console?.resize(input.columns, input.rows);
        return;
      case "done":
        assert(false, "an answer enters by itself");
        return;
      default:
        this.#board.apply(input);
    }
  }

  #isSettled(): boolean {
    return [...this.#ports.values()].every(({ waitingByteLength }) => waitingByteLength === 0);
  }

  #context(): Omit<Context, "nowNs"> {
    return {
      cables: this.#board.links.map(({ isCableIn }) => isCableIn),
      readOnly: this.#shares.map(({ folder }) => folder.readOnly),
    };
  }

  #fillRandom(into: Uint8Array, random: SeededRandom | null): void {
    const fill = () => fillRandom(into, this.#host, random);
    if (this.#border === null || random !== null) fill();
    else {
      into.set(
        this.#border.ask(randomOf(into.length), () => {
          fill();
          return into.slice();
        }),
      );
    }
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
    const moment = this.#border?.captured() ?? null;
    const state = this.#contents.capture();
    return moment === null ? state : { ...state, moment };
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

  /** With virtual time, input and output end with the slice in which they were begun: at the same instruction in every run. */
  async #drainSlice(): Promise<void> {
    if (this.#boardState.clock === "virtual") await this.#board.drain();
  }

  #serveCall(hart: number): void {
    assert(this.#firmware !== null, "an environment call for a firmware that is not there");
    this.#firmware.call(this.#core.harts[hart]!);
  }

  /** Under virtual time nobody is held back: what the guest sees depends on nothing outside. */
  #reportSteal(ms: number): void {
    if (this.#boardState.clock === "host") this.#firmware?.sta.addSteal(ms);
  }

  #afterSlice(): void {
    const end = this.#htif?.poll() ?? null;
    if (end !== null) this.#loop.halt({ kind: "htif", ...end });
    this.#output.flush();
  }
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
