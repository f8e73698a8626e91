import { MAX_HARTS, MAX_RAM_BYTE_LENGTH, PAGE_BYTE_LENGTH } from "../../assembly/shared/layout.js";
import { type CommitRecord, CommitTracer } from "../core/commit-tracer.js";
import { Core, type TranslationMode } from "../core/core.js";
import { hartSchema } from "../core/hart.js";
import type { TranslationStats } from "../core/region-linker.js";
import type { TranslatedRegion } from "../core/translated-region.js";
import type { WasmModule } from "../core/wasm.js";
import type { ByteSink, Device } from "../devices/device.js";
import type { VirtioBalloon } from "../devices/virtio/balloon.js";
import type { ConsolePort } from "../devices/virtio/console-port.js";
import type { VirtioInput, VirtioInputOptions } from "../devices/virtio/input.js";
import type { VirtioNet } from "../devices/virtio/net.js";
import type { VirtioVsock } from "../devices/virtio/vsock.js";
import type { SystemReset } from "../firmware/platform.js";
import { SbiFirmware } from "../firmware/sbi.js";
import { startSupervisor } from "../firmware/supervisor.js";
import { assert, unreachable, VivariumError } from "../util/errors.js";
import { encode } from "../util/schema.js";
import { Board, type Drive, type Network, type Share } from "./board.js";
import { type Boot, type BootPlan, PRIVILEGE_S, planBoot } from "./boot.js";
import { Bus } from "./bus.js";
import { type GuestClock, HostClock, VirtualClock } from "./clock.js";
import { KASLR_SEED_BYTE_LENGTH, RNG_SEED_BYTE_LENGTH } from "./device-tree.js";
import type { HostServices } from "./host-services.js";
import { Htif } from "./htif.js";
import { MachinePort } from "./machine-port.js";
import { memoryMapWith } from "./memory-map.js";
import { mebibytes } from "./placement.js";
import { type ExitReason, type Halt, RunLoop, type RunnableProcessor } from "./run-loop.js";
import { SeededRandom } from "./seeded-random.js";
import { SerialInput, SerialOutput } from "./serial-line.js";
import { StateHash } from "./state-hash.js";
import { assignVirtioSlots, type VirtioSlots } from "./virtio-slots.js";

export type { Boot, ConsolePort, Drive, Halt, HostServices, Network, Share };

export interface MachineOptions {
  /** The processor, compiled. */
  readonly core: WasmModule;
  /** 1 to 8. */
  readonly hartCount: number;
  /** A multiple of 4096. */
  readonly memoryByteLength: number;
  /**
   * Whether guest time follows the host's, or is a function of retired instructions; then everything that happens
   * is a function of these options and of what is typed when.
   */
  readonly clock: "host" | "virtual";
  readonly boot: Boot;
  /** Whether code is translated to Wasm; on unless given. */
  readonly translate?: TranslationMode;
  /** Translated code that is kept, in bytes of Wasm; 64 MiB unless given. */
  readonly translationByteLengthMax?: number;
  /** Called once when the host does not let WebAssembly be compiled at run time: everything is interpreted then. */
  readonly onTranslationRefused?: (reason: string) => void;
  /** Virtio disks, in this order; at most 6. */
  readonly drives: readonly Drive[];
  /** Virtio network devices, in this order; at most 4. What the guest sees of a network arrives between slices. */
  readonly networks?: readonly Network[];
  /** Folders for the guest to mount by 9P, with different tags; at most 6. */
  readonly shares?: readonly Share[];
  /** The guest's addresses for sockets between it and the host, from 3 up: a device each; at most 2. Linux uses one. */
  readonly socketCids?: readonly number[];
  /** Balloons, by which memory can be taken from the guest; none unless given, at most 2. */
  readonly balloonCount?: number;
  /** Keyboards and tablets; at most 4. */
  readonly inputs?: readonly VirtioInputOptions[];
  /** Entropy sources; 1 unless given, at most 3. */
  readonly entropySourceCount?: number;
  /** Receives what the guest writes to its serial console. */
  readonly serial: ByteSink;
  /** Byte streams between host and guest, by name; ports 1, 2, ... of a virtio console. */
  readonly ports?: readonly ConsolePort[];
  readonly host: HostServices;
  /** Told of every region that is translated. */
  readonly onTranslation?: (regions: readonly TranslatedRegion[]) => void;
  /** Called for each instruction retired. The machine does the same as without, but much slower. */
  readonly onCommit?: (record: CommitRecord) => void;
}

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
  readonly plan: BootPlan;
  readonly slots: VirtioSlots;
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
  readonly devices: ReadonlyMap<string, Pick<Device, "schema" | "save" | "load" | "reset">>;
  readonly #core: Core;
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
    const slots = assignVirtioSlots({
      drive: options.drives.length,
      rng: options.entropySourceCount ?? 1,
      console: (options.ports ?? []).length === 0 ? 0 : 1,
      net: options.networks?.length ?? 0,
      share: options.shares?.length ?? 0,
      socket: options.socketCids?.length ?? 0,
      balloon: options.balloonCount ?? 0,
      input: options.inputs?.length ?? 0,
    });
    const plan = planBoot({ ...options, seed, memoryMap: memoryMapWith(Object.values(slots).flat()) });
    const bus = new Bus();
    return new Machine(options, { plan, slots, bus, core: await createCore(options, bus), random });
  }

  private constructor(options: MachineOptions, { plan, slots, bus, core, random }: MachineParts) {
    const { host } = options;
    const clock: GuestClock = options.clock === "virtual" ? new VirtualClock(core) : new HostClock(core, host);
    this.#core = core;
    this.#output = new SerialOutput(options.serial);
    this.#htif = plan.htif === null ? null : new Htif(core.ram, plan.htif, this.#output);
    this.#loop = new RunLoop(processorOf(core, options.onCommit), clock, host, {
      budgetMax: this.#htif === null ? Number.MAX_SAFE_INTEGER : HTIF_BUDGET_MAX,
      beforeSlice: () => {
        this.serialInput.feed(this.#board.uart);
        this.#board.pollNetworks();
      },
      serveCall: (hart) => this.#serveCall(hart),
      afterSlice: () => this.#afterSlice(),
      // With virtual time, input and output end with the slice in which they were begun: at the same instruction
      // in every run.
      drainSlice: options.clock === "virtual" ? () => this.#board.drain() : () => Promise.resolve(),
      drain: () => this.#board.drain(),
      isDead: () => core.harts.every((hart) => hart.runState === "stopped"),
    });
    this.#board = new Board(bus, {
      core,
      clock,
      serial: this.#output,
      slots,
      drives: options.drives,
      inOrder: options.clock === "virtual",
      networks: options.networks ?? [],
      shares: options.shares ?? [],
      socketCids: options.socketCids ?? [],
      inputs: options.inputs ?? [],
      ports: (options.ports ?? []).map((port) => this.#connect(port)),
      randomBytes: (into) => fillRandom(into, host, random),
      finish: (finish) => this.#loop.halt(finish),
      wake: () => this.#loop.wake(),
    });
    this.serialInput = new SerialInput(() => this.#loop.wake());
    this.#firmware = options.boot.kind === "linux" ? this.#createFirmware() : null;
    this.devices = new Map<string, Pick<Device, "schema" | "save" | "load" | "reset">>([
      ...this.#board.devices,
      ...(this.#firmware === null ? [] : [["sbi-hsm", this.#firmware.hsm] as const]),
      ...(random === null ? [] : [["random", random] as const]),
    ]);
    for (const { name } of options.ports ?? []) {
      const port = this.#board.console?.port(name);
      assert(port !== undefined, `the console has no port ${name}`);
      this.#ports.set(name, new MachinePort(port));
    }
    this.#start(plan);
  }

  /** Runs until the guest ends itself or `stop` is called. */
  run(): Promise<Halt> {
    return this.#loop.run();
  }

  /** Ends `run` after the instruction being executed; before `run`, ends it at once. */
  stop(): void {
    this.#loop.halt({ kind: "stopped" });
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

async function createCore(options: MachineOptions, mmio: Bus): Promise<Core> {
  const { core: module, memoryByteLength, hartCount, boot } = options;
  try {
    const core = await Core.create({
      module,
      memoryByteLength,
      hartCount,
      mmio,
      hostFirmware: boot.kind === "linux",
      translate: options.translate ?? "on",
      ...(options.translationByteLengthMax === undefined
        ? {}
        : { translationByteLengthMax: options.translationByteLengthMax }),
      ...(options.onTranslationRefused === undefined ? {} : { onTranslationRefused: options.onTranslationRefused }),
      nowMs: () => options.host.monotonicMs(),
    });
    core.onTranslation = options.onTranslation;
    return core;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new VivariumError("machine/memory", `memory: the host cannot give ${mebibytes(memoryByteLength)}`, {
      memoryByteLength,
    });
  }
}
