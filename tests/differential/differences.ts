import type { Observation } from "./compare.js";

/**
 * Where QEMU and our hart differ although ours does what the specification says, or as it allows.
 *
 * Those below show in a trap's record or a CSR and nowhere else; each accounts for exactly that. The others would change
 * what a program does next, so programs are made without them:
 *
 * | left out                                   | in QEMU 7.2                          | specification                                        |
 * |--------------------------------------------|--------------------------------------|------------------------------------------------------|
 * | an extension that the CPU has no property of | it is illegal                      | (the test names them)                                |
 * | sepc, mepc with bit 0 set                  | it stays set                         | "low bit of mepc is always zero": "Machine Exception Program Counter" |
 * | mcounteren, scounteren above bit 31        | they are kept                        | 32-bit registers: "Machine Counter-Enable"           |
 * | pmpaddr above bit 53                       | they are kept                        | zero: "Physical Memory Protection CSRs"              |
 * | pmpcfg with W and without R                | it is kept                           | reserved, WARL: the same                             |
 * | mstatus.MPP = 2                            | it is kept                           | WARL: only modes that exist                          |
 * | mtvec, stvec with mode 2 or 3              | the write has no effect              | WARL: ours clears bit 1                              |
 * | envcfg.CBIE = 2, menvcfg.PBMTE, CDE ...    | they are kept                        | reserved; read-only zero without their extensions    |
 * | mie, mideleg bits other than 1, 3, 5, 7, 9, 11 | those of the hypervisor are kept | WARL                                                 |
 * | mcountinhibit bits other than 0 and 2      | they are kept, bit 1 too             | WARL; bit 1 is zero                                  |
 * | tselect, tdata, menvcfg read               | no triggers; no ADUE                 | optional                                             |
 * | the values of counters                     | host's time                          |                                                      |
 * | sstatus, mstatus read with FS clean        | Dirty at other moments               | may be imprecise: "Extension Context Status"         |
 * | CSRRS, CSRRC on a read-only CSR with a register | no trap if the register holds 0 | rs1 other than x0 is a write: "Zicsr"                |
 * | several interrupts pending                 | the lowest number is taken first     | MEI, MSI, MTI, SEI, SSI, STI: "Machine Interrupt Registers" |
 * | SFENCE.W.INVAL, SFENCE.INVAL.IR as user    | they do nothing                      | illegal: "Svinval"                                   |
 * | CTZW of a register with a zero lower half  | looks at the upper half, too         | 32: "Zbb"                                            |
 * | SC where one may not store, without an LR  | it fails without a trap              | store page fault, as for a store: "Sv32"             |
 * | SC of another width than the LR, or after a trap | by value; fails                | may fail: "Zalrsc"; xRET may clear the reservation   |
 * | PMP entries at a page's end                | checks all bytes of an access at once | an access may be split: "Priority and Matching Logic" |
 * | PMP entries of mode NA4                    | missed in the middle of an access    | an entry that matches any byte decides: the same     |
 * | PTE bits 54-60; N with a wrong size        | ignored with Svnapot; A and D are set before the fault | page fault: "Sv39", "Svnapot"      |
 * | accesses with MPRV after a trap changed MPP | translations of before are used     | MPRV is as MPP says now                              |
 * | WFI that traps at a page's end             | reported a page too far (QEMU 10)    |                                                      |
 * | stores to code without FENCE.I             | seen at once, but for the same block | "Zifencei"                                           |
 * | CBO instructions on pages or PMP regions with less than all rights | faults, bits and sizes differ (QEMU 10) | X alone: unspecified; a block is one access: "CMO" |
 * | remapping where SFENCE.VMA traps           | old translations are used            | allowed: "Supervisor Memory-Management Fence"        |
 */
export interface KnownDifference {
  readonly what: string;
  readonly specification: string;
  /** Whether it accounts for the whole of a difference. */
  explains(observation: Observation): boolean;
}

const CAUSE_ILLEGAL_INSTRUCTION = 2n;
const CAUSE_BREAKPOINT = 3n;

const MENVCFG_ADUE = 1n << 61n;
/** FS and SD. */
const STATUS_DIRTY = 0x8000_0000_0000_6000n;
const STATUS_VIEWS: ReadonlySet<string> = new Set(["mstatus", "sstatus", "trap.mstatus"]);

const CACHE_BLOCK_MASK = 63n;

export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    what: "QEMU 7.2 has no menvcfg.ADUE; it sets A and D always, as ours does with ADUE set",
    specification: 'Svadu; "Machine Environment Configuration Register"',
    explains: ({ place, ours, theirs }) => place === "menvcfg" && (ours ^ theirs) === MENVCFG_ADUE,
  },
  {
    what: "EBREAK: xtval is its address here, 0 in QEMU 7.2",
    specification: '"Machine Trap Value Register": a breakpoint writes the faulting address, or 0',
    explains: ({ place, theirs, trap }) => place === "trap.tval" && trap?.cause === CAUSE_BREAKPOINT && theirs === 0n,
  },
  {
    what: "SINVAL.VMA where it is illegal: xtval is the instruction here, 0 in QEMU 7.2",
    specification: '"Machine Trap Value Register": an illegal instruction writes its bits, or 0',
    explains: ({ place, theirs, trap, mnemonic }) =>
      place === "trap.tval" && trap?.cause === CAUSE_ILLEGAL_INSTRUCTION && mnemonic === "sinval.vma" && theirs === 0n,
  },
  {
    what: "CBO instructions that fault: xtval is the address it was given here, its block's in QEMU 10",
    specification: '"Base Cache Management Operation ISA Extensions", traps: the value of rs1',
    explains: ({ place, ours, theirs, mnemonic }) =>
      place === "trap.tval" && mnemonic?.startsWith("cbo.") === true && theirs === (ours & ~CACHE_BLOCK_MASK),
  },
  {
    what: "FS is Dirty here after any floating-point instruction; in QEMU 7.2 not after those that only may raise flags",
    specification: '"Extension Context Status in mstatus Register": hardware may set Dirty without a change',
    explains: ({ place, ours, theirs }) =>
      STATUS_VIEWS.has(place) && ((ours ^ theirs) & ~STATUS_DIRTY) === 0n && (ours & STATUS_DIRTY) === STATUS_DIRTY,
  },
];
