/** A translated region is left in time for an interrupt that it has just made possible. */
import { expect, test } from "vitest";
import { assemble } from "../../assembly/isa/assemble.js";
import { Core, type TranslationMode } from "../../host/core/core.js";
import { loadCore } from "../differential/vivarium.js";

const RAM_BASE = 0x8000_0000;
const MACHINE_MODE = 3;
const MEPC_SEEN = 27;

/** `arm` makes the supervisor's timer fire 16 instructions after it read the time; x27 is where that interrupts. */
const program = (arm: string) => `
  la t0, handler
  csrw mtvec, t0
  li t0, -1
  csrw stimecmp, t0
  li t0, 1
  slli t0, t0, 63
  csrw menvcfg, t0              # STCE
  li s0, 0x20                   # STIE
  csrw mie, s0
  csrsi mstatus, 8
again:
  csrr t1, time
  addi t1, t1, 16
  ${arm}
  .word ${Array.from({ length: 20 }, () => 0x13).join(", ")}
  j again
  .align 2
handler:
  csrr s11, mepc
  li t2, -1
  csrw stimecmp, t2
  csrw mie, s0
  mret
`;

async function placesOfInterrupts(arm: string, translate: TranslationMode): Promise<bigint[]> {
  const mmio = { read: () => -1, write: () => false };
  const options = { memoryByteLength: 0x10000, hartCount: 1, mmio, hostFirmware: false, translate };
  const core = await Core.create({ module: await loadCore(), ...options });
  core.ram.write(RAM_BASE, assemble(program(arm)).bytes);
  core.setTime(0n, 1);
  core.harts[0]!.start(BigInt(RAM_BASE), MACHINE_MODE, 0n, 0n);
  return Array.from({ length: 20 }, () => {
    core.run(53);
    return core.harts[0]!.x(MEPC_SEEN);
  });
}

test.each([
  ["sets the timer", "csrw stimecmp, t1"],
  ["enables it", "csrw mie, zero; csrw stimecmp, t1; csrw mie, s0"],
])("translated code that %s is interrupted when the timer fires", async (_, arm) => {
  const again = assemble(program(arm)).symbols.get("again")!;
  // The time is that of the first instruction; sixteen are executed before the interrupt, of which some arm the timer.
  const expected = again + 4n * 16n;
  const places = await placesOfInterrupts(arm, "eager");
  expect(new Set(places.slice(4))).toEqual(new Set([expected]));
  expect(await placesOfInterrupts(arm, "off")).toEqual(places);
});
