import { assemble } from "../../assembly/isa/assemble.js";
import { RAM_PADDR } from "../../assembly/shared/layout.js";
import { Core, EXIT_BUDGET, type MmioPort } from "../../host/core/core.js";
import { loadCoreModule } from "../../host/platform/node/core-module.js";
import { assert } from "../../host/util/errors.js";
import type { PreparedCase } from "../subject.js";

const MEMORY_BYTE_LENGTH = 16 << 20;
const NO_DEVICES: MmioPort = { read: () => -1, write: () => false };

/** A core of one hart that has begun `program`, assembled for the start of RAM, in M-mode. */
export async function startBareCore(program: string, mmio: MmioPort = NO_DEVICES): Promise<Core> {
  const module = await loadCoreModule();
  const core = await Core.create({
    module,
    memoryByteLength: MEMORY_BYTE_LENGTH,
    hartCount: 1,
    mmio,
    hostFirmware: false,
  });
  core.ram.write(RAM_PADDR, assemble(program).bytes);
  core.harts[0]!.start(BigInt(RAM_PADDR), 3, 0n, 0n);
  return core;
}

/** Lets the core retire `budget` instructions: a guest that ends otherwise is not what was to be measured. */
export function retire(core: Core, budget: number): void {
  const exit = core.run(budget);
  assert(exit === EXIT_BUDGET, `the measured guest stopped with exit ${exit}`);
}

/** What is measured in an endless loop. */
export interface GuestLoop {
  /** What comes before the loop, and how many instructions that is. */
  readonly before?: { readonly text: string; readonly instructions: number };
  readonly body: string;
  /** Instructions retired by the body. The jump back is one more. */
  readonly instructions: number;
  /** How much of what is measured one turn does. */
  readonly operations: number;
}

/** Instructions in one call: enough to make the call's own cost disappear. */
const CALL_INSTRUCTIONS = 100_000;

/** The loop, begun in M-mode on a bare core. */
export async function prepareLoop(loop: GuestLoop, mmio?: MmioPort): Promise<PreparedCase> {
  return runLoop(await startBareCore(loopText(loop), mmio), loop);
}

export function loopText(loop: GuestLoop): string {
  return `${loop.before?.text ?? ""}\nagain: ${loop.body}\nj again`;
}

/** The loop on a core that stands at its program's first instruction. */
export function runLoop(core: Core, loop: GuestLoop): PreparedCase {
  if (loop.before !== undefined) retire(core, loop.before.instructions);
  const turnInstructions = loop.instructions + 1;
  const turns = Math.ceil(CALL_INSTRUCTIONS / turnInstructions);
  return { count: loop.operations * turns, run: () => retire(core, turns * turnInstructions) };
}
