/** 32-bit values and neighbouring accesses in translated code: what is left out must be there where it can be seen. */
import { expect, test } from "vitest";
import { assemble } from "../../assembly/isa/assemble.js";
import { Core, type TranslationTuning } from "../../host/core/core.js";
import { regionText, type TranslatedRegion } from "../../host/core/translated-region.js";
import { loadCore } from "../differential/vivarium.js";

const RAM_BASE = 0x8000_0000;
const RAM_BYTE_LENGTH = 0x10_0000;
const RAM_END = RAM_BASE + RAM_BYTE_LENGTH;
const MACHINE_MODE = 3;
const EAGER: TranslationTuning = { heatThreshold: 1, translatesAll: true, isSynchronous: true };

const MEPC = 0x341;
const MCAUSE = 0x342;
const MTVAL = 0x343;
const CAUSE_STORE_ACCESS = 7n;
const CAUSE_LOAD_ACCESS = 5n;
const [A0, A1, A2, A3, A4, T6] = [10, 11, 12, 13, 14, 31] as const;

/** Sign extension of the low half. */
const sext32 = (value: bigint) => BigInt.asUintN(64, BigInt.asIntN(32, value));

async function start(listing: string) {
  const regions: TranslatedRegion[] = [];
  const core = await Core.create({
    module: await loadCore(),
    memoryByteLength: RAM_BYTE_LENGTH,
    hartCount: 1,
    mmio: { read: () => -1, write: () => false },
    hostFirmware: false,
    translate: EAGER,
  });
  core.onTranslation = (translated) => regions.push(...translated);
  const { bytes, symbols } = assemble(listing, BigInt(RAM_BASE));
  core.ram.write(RAM_BASE, bytes);
  const hart = core.harts[0]!;
  hart.start(BigInt(RAM_BASE), MACHINE_MODE, 0n, 0n);
  const at = (name: string) => symbols.get(name)!;
  const textAt = (name: string) => {
    const region = regions.find(({ sources }) => sources[0]?.pc === at(name));
    if (!region) throw new Error(`no region begins at ${name}`);
    return regionText(region);
  };
  return { core, hart, at, textAt };
}

/** Of a region's text, what belongs to instructions from the first with `from` to before the first with `to`. */
function between(text: string, from: string, to: string): string {
  const begin = text.indexOf(from);
  return text.slice(begin, text.indexOf(to, begin));
}

test("a loop of 32-bit operations extends nothing and works on 32-bit values only", async () => {
  const { core, textAt } = await start(`
    again: jal ra, golden
    j again
    golden: lw a0, 0(sp)
    li a1, 20
    turn: slliw a2, a0, 7
    srliw a3, a0, 25
    or a2, a2, a3
    xor a0, a0, a2
    sltu a3, a0, a2
    subw a0, a0, a3
    addiw a1, a1, -1
    bnez a1, turn
    ret`);
  core.harts[0]!.setX(2, BigInt(RAM_BASE + 0x8000));
  for (let n = 0; n < 8; n++) core.run(100);
  const loop = between(textAt("golden"), "slliw", "addiw");
  expect(loop).toContain("i32.sub");
  expect(loop).not.toMatch(/i64\.|i32\.wrap/);
});

test("wherever a run stops in a loop of 32-bit operations, registers hold sign-extended results", async () => {
  const { core, hart, at } = await start(`
    li a0, 0x7ffffff0
    li a1, 0x12345
    li a2, 0
    turn: addw a0, a0, a1
    subw a2, a2, a0
    slliw a3, a1, 1
    xor a1, a3, a2
    j turn`);
  while (hart.pc !== at("turn")) core.run(1);
  let [a0, a1, a2, a3] = [0x7fff_fff0n, 0x12345n, 0n, hart.x(A3)];
  const steps = [
    () => (a0 = sext32(a0 + a1)),
    () => (a2 = sext32(a2 - a0)),
    () => (a3 = sext32(a1 << 1n)),
    () => (a1 = a3 ^ a2),
    () => undefined,
  ];
  let step = 0;
  for (let n = 0; n < 400; n++) {
    const budget = 1 + ((n * 7) % 23);
    core.run(budget);
    for (let k = 0; k < budget; k++) steps[step++ % steps.length]!();
    expect([hart.x(A0), hart.x(A1), hart.x(A2), hart.x(A3)]).toEqual([a0, a1, a2, a3]);
  }
  expect(core.translation.instructions).toBeGreaterThan(1000n);
});

test("a trap behind 32-bit operations finds their results sign-extended", async () => {
  const { core, hart, at } = await start(`
    la t0, handler
    csrw mtvec, t0
    again: li a0, 0x7fffffff
    addiw a0, a0, 1
    addiw a1, a0, -1
    li t1, 16
    bad: lw a2, 0(t1)
    j again
    .align 2
    handler: addi t6, t6, 1
    csrr t2, mepc
    addi t2, t2, 4
    csrw mepc, t2
    mret`);
  for (let n = 0; n < 40; n++) {
    core.run(61);
    if (hart.x(T6) === 0n || hart.pc < at("handler")) continue;
    expect(hart.csr(MCAUSE)).toBe(CAUSE_LOAD_ACCESS);
    expect(hart.csr(MEPC) === at("bad") || hart.csr(MEPC) === at("bad") + 4n).toBe(true);
    expect(hart.x(A0)).toBe(0xffff_ffff_8000_0000n);
    expect(hart.x(A1)).toBe(0x7fff_ffffn);
  }
  expect(hart.x(T6)).toBeGreaterThan(20n);
  expect(core.translation.instructions).toBeGreaterThan(100n);
});

test("what a call leaves in registers is not taken for the 32-bit values they held before", async () => {
  const { core, hart, at } = await start(`
    again: li a0, 1
    li a1, 3
    jal ra, callee
    xor a2, a0, a1
    done: j again
    callee: slli a0, a0, 40
    ret`);
  for (let n = 0; n < 60; n++) {
    do core.run(5);
    while (hart.pc !== at("done"));
    expect(hart.x(A2)).toBe((1n << 40n) ^ 3n);
  }
  expect(core.translation.instructions).toBeGreaterThan(100n);
});

test("where accesses near each other are in a page, one look at the TLB serves them all", async () => {
  const { core, hart, textAt } = await start(`
    again: jal ra, golden
    j again
    golden: addi sp, sp, -32
    sd a0, 0(sp)
    sd a1, 8(sp)
    sw a2, 16(sp)
    sb a3, 20(sp)
    addi sp, sp, 32
    ret`);
  hart.setX(2, BigInt(RAM_BASE + 0x8000));
  for (let n = 0; n < 8; n++) core.run(100);
  const text = textAt("golden");
  const [first = "", second = ""] = text.split(/else \$if\d+\n(?=[0-9a-f]{8} )/);
  expect(first.match(/i64\.le_u/g)).toHaveLength(1);
  expect(first).toContain("i64.store32");
  expect(first).not.toContain("regionStore");
  expect(second.match(/call \$regionStore/g)).toHaveLength(4);
});

test("a store among others that reaches where there is no memory traps alone, after those before it", async () => {
  const { core, hart, at } = await start(`
    la t0, handler
    csrw mtvec, t0
    again: li a0, ${RAM_END - 0x800}
    jal ra, golden
    li a0, ${RAM_END - 16}
    jal ra, golden
    done: j again
    golden: addiw a1, a1, 1
    sd a1, 0(a0)
    sd a1, 8(a0)
    bad: sd a1, 16(a0)
    sd a1, -8(a0)
    sd a1, -16(a0)
    ret
    .align 2
    handler: ld a2, 0(a0)
    ld a3, 8(a0)
    ld a4, -8(a0)
    csrr t2, mepc
    csrr t3, mcause
    csrr t4, mtval
    addi t6, t6, 1
    addi t2, t2, 4
    csrw mepc, t2
    mret`);
  // Until the first pass through the handler is over, and again later, when all of it is translated.
  for (const passes of [1n, 50n]) {
    while (hart.x(T6) < passes || hart.pc !== at("done")) core.run(1 + Number(hart.x(T6) < passes) * 6);
    const count = hart.x(A1);
    expect(count).toBe(2n * hart.x(T6));
    // What the handler saw: both stores before, and not yet those behind, which the round before the last wrote.
    expect([hart.x(A2), hart.x(A3)]).toEqual([count, count]);
    expect(hart.x(A4)).toBe(passes === 1n ? 0n : count - 2n);
    expect([hart.csr(MEPC), hart.csr(MCAUSE), hart.csr(MTVAL)]).toEqual([
      at("bad") + 4n,
      CAUSE_STORE_ACCESS,
      BigInt(RAM_END),
    ]);
  }
  expect(core.translation.instructions).toBeGreaterThan(500n);
});
