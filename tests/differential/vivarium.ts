import { readFile } from "node:fs/promises";
import { Core, EXIT_BUDGET, EXIT_IDLE, EXIT_STOP, EXIT_STUCK, type MmioPort } from "../../host/core/core.js";
import { type WasmModule, wasm } from "../../host/core/wasm.js";
import { CLINT_MTIME, CLINT_MTIMECMP, RAM_BASE, RAM_BYTE_LENGTH, TEST_DEVICE, TEST_PASS } from "./layout.js";

/** So that the monitor's 20 seconds are 200,000 instructions. */
const TICKS_PER_INSTRUCTION = 1000;
const SLICE = 10_000_000;
/** What is hot is translated between slices. */
const EAGER_SLICE = 5003;

/** Ways in which our core executes. */
export const ENGINES = ["off", "eager"] as const;
export type Engine = (typeof ENGINES)[number];
/** Far more than a full image of programs that all run into the timer takes. */
const LIMIT = 2_000_000_000n;

export async function loadCore(): Promise<WasmModule> {
  return wasm.compile(await readFile(new URL("../../build/core.wasm", import.meta.url)));
}

/**
 * Runs an image in our core until it powers off. The board is what the monitor needs of one.
 *
 * @returns RAM afterwards
 * @throws Error when it does not power off
 */
export async function runInVivarium(
  module: WasmModule,
  image: Uint8Array,
  translate: Engine = "off",
): Promise<Uint8Array> {
  let isOff = false;
  const mmio: MmioPort = {
    read(paddr) {
      if (paddr === CLINT_MTIME) return Number(core.mtime & 0xffff_ffffn);
      if (paddr === CLINT_MTIME + 4) return Number(core.mtime >> 32n);
      return -1;
    },
    write(paddr, _width, value) {
      const hart = core.harts[0]!;
      const deadline = hart.mtimecmp;
      if (paddr === CLINT_MTIMECMP) hart.mtimecmp = ((deadline >> 32n) << 32n) | BigInt(value);
      else if (paddr === CLINT_MTIMECMP + 4) hart.mtimecmp = (BigInt(value) << 32n) | (deadline & 0xffff_ffffn);
      else if (paddr === TEST_DEVICE && value === TEST_PASS) {
        isOff = true;
        core.requestStop();
      } else return false;
      return true;
    },
  };
  const core = await Core.create({
    module,
    memoryByteLength: RAM_BYTE_LENGTH,
    hartCount: 1,
    mmio,
    hostFirmware: false,
    translate,
  });
  core.ram.write(RAM_BASE, image);
  core.setTime(0n, TICKS_PER_INSTRUCTION);
  core.harts[0]!.start(BigInt(RAM_BASE), 3, 0n, 0n);
  while (!isOff) {
    const exit = core.run(translate === "off" ? SLICE : EAGER_SLICE);
    const waits = exit === EXIT_IDLE || exit === EXIT_STUCK;
    if (waits && core.nextTimer !== null) core.setTime(core.nextTimer, TICKS_PER_INSTRUCTION);
    else if (exit !== EXIT_BUDGET && exit !== EXIT_STOP) throw new Error(`run ended with ${exit} at ${where(core)}`);
    if (core.retired > LIMIT) throw new Error(`still running after ${LIMIT} instructions, at ${where(core)}`);
  }
  return core.ram.view(RAM_BASE, RAM_BYTE_LENGTH);
}

function where(core: Core): string {
  return `pc 0x${core.harts[0]!.pc.toString(16)}`;
}
