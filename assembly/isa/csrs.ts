/**
 * Every control and status register: Privileged ISA, "CSR Listing". Numbers not listed trap.
 *
 *   stored    a hart field of the same name; `writable` bits take what is written
 *   constant  reads as `value`; a write is ignored, or traps where the number says read-only
 *   computed  hart/csr-views.ts has read_NAME(h) and, unless the number says read-only, write_NAME(h, value)
 *   indexed   as computed, with the register's index as a further argument: read_FAMILY(h, n)
 */
export type Csr =
  | { readonly number: number; readonly name: string; readonly kind: "stored"; readonly writable: bigint }
  | { readonly number: number; readonly name: string; readonly kind: "constant"; readonly value: bigint }
  | { readonly number: number; readonly name: string; readonly kind: "computed" }
  | {
      readonly number: number;
      readonly name: string;
      readonly kind: "indexed";
      readonly family: string;
      readonly index: number;
    };

const ALL = 0xffff_ffff_ffff_ffffn;

const stored = (number: number, name: string, writable = ALL): Csr => ({ number, name, kind: "stored", writable });
const constant = (number: number, name: string, value = 0n): Csr => ({ number, name, kind: "constant", value });
const computed = (number: number, name: string): Csr => ({ number, name, kind: "computed" });
const family = (
  number: number,
  name: string,
  count: number,
  make: (number: number, name: string, n: number) => Csr,
  first = 0,
) => Array.from({ length: count }, (_, n) => make(number + n, `${name}${first + n}`, n));
const indexed = (prefix: string) => (number: number, name: string, index: number) =>
  ({ number, name, kind: "indexed", family: prefix, index }) as const;

/** No performance events are counted: the counters exist and read as 0. */
const noCounter = (number: number, name: string) => constant(number, name);

export const csrs: readonly Csr[] = [
  computed(0x001, "fflags"),
  computed(0x002, "frm"),
  computed(0x003, "fcsr"),

  computed(0x100, "sstatus"),
  computed(0x104, "sie"),
  computed(0x105, "stvec"),
  stored(0x106, "scounteren", 0xffff_ffffn),
  computed(0x10a, "senvcfg"),
  stored(0x140, "sscratch"),
  stored(0x141, "sepc", ALL - 1n),
  stored(0x142, "scause"),
  stored(0x143, "stval"),
  computed(0x144, "sip"),
  stored(0x14d, "stimecmp"),
  computed(0x180, "satp"),

  computed(0x300, "mstatus"),
  constant(0x301, "misa", 0x800000000014112dn),
  stored(0x302, "medeleg", 0xb3ffn),
  stored(0x303, "mideleg", 0x222n),
  stored(0x304, "mie", 0xaaan),
  computed(0x305, "mtvec"),
  stored(0x306, "mcounteren", 0xffff_ffffn),
  computed(0x30a, "menvcfg"),
  computed(0x320, "mcountinhibit"),
  ...family(0x323, "mhpmevent", 29, noCounter, 3),
  stored(0x340, "mscratch"),
  stored(0x341, "mepc", ALL - 1n),
  stored(0x342, "mcause"),
  stored(0x343, "mtval"),
  computed(0x344, "mip"),
  ...[0, 2].map((n) => indexed("pmpcfg")(0x3a0 + n, `pmpcfg${n}`, n)),
  ...family(0x3b0, "pmpaddr", 16, indexed("pmpaddr")),

  // No trigger exists: tselect holds 0 and tdata1 says type 0, "there is no trigger at this tselect".
  constant(0x7a0, "tselect"),
  constant(0x7a1, "tdata1"),
  constant(0x7a2, "tdata2"),
  constant(0x7a3, "tdata3"),

  computed(0xb00, "mcycle"),
  computed(0xb02, "minstret"),
  ...family(0xb03, "mhpmcounter", 29, noCounter, 3),

  computed(0xc00, "cycle"),
  computed(0xc01, "time"),
  computed(0xc02, "instret"),
  ...family(0xc03, "hpmcounter", 29, noCounter, 3),

  constant(0xf11, "mvendorid"),
  constant(0xf12, "marchid"),
  constant(0xf13, "mimpid"),
  computed(0xf14, "mhartid"),
  constant(0xf15, "mconfigptr"),
];

/** Whether the number itself says that the register cannot be written. */
export function isReadOnly(csr: Csr): boolean {
  return csr.number >> 10 === 3;
}
