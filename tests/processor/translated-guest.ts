/** A guest that runs with address translation on. */
import { exception, Guest, OPEN_PMP, RAM, SUPERVISOR, SUPERVISOR_ECALL, USER, USER_ECALL } from "./fixture.js";
import { ALL, PageTables, type Scheme, U } from "./page-tables.js";
import { hex } from "./semantics/bench.js";

/** The root of the page tables. */
export const TABLES = RAM + 0x10_0000n;
/** Room for a few pages of data. */
export const FRAME = RAM + 0x8_0000n;
export const MEMORY = 4 * 1024 * 1024;
/** Where the code is mapped, one page at its physical address. */
export const CODE = RAM;
/** Where tests map what they look at. */
export const DATA = 0x4000_0000n;

export interface World {
  readonly guest: Guest;
  readonly tables: PageTables;
}

interface Options {
  readonly scheme?: Scheme;
  readonly privilege?: number;
  readonly csrs?: Readonly<Record<string, bigint>>;
  readonly registers?: Readonly<Record<string, bigint>>;
}

/** A guest with its code mapped where it is, translation on, and a machine-mode handler that ends it. */
export async function world(text: string, options: Options = {}): Promise<World> {
  const { scheme = "sv39", privilege = SUPERVISOR } = options;
  const guest = await Guest.create(`${text}; ecall\n.align 2\nmachine_trap: wfi; j machine_trap`, {
    memoryByteLength: MEMORY,
    privilege,
    csrs: { ...OPEN_PMP, menvcfg: 0n, ...options.csrs },
    registers: options.registers ?? {},
  });
  const tables = new PageTables(guest, scheme, TABLES);
  tables.map(CODE, CODE, privilege === USER ? ALL | U : ALL);
  guest.setCsr("satp", tables.satp());
  guest.setCsr("mtvec", guest.symbol("machine_trap"));
  return { guest, tables };
}

/** Cause and tval of the trap that ended the guest, or "ecall" when nothing else trapped. */
export function outcome({ guest }: World): string {
  guest.run(1000);
  const { cause, tval } = exception(guest);
  return cause === SUPERVISOR_ECALL || cause === USER_ECALL ? "ecall" : `${cause} ${hex(tval)}`;
}
/** What `outcome` says of a fault. */
export const fault = (cause: bigint, tval: bigint) => `${cause} ${hex(tval)}`;
