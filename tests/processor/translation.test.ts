/** What is special about a core that translates; that it does the same is for lockstep tests to see. */
import { afterEach, expect, test, vi } from "vitest";
import { assemble } from "../../assembly/isa/assemble.js";
import { Core, type CoreOptions, EXIT_BUDGET } from "../../host/core/core.js";
import { hasFusedMultiplyAdd } from "../../host/core/fused-multiply-add.js";
import { wasm } from "../../host/core/wasm.js";
import { loadCore } from "../differential/vivarium.js";

const RAM = 0x8000_0000;

/** Calls a function that adds for ever. */
const CALLS = `
  loop: jal ra, add
        j loop
  add:  addi a0, a0, 1
        ret`;

async function start(program: string, options: Partial<CoreOptions>): Promise<Core> {
  const core = await Core.create({
    module: await loadCore(),
    memoryByteLength: 1 << 20,
    hartCount: 1,
    mmio: { read: () => -1, write: () => false },
    hostFirmware: false,
    ...options,
  });
  core.ram.write(RAM, assemble(program, BigInt(RAM)).bytes);
  core.harts[0]!.start(BigInt(RAM), 3, 0n, 0n);
  return core;
}

afterEach(() => vi.restoreAllMocks());

test("translation: most instructions of a loop are retired in regions", async () => {
  const core = await start(CALLS, { translate: "eager" });
  for (let n = 0; n < 10; n++) expect(core.run(100_000)).toBe(EXIT_BUDGET);
  expect(core.retired).toBe(1_000_000n);
  expect(core.harts[0]!.x(10)).toBe(250_000n);
  expect(core.translation.regions).toBeGreaterThan(0);
  expect(Number(core.translation.instructions)).toBeGreaterThan(850_000);
});

test.each(["on", "eager"] as const)(
  "translation %s: variables beside code on one page hold nothing up",
  async (translate) => {
    const core = await start(
      `
    la t0, counter
    loop: ld t1, 0(t0); addi t1, t1, 1; sd t1, 0(t0)
          jal ra, add
          j loop
    add:  addi a0, a0, 1
          ret
          .align 3
    counter: .zero 8`,
      { translate },
    );
    // How many of ten thousand instructions regions retired. Those that are ready are linked between the host's turns.
    const turn = async (): Promise<number> => {
      const before = core.translation.instructions;
      expect(core.run(10_000)).toBe(EXIT_BUDGET);
      await new Promise((resolve) => setImmediate(resolve));
      return Number(core.translation.instructions - before);
    };
    // They are compiled beside the guest, in whatever time that takes.
    while ((await turn()) < 9_000) expect(core.translation.invalidations).toBe(0);
    for (let n = 0; n < 100; n++) expect(await turn()).toBeGreaterThan(9_000);
    expect(core.translation.invalidations).toBe(0);
    // Seven instructions a turn, after two for the address; the fifth one of a turn counts it.
    expect(core.harts[0]!.x(10)).toBe(core.retired / 7n);
  },
);

test("translation: a store over code beside such variables is seen at the next fence", async () => {
  // The variable counts turns; every 1000th changes what the function adds.
  const core = await start(
    `
    la t0, counter
    la t2, add
    li s0, 1000
    loop: ld t1, 0(t0); addi t1, t1, 1; sd t1, 0(t0)
          jal ra, add
          bne t1, s0, loop
          sd zero, 0(t0)
          lw t3, 0(t2); li t4, 0x100000; add t3, t3, t4; sw t3, 0(t2); fence.i
          addi s1, s1, 1
          j loop
    add:  addi a0, a0, 1
          ret
          .align 3
    counter: .zero 8`,
    { translate: "eager" },
  );
  const turns = 20n;
  while (core.harts[0]!.x(9) < turns) {
    core.run(1000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  // 1000 turns with each of 1, 2, 3 and so on, and a part of the next thousand.
  const sum = (1000n * turns * (turns + 1n)) / 2n;
  expect(core.harts[0]!.x(10)).toBeGreaterThanOrEqual(sum);
  expect(core.harts[0]!.x(10)).toBeLessThan(sum + 1000n * (turns + 1n));
  expect(core.translation.invalidations).toBeGreaterThanOrEqual(Number(turns) - 1);
});

test("translation: off, nothing is translated", async () => {
  const core = await start(CALLS, { translate: "off" });
  core.run(1_000_000);
  expect(core.translation).toMatchObject({ regions: 0, modules: 0, instructions: 0n });
});

test("translation: a host that forbids compiling at run time is told of once, and the guest goes on", async () => {
  const reasons: string[] = [];
  const core = await start(CALLS, { translate: "eager", onTranslationRefused: (reason) => reasons.push(reason) });
  vi.spyOn(wasm, "Module").mockImplementation(function refuse(): never {
    throw new Error("Wasm code generation disallowed by embedder");
  });
  for (let n = 0; n < 10; n++) core.run(100_000);
  expect(reasons).toEqual(["Wasm code generation disallowed by embedder"]);
  expect(core.harts[0]!.x(10)).toBe(250_000n);
  expect(core.translation.instructions).toBe(0n);
});

test("translation: beyond its limit everything is forgotten and begins anew", async () => {
  // Each turn rewrites a function's immediate and calls it.
  const core = await start(
    `
    loop: la t0, add; lw t1, 0(t0); li t2, 0x100000; add t1, t1, t2; sw t1, 0(t0); fence.i
          li s0, 50
    call: jal ra, add; addi s0, s0, -1; bnez s0, call
          addi s1, s1, 1
          j loop
          .align 12
    add:  addi a0, a0, 1
          ret`,
    { translate: "eager", translationByteLengthMax: 64 * 1024 },
  );
  for (let n = 0; n < 300; n++) expect(core.run(2000)).toBe(EXIT_BUDGET);
  expect(core.translation.restarts).toBeGreaterThan(0);
  expect(core.translation.invalidations).toBeGreaterThan(0);
});

test("translation: whether the engine's multiply-add rounds once is found out by asking it", () => {
  const exports = { f: (a: number, b: number, c: number) => a * b + c };
  vi.spyOn(wasm, "validate").mockReturnValue(true);
  vi.spyOn(wasm, "Module").mockImplementation(function module() {
    return {} as never;
  });
  vi.spyOn(wasm, "Instance").mockImplementation(function instance() {
    return { exports } as never;
  });
  expect(hasFusedMultiplyAdd()).toBe(false);
  // 1 - 2^-60 less 1, as rounding once gives it.
  exports.f = () => -(2 ** -60);
  expect(hasFusedMultiplyAdd()).toBe(true);
});
