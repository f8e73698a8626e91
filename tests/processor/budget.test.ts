import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Core } from "../../host/core/core.js";
import { EXIT_BUDGET, EXIT_IDLE, Guest, MENVCFG_STCE, OPEN_PMP, RAM, SUPERVISOR } from "./fixture.js";

/** Everything a machine's processor would save, and a sum over its RAM. */
function stateOf(core: Core): unknown {
  let sum = 0;
  for (const byte of core.ram.view(core.ram.base, core.ram.byteLength)) sum = (Math.imul(sum, 31) + byte) | 0;
  return { core: core.save(), harts: core.harts.map((hart) => hart.save()), sum };
}

/**
 * A guest of several harts that does a bit of everything: timers of both kinds, traps, atomics on shared words, code
 * that changes, floats, counters, waiting, and interrupts between harts by way of mip.
 */
const MIXTURE = `
start:
  csrr s0, mhartid
  la t0, trap; csrw mtvec, t0
  li t0, 0xaa; csrw mie, t0
  csrsi mstatus, 8
  la s1, shared; la s2, patch
  slli s3, s0, 8; add s3, s3, s1; addi s3, s3, 1024
  li s4, 1
loop:
  addi s4, s4, 1
  amoadd.d t1, s4, (s1)
1: lr.w t2, 8(s5); add t2, t2, s4; sc.w t3, t2, (s5); bnez t3, 1b
  ld t4, 3(s3); add t4, t4, t1; sd t4, 5(s3)
  fcvt.d.l fa0, s4; fadd.d fa1, fa1, fa0; fsd fa1, 64(s3)
  rdinstret t5; xor s6, s6, t5; rdtime t6; xor s7, s7, t6
  andi t0, s4, 15; bnez t0, 2f
  csrsi mip, 2
2: andi t0, s4, 31; bnez t0, 3f
  ecall
3: andi t0, s4, 63; bnez t0, 4f
  lw t1, (s2); lui t2, 0x100; add t1, t1, t2; sw t1, (s2)
4:
patch: addi s8, s8, 1
  andi t0, s4, 127; bnez t0, loop
  pause
  andi t0, s4, 255; bnez t0, loop
  rdtime t0; addi t0, t0, 50; csrw stimecmp, t0
  wfi
  j loop
  .align 2
trap:
  csrw mscratch, t0
  csrr t0, mcause; add s9, s9, t0; bgez t0, 5f
  slli t0, t0, 1
  csrr t0, mepc; xor s10, s10, t0
  csrci mip, 2
  li t0, -1; csrw stimecmp, t0
  j 6f
5: csrr t0, mepc; addi t0, t0, 4; csrw mepc, t0
6: csrr t0, mscratch
  mret
  .align 12
shared: .zero 4096
`.replace("lr.w t2, 8(s5)", "addi s5, s1, 8; lr.w t2, (s5)");

async function mixture(hartCount: number): Promise<Guest> {
  const guest = await Guest.create(MIXTURE, {
    hartCount,
    csrs: { mstatus: 3n << 13n, menvcfg: MENVCFG_STCE, stimecmp: (1n << 64n) - 1n },
  });
  guest.core.setTime(0n, 0.3);
  return guest;
}

/** Runs for `budget` instructions in all; where every hart waits, time is moved on by a tick's worth. */
function runThrough(core: Core, budget: number): void {
  const end = core.retired + BigInt(budget);
  while (core.retired < end) {
    const exit = core.run(Number(end - core.retired));
    if (exit === EXIT_IDLE) core.setTime(core.nextTimer!, 0.3);
    else expect(exit).toBe(EXIT_BUDGET);
  }
}

describe("a budget", () => {
  it.each([0, 1, 2, 9_999, 10_000, 10_001, 123_457])(
    "of %i is what is retired, by one hart or by four",
    async (budget) => {
      for (const hartCount of [1, 4]) {
        const guest = await Guest.create("1: addi a0, a0, 1; c.addi a1, 1; j 1b", { hartCount });
        expect(guest.run(budget)).toBe(EXIT_BUDGET);
        expect(guest.core.retired).toBe(BigInt(budget));
        const retired = guest.core.harts.map((hart) => hart.retired);
        expect(retired.reduce((a, b) => a + b)).toBe(BigInt(budget));
        const counted = guest.core.harts.reduce((sum, hart) => sum + hart.x(10) + hart.x(11), 0n);
        expect(counted).toBeLessThanOrEqual(BigInt(budget));
      }
    },
  );

  it("counts no instruction that trapped", async () => {
    const guest = await Guest.create(
      "1: ecall; nop; j 1b\n.align 2\ntrap: csrr t0, mepc; addi t0, t0, 4; csrw mepc, t0; mret",
    );
    guest.setCsr("mtvec", guest.symbol("trap"));
    guest.run(600);
    // A round is nop, j and the handler's four.
    expect([guest.core.retired, guest.csr("minstret"), guest.hart.pc]).toEqual([600n, 600n, RAM]);
  });

  it("may end at a page's end", async () => {
    const guest = await Guest.create("j there\n.org 0x80000ffc\nthere: nop; nop");
    guest.run(2);
    expect(guest.hart.pc).toBe(RAM + 0x1000n);
  });
});

describe("the same instructions in other slices", () => {
  it.each([1, 4])("leave %i harts in the same state, to every saved field", { timeout: 120_000 }, async (hartCount) => {
    const total = 40_000;
    const whole = await mixture(hartCount);
    runThrough(whole.core, total);
    const wanted = stateOf(whole.core);
    // The guest really did what it is for: traps and waits and patched code on every hart.
    for (const hart of whole.core.harts)
      expect([hart.x(25) !== 0n, hart.x(26) !== 0n, hart.x(24) !== 0n]).toEqual([true, true, true]);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 15_000 }), { minLength: 1, maxLength: 20 }),
        async (slices) => {
          const guest = await mixture(hartCount);
          let left = total;
          for (const slice of slices) {
            runThrough(guest.core, Math.min(slice, left));
            left -= Math.min(slice, left);
          }
          runThrough(guest.core, left);
          expect(stateOf(guest.core)).toEqual(wanted);
        },
      ),
      { numRuns: 15 },
    );
  });

  it("even one by one", async () => {
    const total = 6000;
    const whole = await mixture(2);
    runThrough(whole.core, total);
    const single = await mixture(2);
    for (let n = 0; n < total; n++) runThrough(single.core, 1);
    expect(stateOf(single.core)).toEqual(stateOf(whole.core));
  });

  it("with tracing on too", async () => {
    const total = 6000;
    const whole = await mixture(2);
    runThrough(whole.core, total);
    const traced = await mixture(2);
    traced.core.tracing = true;
    runThrough(traced.core, total);
    traced.core.tracing = false;
    expect(stateOf(traced.core)).toEqual(stateOf(whole.core));
  });

  it("fire a timer at the same instruction", async () => {
    for (const slice of [1, 7, 100, 10_000]) {
      const guest = await Guest.create("1: addi a0, a0, 1; j 1b\n.align 2\ntrap: j .", {
        privilege: SUPERVISOR,
        csrs: { ...OPEN_PMP, mideleg: 0x20n, mie: 0x20n, mstatus: 2n, menvcfg: MENVCFG_STCE, stimecmp: 777n },
      });
      guest.setCsr("stvec", guest.symbol("trap"));
      guest.core.setTime(0n, 1 / 3);
      for (let done = 0; done < 4000; done += slice) guest.run(slice);
      // A third is rounded to 2^-32: tick 777 comes with instruction 2331 or just after.
      expect([slice, guest.x("a0"), guest.csr("sepc")]).toEqual([slice, 1166n, RAM]);
    }
  });
});

describe("a state that was saved and loaded", () => {
  it("goes on as the one it was taken from", async () => {
    const first = await mixture(3);
    runThrough(first.core, 12_345);
    const second = await mixture(3);
    second.core.ram.write(second.core.ram.base, first.core.ram.view(first.core.ram.base, first.core.ram.byteLength));
    for (const [n, hart] of first.core.harts.entries()) second.core.harts[n]!.load(hart.save());
    second.core.load(first.core.save());
    expect(stateOf(second.core)).toEqual(stateOf(first.core));
    runThrough(first.core, 20_000);
    runThrough(second.core, 20_000);
    expect(stateOf(second.core)).toEqual(stateOf(first.core));
  });
});
