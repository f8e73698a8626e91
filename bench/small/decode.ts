import { assemble } from "../../assembly/isa/assemble.js";
import { RAM_PADDR } from "../../assembly/shared/layout.js";
import type { PreparedCase, SmallSubject } from "../subject.js";
import { retire, startBareCore } from "./bare-core.js";

const CODE_PAGES = 16;
const INSTRUCTIONS = CODE_PAGES * 1024;

/** First execution of code, which has to be decoded. */
export const decode: SmallSubject = {
  name: "decode",
  cases: [
    { operation: "an instruction executed for the first time", prepare: () => prepareCode(true) },
    { operation: "the same, executed before", prepare: () => prepareCode(false) },
  ],
};

/** @param fresh whether the code is written anew before each call, by which the decoded form of it is lost */
async function prepareCode(fresh: boolean): Promise<PreparedCase> {
  const body = "addi t0, t0, 1; ld t1, 0(sp); xor t2, t1, t0; sltu t3, t2, t0;".repeat(INSTRUCTIONS / 4 - 1);
  const text = `add t0, zero, zero; add t1, zero, zero; ${body} nop; j .-${(INSTRUCTIONS - 1) * 4}`;
  const code = assemble(text).bytes;
  const core = await startBareCore("nop");
  core.harts[0]!.setX(2, BigInt(RAM_PADDR + (8 << 20)));
  core.ram.write(RAM_PADDR, code);
  return {
    count: INSTRUCTIONS,
    run() {
      if (fresh) core.ram.write(RAM_PADDR, code);
      retire(core, INSTRUCTIONS);
    },
  };
}
