/**
 * Every field that a hart, or the machine its harts share, keeps in linear memory.
 *
 * Accessors for the processor and the host's debugger view and saved state are derived from these rows.
 */
export interface Field {
  readonly name: string;
  readonly type: "u8" | "u32" | "u64";
  /** Above 1 for an array. */
  readonly count: number;
  /** Part of the machine's state; the rest is rebuilt or means something only inside one `run`. */
  readonly saved: boolean;
  readonly doc: string;
}

const saved = (type: Field["type"], name: string, doc: string, count = 1): Field => ({
  name,
  type,
  count,
  saved: true,
  doc,
});
const derived = (type: Field["type"], name: string, doc: string, count = 1): Field => ({
  name,
  type,
  count,
  saved: false,
  doc,
});

/** The discarded results of instructions whose rd is x0 go to a register of their own, so that no write needs a test. */
export const DISCARD_REGISTER = 32;

/** Address spaces whose numbers a hart remembers. */
const SPACE_COUNT = 8;

export const hartFields: readonly Field[] = [
  saved("u64", "x", "integer registers", 32),
  // Register 32 by byte offset, so that nothing may come between it and x.
  derived("u64", "discarded", "what was last written to x0"),
  saved("u64", "f", "floating-point registers, single-precision values NaN-boxed", 32),
  saved("u64", "pc", "address of the next instruction; current only outside the interpreter loop"),
  saved("u32", "privilege", "0 U, 1 S, 3 M"),
  saved("u32", "runState", "HART_STARTED, HART_STOPPED or HART_WAITING"),
  saved("u32", "fflags", "accrued floating-point exceptions"),
  saved("u32", "frm", "dynamic rounding mode"),
  derived("u32", "id", "mhartid"),
  // Byte 0 is the trap flag, byte 1 the attention flag: the interpreter tests both with one load.
  derived("u32", "event", "bits 0-7: a trap is pending; bits 8-15: leave the fast loop after this instruction"),
  derived("u64", "pendingCause", "mcause of the pending trap"),
  derived("u64", "pendingTval", "mtval of the pending trap"),
  derived("u64", "pcBase", "pc less a quarter of the decode entry's address, for the page being executed"),
  derived("u32", "ip", "address of the decode entry being executed, for instructions that need their pc"),
  derived("u32", "instructionByteLength", "of the instruction being executed, for instructions that need the next pc"),
  derived("u32", "countdown", "instructions left in this turn, for instructions that read counters"),
  derived("u32", "turn", "instructions this turn began with"),
  derived("u32", "dataTlb", "address of the load TLB for the present mode; the store TLB follows it"),
  derived("u32", "fetchTlb", "address of the fetch TLB for the present mode"),
  derived(
    "u64",
    "codeStamp",
    "what a region must have been checked under to be entered: space, privilege, hart, epoch",
  ),
  derived("u64", "stopPc", "return address at which a nested interpretation ends; u64.MAX_VALUE outside one"),
  derived("u64", "calledPc", "where the last call went that the interpreter executed"),
  derived("u32", "depth", "how deep regions and interpretations may still be nested"),
  derived("u32", "leftFor", "why a region was last left: LEFT_* of shared/region-exit.ts"),
  derived("u32", "leftRegion", "number of the region that was left"),
  derived("u32", "codeEpoch", "counts flushes of pages that hold translated code"),
  derived("u32", "nextSpace", "next unused address-space number"),
  derived("u64", "spaceKey", "satp value whose translations the TLBs hold"),
  derived("u32", "spaceNumber", "its number; 0 for none"),
  derived("u32", "spaceCursor", "next slot of the table of known address spaces"),
  derived("u64", "spaceKeys", "satp values of the known address spaces", SPACE_COUNT),
  derived("u32", "spaceNumbers", "their numbers; 0 is none", SPACE_COUNT),
  derived("u64", "userSuperpageLow", "lowest user address a superpage was cached for"),
  derived("u64", "userSuperpageHigh", "highest"),
  derived("u64", "kernelSuperpageLow", "lowest upper-half address a superpage was cached for"),
  derived("u64", "kernelSuperpageHigh", "highest"),
  derived("u32", "walkLevel", "level of the leaf the last page-table walk ended at; 0 is a 4 KiB page"),
  derived("u32", "pmpActive", "whether any PMP entry is on or locked"),
  derived("u32", "trapsInARow", "traps taken since an instruction was retired"),
  saved("u64", "mstatus", ""),
  saved("u64", "medeleg", ""),
  saved("u64", "mideleg", ""),
  saved("u64", "mie", ""),
  saved("u64", "mip", "software-written bits and the levels of outside lines"),
  saved("u64", "externalLines", "levels of MSIP, MTIP, SEIP and MEIP as driven from outside the hart"),
  saved("u64", "mtvec", ""),
  saved("u64", "mcounteren", ""),
  saved("u64", "mcountinhibit", ""),
  saved("u64", "menvcfg", ""),
  saved("u64", "mscratch", ""),
  saved("u64", "mepc", ""),
  saved("u64", "mcause", ""),
  saved("u64", "mtval", ""),
  saved("u64", "stvec", ""),
  saved("u64", "scounteren", ""),
  saved("u64", "senvcfg", ""),
  saved("u64", "sscratch", ""),
  saved("u64", "sepc", ""),
  saved("u64", "scause", ""),
  saved("u64", "stval", ""),
  saved("u64", "stimecmp", ""),
  saved("u64", "satp", ""),
  saved("u64", "mtimecmp", "of the CLINT; here so that a run sees it"),
  saved("u64", "cycleOffset", "mcycle less retired instructions"),
  saved("u64", "instretOffset", "minstret less retired instructions"),
  saved("u64", "retired", "instructions retired since reset, less those of the present turn"),
  saved("u64", "pmpaddr", "bits 55:2 of addresses", 16),
  saved("u8", "pmpcfg", "", 16),
  saved("u64", "reservation", "physical address LR reserved, or NO_RESERVATION"),
  saved("u64", "reservedValue", "what LR read there"),
];

export const machineFields: readonly Field[] = [
  derived("u32", "hartCount", ""),
  derived("u64", "ramByteLength", ""),
  derived("u32", "hostFirmware", "1 when the host serves environment calls from S-mode"),
  derived("u32", "turnEnds", "the hart whose turn it is gives it up"),
  derived("u32", "stopRequested", "a device asked run() to return"),
  derived("u32", "mmioFault", "the host found nothing at the address it was asked for"),
  derived("u32", "exitHart", "the hart that caused the exit"),
  derived("u32", "tracing", "1: record each instruction before it is executed"),
  derived("u64", "tracePc", "pc of the instruction last begun"),
  derived("u32", "traceWord", "its bits"),
  derived("u64", "traceDecoded", "its decoded form"),
  derived("u64", "traceRs1", "value of its rs1 before it"),
  derived("u64", "traceRs2", "value of its rs2, or fs2, before it"),
  derived("u32", "tracePrivilege", ""),
  derived("u32", "traceHart", ""),
  derived("u32", "heatThreshold", "how often a target is reached before it is translated; 0 never"),
  derived("u64", "coolAt", "retired instructions at which targets next get cooler"),
  derived("u32", "regionCount", "region records in use"),
  derived("u32", "queuedCount", "of them, to be translated"),
  derived("u32", "compilingCount", "modules the host is compiling"),
  derived("u32", "moduleNumber", "of the module being written, or to be written next"),
  derived("u32", "tableSize", "table slots given to regions"),
  derived("u32", "hasFusedMultiplyAdd", "whether the host's relaxed multiply-add rounds once"),
  derived("u32", "translateAll", "whether code that was never executed is translated too"),
  derived("u64", "regionExits", "how often regions were left, by reason: LEFT_* of shared/region-exit.ts", 6),
  derived("u64", "translatedRetired", "instructions retired in regions"),
  derived("u64", "killedRegions", "regions whose code was written"),
  derived("u32", "decodedCursor", "next decoded page to reuse"),
  saved("u32", "currentHart", "whose turn it is"),
  saved("u32", "turnLeft", "instructions left of its turn"),
  saved("u64", "retired", "instructions retired by all harts"),
  saved("u64", "timeBase", "mtime at timeBaseRetired"),
  saved("u32", "timeFraction", "of a tick, in 2^-32"),
  saved("u64", "timeBaseRetired", ""),
  saved("u64", "ticksPerInstruction", "in 2^-32 ticks"),
];
