/**
 * The Wasm ABI: everything the host calls. Fields of harts and of the machine it reads and writes in linear memory,
 * by generated/hart-fields.ts; what needs more than a store is a function here. Imports: host.ts.
 */
import { csrExists, readCsr as readCsrOf, writeCsr as writeCsrOf } from "./generated/csr";
import { peek as peekAt } from "./debug/peek";
import { hartAt, theMachine } from "./generated/hart";
import { machineRetiredNow, timeAfter } from "./hart/counters";
import { nextTimer as nextTimerOf } from "./hart/interrupt";
import { resetHart } from "./hart/reset";
import { forgetRegions } from "./jit/cache";
import { forgetDecodedPages, resetDecodedPages } from "./mmu/code";
import { ramChanged } from "./mmu/memory";
import { refreshPmp } from "./mmu/pmp";
import { flushAll, resetTlb } from "./mmu/tlb";
import { HART_STOPPED, turnLength } from "./shared/exit";
import { HARTS_BASE, MACHINE_BASE } from "./shared/layout";

export * from "./generated/float-helpers";
export { callRegion, extendAndUnwind, leaveCold, regionCsr, regionFlags, regionLoad, regionStep, regionStore } from "./jit/dispatch";
export { isFull, regionsReady, translate } from "./jit/module";
export { clmul, clmulReversed } from "./interpreter/crypto";
export { mulHighSS, mulHighSU, mulHighUU } from "./interpreter/multiply";
export { divS, divU, remS, remU, xperm4, xperm8 } from "./interpreter/exports";
export { run } from "./interpreter/run";

/**
 * Power-on state of the whole processor; RAM is left as it is.
 *
 * @param ramByteLength a multiple of 4096; linear memory reaches that far beyond RAM_BASE
 * @param hostFirmware whether environment calls from S-mode make run() return
 */
export function reset(hartCount: u32, ramByteLength: u32, hostFirmware: bool): void {
  resetDecodedPages();
  forgetRegions();
  memory.fill(<usize>MACHINE_BASE, 0, <usize>(HARTS_BASE - MACHINE_BASE));
  const m = theMachine();
  m.hartCount = hartCount;
  m.ramByteLength = ramByteLength;
  m.hostFirmware = hostFirmware ? 1 : 0;
  m.turnLeft = turnLength(hartCount);
  forgetRegions();
  for (let id: u32 = 0; id < hartCount; id++) resetHart(hartAt(id), id);
}

/** Rebuilds what is derived after the host has changed saved fields of a hart. */
export function refreshHart(id: u32): void {
  const h = hartAt(id);
  refreshPmp(h);
  resetTlb(h);
  h.event = 0;
}

/** To be called after the host wrote RAM in [paddr, paddr + byteLength). */
export function ramWritten(paddr: f64, byteLength: u32): void {
  if (byteLength != 0) ramChanged(<u64>paddr, byteLength);
}

/** Forgets all decoded and translated code, between runs: for a new start when there is too much of it. */
export function forgetCode(): void {
  forgetDecodedPages();
  forgetRegions();
}

/** Value of a CSR whatever the hart's privilege; 0 when there is none of that number. */
export function readCsr(id: u32, number: u32): u64 {
  return csrExists(number) ? readCsrOf(hartAt(id), number) : 0;
}

/** Writes a CSR as machine mode would. */
export function writeCsr(id: u32, number: u32, value: u64): void {
  if (csrExists(number)) writeCsrOf(hartAt(id), number, value);
}

/** What RAM holds where hart `id` has just made an access. */
export function peek(id: u32, vaddr: u64): u64 {
  return peekAt(hartAt(id), vaddr);
}

/** SFENCE.VMA from outside. */
export function flushTlb(id: u32): void {
  flushAll(hartAt(id));
}

/** mtime in ticks, also during an MMIO access. */
export function mtime(): u64 {
  return timeAfter(machineRetiredNow(hartAt(theMachine().currentHart)));
}

/** Sets the clock: mtime now, also during an MMIO access, and how it goes on, in 2^-32 ticks an instruction. */
export function setTime(ticks: u64, ticksPerInstruction: u64): void {
  const m = theMachine();
  m.timeBase = ticks;
  m.timeFraction = 0;
  m.timeBaseRetired = machineRetiredNow(hartAt(m.currentHart));
  m.ticksPerInstruction = ticksPerInstruction;
}

/** The mtime at which the first timer of a hart that is not stopped fires; u64.MAX_VALUE when none is armed. */
export function nextTimer(): u64 {
  const m = theMachine();
  let earliest = u64.MAX_VALUE;
  for (let id: u32 = 0; id < m.hartCount; id++) {
    const h = hartAt(id);
    if (h.runState != HART_STOPPED) earliest = min(earliest, nextTimerOf(h));
  }
  return earliest;
}
