import {
  Core,
  EXIT_BUDGET,
  type MmioPort,
  type TranslationMode,
  type TranslationTuning,
} from "../../../host/core/core.js";
import type { WasmModule } from "../../../host/core/wasm.js";
import { generateProgram } from "../generator.js";
import { buildImage } from "../image.js";
import { CLINT_MTIME, CLINT_MTIMECMP, RAM_BASE, RAM_BYTE_LENGTH, TEST_DEVICE } from "../layout.js";
import type { Way } from "./lockstep.js";

/** As in vivarium.ts: the monitor's seconds are few instructions. */
const TICKS_PER_INSTRUCTION = 1000;

/** A core with the board that the monitor needs. */
interface Board {
  readonly core: Core;
  isOff: boolean;
}

async function start(
  module: WasmModule,
  image: Uint8Array,
  translate: TranslationMode | TranslationTuning,
): Promise<Board> {
  const mmio: MmioPort = {
    read: (paddr) => {
      if (paddr === CLINT_MTIME) return Number(board.core.mtime & 0xffff_ffffn);
      return paddr === CLINT_MTIME + 4 ? Number(board.core.mtime >> 32n) : -1;
    },
    write: (paddr, _width, value) => {
      const hart = board.core.harts[0]!;
      if (paddr === CLINT_MTIMECMP) hart.mtimecmp = ((hart.mtimecmp >> 32n) << 32n) | BigInt(value);
      else if (paddr === CLINT_MTIMECMP + 4) hart.mtimecmp = (BigInt(value) << 32n) | (hart.mtimecmp & 0xffff_ffffn);
      else if (paddr === TEST_DEVICE) {
        board.isOff = true;
        board.core.requestStop();
      } else return false;
      return true;
    },
  };
  const options = { module, memoryByteLength: RAM_BYTE_LENGTH, hartCount: 1, mmio, hostFirmware: false, translate };
  const board: Board = { core: await Core.create(options), isOff: false };
  board.core.ram.write(RAM_BASE, image);
  board.core.setTime(0n, TICKS_PER_INSTRUCTION);
  board.core.harts[0]!.start(BigInt(RAM_BASE), 3, 0n, 0n);
  return board;
}

/** What is compared after every slice: cheap to make, and different as soon as a hart's register is. */
function stateOf({ core }: Board, exit: number): string {
  const state = { exit, retired: core.retired, mtime: core.mtime, hart: core.harts[0]!.save() };
  return JSON.stringify(state, (_key, value: unknown) => (typeof value === "bigint" ? value.toString(16) : value));
}

export interface ImageRun {
  /** Program in whose slice the two differed first, by what the monitor had finished; undefined when they agreed. */
  readonly difference: string | undefined;
  readonly slices: number;
  readonly regions: number;
}

/**
 * Runs the monitor over the programs of `count` seeds, as the comparison with QEMU does, interpreted and translated,
 * and compares after every `budget` instructions.
 */
export async function runImageInLockstep(
  module: WasmModule,
  way: Way,
  firstSeed: number,
  count: number,
  budget: number,
): Promise<ImageRun> {
  const image = buildImage(Array.from({ length: count }, (_, n) => generateProgram(firstSeed + n, new Set())));
  const interpreted = await start(module, image, "off");
  const translated = await start(module, image, way.tuning);
  const { core } = interpreted;
  const result = (difference: string | undefined): ImageRun => ({
    difference,
    slices,
    regions: translated.core.translation.regions,
  });
  let slices = 0;
  while (!interpreted.isOff) {
    slices++;
    const exit = core.run(budget);
    const [mine, theirs] = [stateOf(interpreted, exit), stateOf(translated, translated.core.run(budget))];
    if (mine !== theirs) return result(`after slice ${slices}:\n${mine}\n${theirs}`);
    if (!way.tuning.isSynchronous) await new Promise((resolve) => setImmediate(resolve));
    if (exit === EXIT_BUDGET || interpreted.isOff) continue;
    // Everything waits, or is stuck, until the monitor's timer.
    const timer = core.nextTimer;
    if (timer === null) return result("nothing will ever happen any more");
    for (const board of [interpreted, translated]) board.core.setTime(timer, TICKS_PER_INSTRUCTION);
  }
  const [mine, theirs] = [interpreted, translated].map((board) => board.core.ram.view(RAM_BASE, RAM_BYTE_LENGTH));
  return result(Buffer.compare(mine!, theirs!) === 0 ? undefined : "memory at the end");
}
