/** Small assembled guests on the compiled core: `npm test` builds it first. */
import { readFileSync } from "node:fs";
import { afterEach } from "vitest";
import { assemble, type Program } from "../../assembly/isa/assemble.js";
import { fNumber, xNumber } from "../../assembly/isa/registers.js";
import { csrNumber } from "../../assembly/isa/syntax.js";
import { Core, type CoreOptions, type MmioPort } from "../../host/core/core.js";
import type { Hart } from "../../host/core/hart.js";
import { type WasmModule, wasm } from "../../host/core/wasm.js";

export { EXIT_BUDGET, EXIT_ECALL, EXIT_IDLE, EXIT_STOP, EXIT_STUCK } from "../../host/core/core.js";

export const RAM = 0x8000_0000n;
export const KIB = 1024;
export const PAGE = 4096;

export const USER = 0;
export const SUPERVISOR = 1;
export const MACHINE = 3;

// Causes of mcause and scause: Privileged ISA, "Machine Cause Register".
export const FETCH_ACCESS = 1n;
export const ILLEGAL = 2n;
export const BREAKPOINT = 3n;
export const LOAD_MISALIGNED = 4n;
export const LOAD_ACCESS = 5n;
export const STORE_MISALIGNED = 6n;
export const STORE_ACCESS = 7n;
export const USER_ECALL = 8n;
export const SUPERVISOR_ECALL = 9n;
export const MACHINE_ECALL = 11n;
export const FETCH_PAGE_FAULT = 12n;
export const LOAD_PAGE_FAULT = 13n;
export const STORE_PAGE_FAULT = 15n;
export const interruptCause = (number: number) => (1n << 63n) | BigInt(number);

export const MSTATUS_SIE = 1n << 1n;
export const MSTATUS_MIE = 1n << 3n;
export const MSTATUS_SPIE = 1n << 5n;
export const MSTATUS_MPIE = 1n << 7n;
export const MSTATUS_SPP = 1n << 8n;
export const MSTATUS_MPP = 3n << 11n;
export const MSTATUS_MPP_S = 1n << 11n;
export const MSTATUS_FS = 3n << 13n;
export const MSTATUS_MPRV = 1n << 17n;
export const MSTATUS_SUM = 1n << 18n;
export const MSTATUS_MXR = 1n << 19n;
export const MSTATUS_TVM = 1n << 20n;
export const MSTATUS_TW = 1n << 21n;
export const MSTATUS_TSR = 1n << 22n;
export const MSTATUS_SD = 1n << 63n;
export const MENVCFG_ADUE = 1n << 61n;
export const MENVCFG_STCE = 1n << 63n;

/** One PMP entry that lets everyone do anything anywhere: without it S and U mode may access nothing. */
export const OPEN_PMP = { pmpaddr0: (1n << 54n) - 1n, pmpcfg0: 0x1fn } as const;

export interface Setup {
  readonly hartCount?: number;
  readonly memoryByteLength?: number;
  readonly mmio?: MmioPort;
  readonly hostFirmware?: boolean;
  /** Where the program is put and started; start of RAM otherwise. */
  readonly origin?: bigint;
  /** Of every hart at its start; machine mode otherwise. */
  readonly privilege?: number;
  /** Values by name, the same for every hart. */
  readonly registers?: Readonly<Record<string, bigint>>;
  readonly csrs?: Readonly<Record<string, bigint>>;
  /** Harts that begin started; all otherwise. */
  readonly started?: number;
}

const NOTHING: MmioPort = { read: () => -1, write: () => false };

let compiled: WasmModule | undefined;

/** A core that a test has had and the next one with the same needs may have: making one takes longer than most tests. */
interface Used {
  readonly needs: string;
  readonly core: Core;
  readonly port: { mmio: MmioPort };
}
const idle: Used[] = [];
const busy: Used[] = [];

afterEach(() => {
  for (const used of busy.splice(0)) {
    used.core.reset();
    used.core.ram.write(used.core.ram.base, new Uint8Array(used.core.ram.byteLength));
    idle.push(used);
  }
});

/** A core in its power-on state with RAM all zero, until the end of the test. */
export async function createCore(options: Partial<CoreOptions> = {}): Promise<Core> {
  const { memoryByteLength = 1024 * KIB, hartCount = 1, mmio = NOTHING, hostFirmware = false } = options;
  const needs = JSON.stringify({ memoryByteLength, hartCount, hostFirmware });
  const found = idle.findIndex((used) => used.needs === needs);
  const used = found < 0 ? await makeCore({ memoryByteLength, hartCount, hostFirmware }) : idle.splice(found, 1)[0]!;
  used.port.mmio = mmio;
  busy.push(used);
  return used.core;
}

/** A core for as long as the caller wants. */
export async function makeCore(
  options = { memoryByteLength: 1024 * KIB, hartCount: 1, hostFirmware: false },
): Promise<Used> {
  compiled ??= new wasm.Module(readFileSync(new URL("../../build/core.wasm", import.meta.url)));
  const port = { mmio: NOTHING };
  const mmio: MmioPort = {
    read: (paddr, width) => port.mmio.read(paddr, width),
    write: (paddr, width, value) => port.mmio.write(paddr, width, value),
  };
  return { needs: JSON.stringify(options), port, core: await Core.create({ module: compiled, mmio, ...options }) };
}

/** A core with a program in RAM and its harts at the program's start. */
export class Guest {
  readonly core: Core;
  readonly program: Program;
  readonly #origin: bigint;

  private constructor(core: Core, program: Program) {
    this.core = core;
    this.program = program;
    this.#origin = program.origin;
  }

  static async create(text: string, setup: Setup = {}): Promise<Guest> {
    const { hartCount = 1, memoryByteLength = 1024 * KIB, mmio = NOTHING, hostFirmware = false } = setup;
    const core = await createCore({ hartCount, memoryByteLength, mmio, hostFirmware });
    const guest = new Guest(core, assemble(text, setup.origin ?? RAM));
    core.ram.write(Number(guest.program.origin), guest.program.bytes);
    core.harts.slice(0, setup.started ?? hartCount).forEach((hart) => {
      hart.start(guest.#origin, setup.privilege ?? MACHINE, hart.x(10), hart.x(11));
      for (const [name, value] of Object.entries(setup.csrs ?? {})) hart.setCsr(numberOfCsr(name), value);
      for (const [name, value] of Object.entries(setup.registers ?? {})) setRegister(hart, name, value);
    });
    return guest;
  }

  /** The only hart, or the first. */
  get hart(): Hart {
    return this.core.harts[0]!;
  }

  /** @returns why it stopped */
  run(budget = 10_000): number {
    return this.core.run(budget);
  }

  /** An integer register by name. */
  x(name: string, hart = this.hart): bigint {
    return hart.x(xNumber(name)!);
  }
  /** A floating-point register's bits by name. */
  f(name: string, hart = this.hart): bigint {
    return hart.f(fNumber(name)!);
  }
  csr(name: string, hart = this.hart): bigint {
    return hart.csr(numberOfCsr(name));
  }
  setCsr(name: string, value: bigint, hart = this.hart): void {
    hart.setCsr(numberOfCsr(name), value);
  }
  /** Address of a label. */
  symbol(name: string): bigint {
    const value = this.program.symbols.get(name);
    if (value === undefined) throw new Error(`no label "${name}"`);
    return value;
  }
  /** 64 bits of RAM at a label or an address. */
  dword(place: string | bigint): bigint {
    return this.core.ram.readU64(Number(typeof place === "string" ? this.symbol(place) : place));
  }
  writeDword(place: string | bigint, value: bigint): void {
    const bytes = new DataView(new ArrayBuffer(8));
    bytes.setBigUint64(0, BigInt.asUintN(64, value), true);
    this.core.ram.write(Number(typeof place === "string" ? this.symbol(place) : place), new Uint8Array(bytes.buffer));
  }
}

/** Runs a program that ends by waiting for an interrupt which never comes. @throws Error when it does not end so */
export async function runProgram(text: string, setup: Setup = {}, budget = 10_000): Promise<Guest> {
  const guest = await Guest.create(text, setup);
  const exit = guest.run(budget);
  if (exit !== 1) {
    const where = guest.core.harts.map((hart) => `hart ${hart.id} at 0x${hart.pc.toString(16)}`).join(", ");
    throw new Error(`exit ${exit} instead of EXIT_IDLE; ${where}; mcause ${guest.csr("mcause")}`);
  }
  return guest;
}

/**
 * Runs a program whose first trap into machine mode ends it; `exception` tells which it was.
 *
 * @throws Error when there is none
 */
export async function runToTrap(text: string, setup: Setup = {}, budget = 10_000): Promise<Guest> {
  const guest = await Guest.create(`${text}\nj .\n.align 2\nmachine_trap: wfi; j machine_trap`, setup);
  guest.setCsr("mtvec", guest.symbol("machine_trap"));
  guest.run(budget);
  const { pc } = guest.hart;
  if (pc < guest.symbol("machine_trap") || pc > guest.symbol("machine_trap") + 4n) {
    throw new Error(`no trap: pc 0x${pc.toString(16)}`);
  }
  return guest;
}

/** What a trap into machine mode left. */
export interface Exception {
  readonly cause: bigint;
  readonly tval: bigint;
  readonly pc: bigint;
}

export function exception(guest: Guest): Exception {
  return { cause: guest.csr("mcause"), tval: guest.csr("mtval"), pc: guest.csr("mepc") };
}

function setRegister(hart: Hart, name: string, value: bigint): void {
  const integer = xNumber(name);
  if (integer !== undefined) hart.setX(integer, value);
  else hart.setF(fNumber(name)!, value);
}

function numberOfCsr(name: string): number {
  const number = csrNumber(name);
  if (number === undefined) throw new Error(`no CSR "${name}"`);
  return number;
}
