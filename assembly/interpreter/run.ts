import { HART_X, Hart, hartAt, Machine, theMachine } from "../generated/hart";
import { interpret } from "../generated/interpret";
import { rebaseTime } from "../hart/counters";
import { instructionsUntilTimer, interruptToTake, NO_INTERRUPT, wakesFromWfi } from "../hart/interrupt";
import { EVENT_TRAP, takeInterrupt, takeTrap } from "../hart/trap";
import { NO_RESERVATION } from "../mmu/access";
import { CAUSE_ILLEGAL_INSTRUCTION, CAUSE_SUPERVISOR_ECALL } from "../shared/causes";
import {
  EXIT_BUDGET,
  EXIT_ECALL,
  EXIT_IDLE,
  EXIT_STOP,
  EXIT_STUCK,
  HART_STARTED,
  HART_WAITING,
  TURN_LENGTH,
} from "../shared/exit";
import { rs1, rs2 } from "../semantics/operands";
import { decodeWord, enterPage, instructionBits } from "./fetch";
import { Interpreter } from "./target";

/** A hart that takes so many traps without retiring anything is stuck until something from outside helps it. */
const STUCK_TRAPS: u32 = 64;

/**
 * Lets the harts execute `budget` instructions in all, in turns.
 *
 * Whose turn it is and how much is left of it is kept, so that two runs of n equal one of 2n. Stops early for the
 * reasons of shared/exit.ts; what was executed shows in Machine.retired.
 *
 * @returns EXIT_BUDGET or the reason
 */
export function run(budget: u32): u32 {
  const exit = runTurns(theMachine(), budget);
  // The clock's saved fields then say the same however the instructions were divided into runs.
  rebaseTime();
  return exit;
}

function runTurns(m: Machine, budget: u32): u32 {
  m.stopRequested = 0;
  let left = budget;
  let passed: u32 = 0; // harts in a row that had nothing to execute
  let anyStuck = false;
  while (left != 0) {
    const h = hartAt(m.currentHart);
    if (h.runState == HART_WAITING && wakesFromWfi(h)) h.runState = HART_STARTED;
    if (h.runState != HART_STARTED) {
      nextHart(m, h);
      if (++passed == m.hartCount) return anyStuck ? EXIT_STUCK : EXIT_IDLE;
      continue;
    }
    const before = m.retired;
    const exit = runTurn(m, h, min(left, m.turnLeft));
    const executed = <u32>(m.retired - before);
    left -= executed;
    if (executed != 0) {
      passed = 0;
      anyStuck = false;
    }
    if (exit == EXIT_ECALL || exit == EXIT_STOP) return exit;
    if (exit == EXIT_STUCK) {
      anyStuck = true;
      nextHart(m, h);
      if (executed == 0 && ++passed == m.hartCount) return EXIT_STUCK;
    } else if (m.turnLeft == 0) nextHart(m, h);
  }
  return EXIT_BUDGET;
}

/** Gives the next hart its turn. A store of another hart ends a reservation: none outlives the turn. */
function nextHart(m: Machine, h: Hart): void {
  m.turnLeft = TURN_LENGTH;
  if (m.hartCount == 1) return;
  h.reservation = NO_RESERVATION;
  m.currentHart = m.currentHart + 1 == m.hartCount ? 0 : m.currentHart + 1;
}

/** Executes up to `budget` instructions of one hart. */
function runTurn(m: Machine, h: Hart, budget: u32): u32 {
  let left = budget;
  while (left != 0) {
    const interrupt = interruptToTake(h);
    if (interrupt != NO_INTERRUPT) takeInterrupt(h, interrupt);
    const length = m.tracing != 0 ? 1 : instructionsUntilTimer(h, left);
    h.turn = length;
    h.countdown = length;
    if (m.tracing != 0) trace(m, h);
    const ip = enterPage(h, h.pc);
    if (ip != 0) interpret(changetype<Interpreter>(h), ip);
    const executed = length - h.countdown;
    h.turn = 0;
    h.countdown = 0;
    h.retired += executed;
    m.retired += executed;
    m.turnLeft -= executed;
    left -= executed;
    if (executed != 0) h.trapsInARow = 0;
    const trapped = (h.event & EVENT_TRAP) != 0;
    h.event = 0;
    if (trapped) {
      if (h.pendingCause == CAUSE_SUPERVISOR_ECALL && m.hostFirmware != 0) {
        m.exitHart = h.id;
        return EXIT_ECALL;
      }
      if (h.pendingCause == CAUSE_ILLEGAL_INSTRUCTION) noteInstruction(h);
      takeTrap(h);
      if (++h.trapsInARow >= STUCK_TRAPS) {
        h.trapsInARow = 0;
        return EXIT_STUCK;
      }
    }
    if (m.stopRequested != 0) return EXIT_STOP;
    if (h.runState != HART_STARTED || m.turnEnds != 0) {
      m.turnEnds = 0;
      m.turnLeft = 0;
      return EXIT_BUDGET;
    }
  }
  return EXIT_BUDGET;
}

/** mtval of an illegal instruction is the instruction. Reading it may fault anew, which counts for nothing. */
function noteInstruction(h: Hart): void {
  const cause = h.pendingCause;
  const bits = instructionBits(h, h.pc);
  h.event = 0;
  h.pendingCause = cause;
  h.pendingTval = bits;
}

/** Records the instruction at pc, which is about to be executed, and what it reads. */
function trace(m: Machine, h: Hart): void {
  const word = <u32>instructionBits(h, h.pc);
  h.event = 0;
  const i = decodeWord(word);
  m.tracePc = h.pc;
  m.traceWord = word;
  m.traceDecoded = i;
  m.traceRs1 = load<u64>(changetype<usize>(h) + rs1(i), HART_X);
  m.traceRs2 = load<u64>(changetype<usize>(h) + rs2(i), HART_X);
  m.tracePrivilege = h.privilege;
  m.traceHart = h.id;
}
