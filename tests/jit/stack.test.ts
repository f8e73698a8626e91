/** However translated code nests, the host's stack is enough. */
import { expect, test } from "vitest";
import { assemble } from "../../assembly/isa/assemble.js";
import { Core } from "../../host/core/core.js";
import { loadCore } from "../differential/vivarium.js";

const RAM_BASE = 0x8000_0000;
const MACHINE_MODE = 3;
const TURNS = 27;
const RUNS = 100;
const BUDGET = 100_000;

const REGISTERS = [
  "a0",
  "a1",
  "a2",
  "a3",
  "a4",
  "a5",
  "a6",
  "a7",
  "s2",
  "s3",
  "s4",
  "s5",
  "s6",
  "s7",
  "s8",
  "s9",
  "s10",
];
const register = (n: number): string => REGISTERS[n % REGISTERS.length]!;

/** With a loop that is never taken, so that every register has to be known at many places. */
const part = (n: number): string => `
part${n}:
  ld ${register(n)}, ${8 * (n % 64)}(sp)
  add ${register(5 * n + 2)}, ${register(n)}, ${register(2 * n)}
  addi ${register(n + 7)}, ${register(n + 4)}, 5
  sd ${register(n + 1)}, ${8 * (n % 59)}(sp)
  bltu ${register(n)}, zero, part${n >> 1}
  bltu ${register(n + 1)}, zero, part${n - (n % 8)}`;

/** An interpreter's loop, as compilers make it: each of its parts jumps to the next one by a register. */
const program = (partCount: number) => `
  li sp, ${RAM_BASE + 0x8000}
  la s1, loop
loop:
  addi s11, s11, 1
${Array.from({ length: partCount }, (_, n) => part(n)).join("")}
  jr s1
`;

test.each([20, 240])("a loop of %i parts that goes on by a register runs as long as it likes", async (parts) => {
  const mmio = { read: () => -1, write: () => false };
  const translate = { heatThreshold: 1, translatesAll: true, isSynchronous: true };
  const options = { memoryByteLength: 0x10000, hartCount: 1, mmio, hostFirmware: false, translate };
  const core = await Core.create({ module: await loadCore(), ...options });
  core.ram.write(RAM_BASE, assemble(program(parts)).bytes);
  core.harts[0]!.start(BigInt(RAM_BASE), MACHINE_MODE, 0n, 0n);
  for (let n = 0; n < RUNS; n++) core.run(BUDGET);
  const turnInstructionsMax = 2 + 6 * parts;
  expect(core.harts[0]!.x(TURNS)).toBeGreaterThan(BigInt(Math.floor((RUNS * BUDGET) / turnInstructionsMax) - 1));
});
