import { Hart, HART_X, theMachine } from "../generated/hart";
import { interpret } from "../generated/interpret";
import { OP_PAGE_END } from "../generated/operations";
import { instructionsUntilTimer, interruptToTake, NO_INTERRUPT } from "../hart/interrupt";
import { EVENT_ATTENTION, EVENT_TRAP } from "../hart/trap";
import { enterPage, enterSingle, pcAt } from "../interpreter/fetch";
import { Interpreter } from "../interpreter/target";
import { loadForRegion, storeForRegion } from "../mmu/access";
import { SCRATCH_OFFSET, tlbBase } from "../mmu/tlb";
import { HART_STARTED } from "../shared/exit";
import {
  fetchedPage,
  floatLevel,
  mayEnter,
  requestRewrite,
  recordFor,
  Region,
  regionOf,
  regionToEnter,
  STATE_KNOWN,
  STATE_QUEUED,
} from "./cache";
import { UNWIND } from "./emit";
import { noteExit } from "./exits";
import { LEFT_FOR_COLD, LEFT_FOR_NESTED, LEFT_FOR_REFUSAL, LEFT_FOR_STEP } from "../shared/region-exit";
import { DISCARDED, rd, rs1 } from "../semantics/operands";
import { isCsrRead, performCsr } from "../semantics/system";
import { HEAT_BASE } from "../shared/jit-layout";

/** In Hart.event, from a region: what comes next is the outer loop's, for an interrupt may have to be taken. */
const EVENT_OUTER_LOOP: u32 = 0x200;

/** Guest calls nested in Wasm calls; beyond it the stack is unwound. */
export const MAX_DEPTH: u32 = 200;
/** Of them, a nested interpretation takes so many: it needs more of the host's stack. */
const INTERPRETATION_DEPTH: u32 = 4;
/** A power of two. */
const COLD_EXITS_TOLERATED: u32 = 64;
/** Hart.stopPc outside a nested interpretation: no instruction has an odd address. */
export const NO_STOP: u64 = u64.MAX_VALUE;

// ---- heat ----

/**
 * How much hotter a target gets each time it is reached. A function's entry is the best place for a region to begin:
 * what begins in the middle, after a loop's turn or a return, becomes a copy of a part of the function.
 */
const CALL_HEAT: u32 = 8;
export const TURN_HEAT: u32 = 2;
const RETURN_HEAT: u32 = 1;
export const RESUME_HEAT: u32 = 1;

/** Instructions in which a target loses half of its heat: what counts is how often it is reached, not since when. */
const COOLING_INTERVAL: u64 = 32_000_000;
const HEAT_SLOTS: u32 = 0x8000;

/** To be called between runs. */
export function cool(): void {
  const m = theMachine();
  if (m.heatThreshold == 0 || m.retired < m.coolAt) return;
  m.coolAt = m.retired + COOLING_INTERVAL;
  // Four slots at a time: halved, without the bit that comes over from the next one.
  for (let n: u32 = 0; n < HEAT_SLOTS * 2; n += 8) {
    const at = <usize>(HEAT_BASE + n);
    store<u64>(at, (load<u64>(at) >> 1) & 0x7fff7fff7fff7fff);
  }
}

/** The entry to execute at `pc`, which was jumped to. As enterPage, and the target gets hotter. */
export function enterTarget(t: Interpreter, pc: u64, heat: u32): usize {
  const ip = enterPage(t, pc);
  if (ip != 0) warm(t, ip, heat);
  return ip;
}

/** The entry to execute after JAL or JALR `i` to `pc`; 0 also when a nested interpretation ends there. */
export function enterJump(t: Interpreter, i: u64, pc: u64): usize {
  if (rd(i) != DISCARDED || !isLink(rs1(i))) {
    if (rd(i) != DISCARDED) t.calledPc = pc;
    return enterTarget(t, pc, CALL_HEAT);
  }
  if (pc == t.stopPc) {
    t.pc = pc;
    return 0;
  }
  return enterTarget(t, pc, RETURN_HEAT);
}

/** Whether a JALR through this register is a return: unprivileged ISA, "Unconditional Jumps". */
@inline function isLink(register: u32): bool {
  return register == 1 * 8 || register == 5 * 8;
}

/** Counts the turn of a loop whose next entry is `ip`. */
export function noteTurn(t: Interpreter, ip: usize): void {
  if (!warm(t, ip, TURN_HEAT)) return;
  // The loop is most likely in the function called last, which is worth having as a whole when it is called again.
  const called = t.calledPc;
  if (pcAt(t, ip) - called < FUNCTION_REACH) requestRegion(t, called);
}
const FUNCTION_REACH: u64 = 0x2000;

/** Asks for a region at entry `ip` when it is hot, and says so. Slots are shared, by chance. */
function warm(t: Interpreter, ip: usize, more: u32): bool {
  const slot = <usize>(HEAT_BASE + ((<u32>(ip >> 3) & (HEAT_SLOTS - 1)) << 1));
  const heat = <u32>load<u16>(slot) + more;
  const threshold = theMachine().heatThreshold;
  if (heat < threshold || threshold == 0) {
    store<u16>(slot, <u16>heat);
    return false;
  }
  store<u16>(slot, 0);
  requestRegion(t, pcAt(t, ip));
  return true;
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
  if (t.depth == 0 || !mayEnter(t, region, pc)) {
    noteExit(LEFT_FOR_REFUSAL);
    return enterSingle(t, pc);
  }
  for (;;) {
    const before = t.countdown;
    pc = call_indirect<u64>(region.tableIndex, changetype<usize>(t), t.depth - 1);
    noteRetired(before - t.countdown);
    if (pc == UNWIND) break;
    if (pc == t.stopPc) {
      t.pc = pc;
      return 0;
    }
    region = regionToEnter(t, pc);
    if (changetype<usize>(region) == 0) return enterTarget(t, pc, RETURN_HEAT);
  }
  noteExit(t.leftFor);
  const event = t.event;
  if ((event & (EVENT_TRAP | EVENT_OUTER_LOOP)) != 0) return 0;
  if (event == 0) return enterPage(t, t.pc);
  // An access that only the interpreter may make, such as one to a device.
  t.event = 0;
  return enterSingle(t, t.pc);
}

/** Counts instructions as retired in regions. */
function noteRetired(count: u32): void {
  const m = theMachine();
  m.translatedRetired = m.translatedRetired + count;
}

// ---- what regions call ----

/**
 * Executes what is at `pc` until it comes to `next`: the region there if there is one to enter, or the interpreter.
 *
 * @returns where it came to, which need not be `next`, or UNWIND
 */
export function callRegion(h: Hart, pc: u64, depth: u32, next: u64): u64 {
  if (depth == 0) return pc;
  const region = regionToEnter(h, pc);
  if (changetype<usize>(region) != 0) return call_indirect<u64>(region.tableIndex, changetype<usize>(h), depth - 1);
  if (depth <= INTERPRETATION_DEPTH) return pc;
  return interpretUntil(h, pc, next, depth - INTERPRETATION_DEPTH) ? next : UNWIND;
}

/** As callRegion, from region `number`, which has no code for `pc`: when that happens often it is translated anew. */
export function leaveCold(h: Hart, pc: u64, depth: u32, next: u64, number: u32): u64 {
  noteExit(LEFT_FOR_COLD);
  const region = regionOf(number);
  const exits = region.coldExits + 1;
  region.coldExits = exits;
  // Each time it takes twice as many, so that there is an end to it.
  if ((exits & ((COLD_EXITS_TOLERATED << region.translations) - 1)) == 0) requestRewrite(region);
  return callRegion(h, pc, depth, next);
}

/** Interprets from `pc` until a return to `stop`. @returns false when something else must be done first: then unwind */
function interpretUntil(h: Hart, pc: u64, stop: u64, depth: u32): bool {
  const stamp = h.codeStamp;
  const floats = floatLevel(h);
  const before = h.countdown;
  const retired = theMachine().translatedRetired;
  const outerStop = h.stopPc;
  const outerDepth = h.depth;
  h.stopPc = stop;
  h.depth = depth;
  let hasStopped = false;
  let ip = enterTarget(changetype<Interpreter>(h), pc, CALL_HEAT);
  while (ip != 0) {
    interpret(changetype<Interpreter>(h), ip);
    if ((h.event & EVENT_TRAP) != 0) break;
    // Regions that wait for this one count on the mode and on what floats may do.
    if (h.event != 0 || h.codeStamp != stamp || floatLevel(h) < floats || mustLeave(h)) {
      h.event = EVENT_OUTER_LOOP;
      break;
    }
    if (h.pc == stop) {
      hasStopped = true;
      break;
    }
    ip = enterPage(h, h.pc);
  }
  // The region that waits counts all of this as its own; what its callees counted already comes back out.
  theMachine().translatedRetired = retired - (before - h.countdown - <u32>(theMachine().translatedRetired - retired));
  h.stopPc = outerStop;
  h.depth = outerDepth;
  if (!hasStopped) h.leftFor = LEFT_FOR_NESTED;
  return hasStopped;
}

/** Whether the outer loop has something to do before the next instruction. */
function mustLeave(h: Hart): bool {
  const m = theMachine();
  return (
    h.runState != HART_STARTED ||
    m.turnEnds != 0 ||
    m.stopRequested != 0 ||
    h.countdown == 0 ||
    interruptToTake(h) != NO_INTERRUPT ||
    // A timer was set that fires before the turn ends: both are counted from its beginning.
    instructionsUntilTimer(h, h.turn) != h.turn
  );
}

/**
 * A region is left whose exit stored of some registers only the low half, which is theirs sign-extended.
 *
 * @param narrow a bit each @returns UNWIND
 */
export function extendAndUnwind(h: Hart, narrow: u32): u64 {
  for (let rest = narrow; rest != 0; rest &= rest - 1) {
    const register = changetype<usize>(h) + HART_X + (<usize>ctz(rest) << 3);
    store<i64>(register, load<i32>(register));
  }
  return UNWIND;
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
  const floats = floatLevel(h);
  h.leftFor = LEFT_FOR_STEP;
  // With an event pending the interpreter leaves its loop after the instruction.
  h.event = EVENT_ATTENTION;
  interpret(changetype<Interpreter>(h), <usize>scratch);
  h.event &= EVENT_TRAP;
  if (h.event != 0) return true;
  if (h.pc == pc + 4 && h.codeStamp == stamp && floatLevel(h) >= floats && !mustLeave(h)) return false;
  return leaveForOuterLoop(h);
}

/** As regionStep, for the CSR instructions, which a kernel executes at every trap. */
export function regionCsr(h: Hart, pc: u64, i: u64): bool {
  const stamp = h.codeStamp;
  const floats = floatLevel(h);
  h.countdown = h.countdown - 1;
  h.pc = pc + 4;
  performCsr(h, i);
  if ((h.event & EVENT_TRAP) != 0) {
    h.countdown = h.countdown + 1;
    h.pc = pc;
    h.leftFor = LEFT_FOR_STEP;
    return true;
  }
  if (isCsrRead(i)) return h.countdown == 0 && leaveForOuterLoop(h);
  if (h.codeStamp == stamp && floatLevel(h) >= floats && !mustLeave(h)) return false;
  return leaveForOuterLoop(h);
}

/** As regionCsr, for fcsr and its parts: no interrupt, mode or counter has to do with them, and they cannot trap here. */
export function regionFlags(h: Hart, pc: u64, i: u64): bool {
  const floats = floatLevel(h);
  performCsr(h, i);
  if (floatLevel(h) >= floats) return false;
  h.event = EVENT_OUTER_LOOP;
  return true;
}

/** Nothing follows but what the outer loop decides. @returns true */
function leaveForOuterLoop(h: Hart): bool {
  h.leftFor = LEFT_FOR_STEP;
  h.event = EVENT_OUTER_LOOP;
  return true;
}
