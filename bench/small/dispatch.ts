import type { SmallSubject } from "../subject.js";
import { type GuestLoop, prepareLoop } from "./bare-core.js";

/** Loops of one kind of instruction: what fetching, dispatching and performing one costs. */
export const dispatch: SmallSubject = {
  name: "dispatch",
  cases: [
    { operation: "an integer instruction", prepare: () => prepareLoop(INTEGER) },
    { operation: "a branch, every other taken", prepare: () => prepareLoop(BRANCH) },
    { operation: "a load or store", prepare: () => prepareLoop(MEMORY) },
    { operation: "a double-precision instruction", prepare: () => prepareLoop(DOUBLE) },
  ],
};

/** All instructions of a loop count, the jump back with them. */
function whole(body: string, instructions: number, before?: GuestLoop["before"]): GuestLoop {
  return { body, instructions, operations: instructions + 1, ...(before && { before }) };
}

const INTEGER = whole(
  `${"add t0, t0, a0; slli t1, t0, 3; xor t2, t1, t0; srli t3, t2, 7; and t4, t3, t0;".repeat(4)}
   addiw t5, t5, 1; sub t6, t5, t0; or t0, t0, t6`,
  23,
);

const BRANCH = whole(`${"bne zero, zero, .+4; beq zero, zero, .+4;".repeat(11)}`, 22);

const MEMORY = whole(
  `${"ld t0, 0(sp); sd t1, 8(sp); lw t2, 16(sp); sw t3, 24(sp); lbu t4, 32(sp);".repeat(4)}
   sb t5, 40(sp); lhu t6, 48(sp); sh t0, 56(sp)`,
  23,
  { text: "auipc sp, 0x800", instructions: 1 },
);

const DOUBLE = whole(
  `${"fmadd.d f1, f2, f3, f1; fadd.d f4, f1, f2; fmul.d f5, f4, f3; fsub.d f6, f5, f4;".repeat(5)}
   fsgnj.d f7, f6, f1; fdiv.d f8, f6, f3; feq.d t0, f7, f8`,
  23,
  { text: "lui t0, 0x6; csrs mstatus, t0; li t1, 3; fcvt.d.l f2, t1; li t1, 7; fcvt.d.l f3, t1", instructions: 6 },
);
