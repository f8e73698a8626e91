import type { SmallSubject } from "../subject.js";
import { prepareLoop } from "./bare-core.js";

const CALLS = 50;

/** Environment calls within M-mode: the trap is taken, the handler steps over the call, mret. */
export const trap: SmallSubject = {
  name: "trap",
  cases: [
    {
      operation: "ecall, a handler of 3 instructions, mret",
      prepare: () =>
        prepareLoop({
          before: {
            text: `auipc t0, 0; addi t0, t0, 16; csrw mtvec, t0; j again
              handler: csrr t1, mepc; addi t1, t1, 4; csrw mepc, t1; mret`,
            instructions: 4,
          },
          body: "ecall;".repeat(CALLS),
          // An ecall does not retire.
          instructions: 4 * CALLS,
          operations: CALLS,
        }),
    },
  ],
};
