import { Hart, theMachine } from "../generated/hart";
import { interpret } from "../generated/interpret";
import { OP_PAGE_END } from "../generated/operations";
import { interruptToTake, NO_INTERRUPT } from "../hart/interrupt";
import { EVENT_ATTENTION, EVENT_TRAP } from "../hart/trap";
import { enterPage, enterSingle, pcAt } from "../interpreter/fetch";
import { Interpreter } from "../interpreter/target";
import { loadForRegion, storeForRegion } from "../mmu/access";
import { SCRATCH_OFFSET, tlbBase } from "../mmu/tlb";
import { HART_STARTED } from "../shared/exit";
import {
  fetchedPage,
  mayEnter,
  recordFor,
  Region,
  regionOf,
  regionToEnter,
  STATE_KNOWN,
  STATE_QUEUED,
} from "./cache";
import { UNWIND } from "./emit";
import { HEAT_BASE } from "../shared/jit-layout";

/** In Hart.event, from a region: what comes next is the outer loop's, for an interrupt may have to be taken. */
const EVENT_OUTER_LOOP: u32 = 0x200;

/** Guest calls nested in Wasm calls; beyond it the stack is unwound. */
const MAX_DEPTH: u32 = 200;

// ---- heat ----

/** The entry to execute at `pc`, which was jumped to. As enterPage, and counts how often the target is reached. */
export function enterTarget(t: Interpreter, pc: u64): usize {
  const ip = enterPage(t, pc);
  if (ip != 0) noteTurn(t, ip);
  return ip;
}

/** Counts a jump to entry `ip`; asks for a region there when there have been many. Slots are shared, by chance. */
export function noteTurn(t: Interpreter, ip: usize): void {
  const slot = <usize>(HEAT_BASE + ((<u32>(ip >> 3) & 0x7fff) << 1));
  const heat = <u32>load<u16>(slot) + 1;
  const threshold = theMachine().heatThreshold;
  if (heat < threshold || threshold == 0) {
    store<u16>(slot, <u16>heat);
    return;
  }
  store<u16>(slot, 0);
  requestRegion(t, pcAt(t, ip));
}

function requestRegion(h: Hart, pc: u64): void {
  const page = fetchedPage(h, pc);
  if (page == 0) return;
  const region = recordFor(pc, page - 1);
  if (changetype<usize>(region) == 0 || region.state != STATE_KNOWN) return;
  region.state = STATE_QUEUED;
  const m = theMachine();
  m.queuedCount = m.queuedCount + 1;
}

// ---- from the interpreter into regions ----

/**
 * Executes region `number`, whose entry the interpreter has come to, and those it leads to.
 *
 * @returns the entry the interpreter goes on at; 0 when it has to leave its loop, with hart.pc where to go on
 */
export function enterRegion(t: Interpreter, ip: usize, number: i64): usize {
  let pc = pcAt(t, ip);
  let region = regionOf(<u32>number);
  // Not now: the interpreter executes the instruction that the region begins with, and comes back for the next.
  if (!mayEnter(t, region, pc)) return enterSingle(t, pc);
  for (;;) {
    pc = call_indirect<u64>(region.tableIndex, changetype<usize>(t), MAX_DEPTH);
    if (pc == UNWIND) break;
    region = regionToEnter(t, pc);
    if (changetype<usize>(region) == 0) return enterTarget(t, pc);
  }
  const event = t.event;
  if ((event & (EVENT_TRAP | EVENT_OUTER_LOOP)) != 0) return 0;
  if (event == 0) return enterPage(t, t.pc);
  // An access that only the interpreter may make, such as one to a device.
  t.event = 0;
  return enterSingle(t, t.pc);
}

// ---- what regions call ----

/** Executes the region at `pc` if there is one to enter. @returns where it comes back to, `pc` itself, or UNWIND */
export function callRegion(h: Hart, pc: u64, depth: u32): u64 {
  if (depth == 0) return pc;
  const region = regionToEnter(h, pc);
  if (changetype<usize>(region) == 0) return pc;
  return call_indirect<u64>(region.tableIndex, changetype<usize>(h), depth - 1);
}

/** A load that missed the TLB. An event is pending when there is no value. */
export function regionLoad(h: Hart, vaddr: u64, byteLength: u32): u64 {
  return loadForRegion(h, vaddr, byteLength);
}
export function regionStore(h: Hart, vaddr: u64, value: u64, byteLength: u32): void {
  storeForRegion(h, vaddr, value, byteLength);
}

/**
 * Lets the interpreter execute one instruction of a region; hart.countdown still counts it.
 *
 * @returns whether the region has to be left: hart.pc says where to go on
 */
export function regionStep(h: Hart, pc: u64, i: u64): bool {
  const scratch = tlbBase(h) + SCRATCH_OFFSET;
  store<u64>(<usize>scratch, i);
  store<u64>(<usize>scratch, OP_PAGE_END, 8);
  store<u64>(<usize>scratch, OP_PAGE_END, 16);
  h.pcBase = pc - (scratch >> 2);
  const stamp = h.codeStamp;
  // With an event pending the interpreter leaves its loop after the instruction.
  h.event = EVENT_ATTENTION;
  interpret(changetype<Interpreter>(h), <usize>scratch);
  h.event &= EVENT_TRAP;
  if (h.event != 0) return true;
  const m = theMachine();
  if (
    h.pc == pc + 4 &&
    h.codeStamp == stamp &&
    h.runState == HART_STARTED &&
    m.turnEnds == 0 &&
    m.stopRequested == 0 &&
    h.countdown != 0 &&
    interruptToTake(h) == NO_INTERRUPT
  ) {
    return false;
  }
  h.event = EVENT_OUTER_LOOP;
  return true;
}
