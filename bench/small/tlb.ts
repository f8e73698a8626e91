import { RAM_PADDR } from "../../assembly/shared/layout.js";
import type { Core } from "../../host/core/core.js";
import type { PreparedCase, SmallSubject } from "../subject.js";
import { type GuestLoop, loopText, runLoop, startBareCore } from "./bare-core.js";

/** Loads in supervisor mode with Sv39, that find their page in the TLB or have to walk the page table. */
export const tlb: SmallSubject = {
  name: "tlb",
  cases: [
    { operation: "a load that hits, with an addi", prepare: () => preparePaged(STEP_IN_PAGE) },
    { operation: "a load that misses and walks three levels, with an addi", prepare: () => preparePaged(STEP_OF_PAGE) },
  ],
};

/** Where the guest's data is, virtual and physical: 1024 pages of 4 KiB, more than any TLB here has entries. */
const DATA = RAM_PADDR + (4 << 20);
const DATA_PAGES = 1024;
const LOADS = 1000;

const ROOT_TABLE = RAM_PADDR + (2 << 20);
const MIDDLE_TABLE = ROOT_TABLE + 4096;
const LEAF_TABLES = MIDDLE_TABLE + 4096;

const PTE_V = 1 << 0;
/** Valid, readable, writable, executable, accessed, dirty. */
const PTE_LEAF = PTE_V | (1 << 1) | (1 << 2) | (1 << 3) | (1 << 6) | (1 << 7);
const SATP_SV39 = 8n << 60n;

const CSR_SATP = 0x180;
const CSR_PMPCFG0 = 0x3a0;
const CSR_PMPADDR0 = 0x3b0;
/** One PMP entry for everything: NAPOT, read, write, execute. */
const PMP_ALL = 0x1fn;

const STEP_IN_PAGE = stepping("add t1, s0, zero; nop", "addi t1, t1, 0");
const STEP_OF_PAGE = stepping("add t1, s0, zero; lui t2, 1", "add t1, t1, t2");

/** LOADS loads in a row, with `step` behind each. */
function stepping(start: string, step: string): GuestLoop {
  return {
    before: { text: "auipc s0, 0x400", instructions: 1 },
    body: `${start}; ${`ld t0, 0(t1); ${step};`.repeat(LOADS)}`,
    instructions: 2 + 2 * LOADS,
    operations: LOADS,
  };
}

async function preparePaged(loop: GuestLoop): Promise<PreparedCase> {
  const core = await startBareCore(loopText(loop));
  mapPages(core);
  const hart = core.harts[0]!;
  hart.setCsr(CSR_PMPADDR0, (1n << 54n) - 1n);
  hart.setCsr(CSR_PMPCFG0, PMP_ALL);
  hart.setCsr(CSR_SATP, SATP_SV39 | BigInt(ROOT_TABLE >>> 12));
  hart.start(BigInt(RAM_PADDR), 1, 0n, 0n);
  return runLoop(core, loop);
}

/** Every address means itself: the code in one page of 2 MiB, the data in pages of 4 KiB. */
function mapPages(core: Core): void {
  writePte(core, ROOT_TABLE, RAM_PADDR >>> 30, MIDDLE_TABLE, PTE_V);
  writePte(core, MIDDLE_TABLE, 0, RAM_PADDR, PTE_LEAF);
  for (let page = 0; page < DATA_PAGES; page += 512) {
    const table = LEAF_TABLES + page * 8;
    writePte(core, MIDDLE_TABLE, (DATA + page * 4096 - RAM_PADDR) >>> 21, table, PTE_V);
    for (let n = 0; n < 512; n++) writePte(core, table, n, DATA + (page + n) * 4096, PTE_LEAF);
  }
}

function writePte(core: Core, table: number, index: number, target: number, bits: number): void {
  core.ram.writeU32(table + index * 8, (target >>> 12) * 1024 + bits);
}
