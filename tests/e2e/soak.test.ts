/** Hours matter: what runs for long is right, and memory does not grow. VIV_SOAK_SECONDS=3600 for an hour of each. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { assemble } from "../../assembly/isa/assemble.js";
import { Core, type TranslationMode } from "../../host/core/core.js";
import { loadCore } from "../differential/vivarium.js";

const SECONDS = Number(process.env.VIV_SOAK_SECONDS ?? 6);
/** Memory grows until the host's own caches are full: what is measured begins after this share of the time. */
const WARM_UP_SHARE = 0.4;
/** And, for a guest that makes new code, after everything was forgotten so often. */
const RESTARTS_UNTIL_WARM = 5;
/** How far apart memory is looked at. */
const SLICES_PER_READING = 256;
const GROWTH_MAX = 64 << 20;
const MIB = 1 << 20;

const RAM_BASE = 0x8000_0000;
const RAM_BYTE_LENGTH = 4 * MIB;
const MACHINE_MODE = 3;
const CHECKSUM = 27;
const SSIP = 1;
const TRANSLATION_BYTE_LENGTH_MAX = 4 * MIB;

/** Sorts, divides, multiplies and calls for ever, interrupted every few thousand instructions; checksum in x27. */
const BUSY = `
  la t0, handler
  csrw mtvec, t0
  la sp, stack
  li t0, 0x6000
  csrs mstatus, t0
  li t0, 2
  csrw mie, t0
  csrsi mstatus, 8
  li s0, 12345
again:
  la a0, numbers
  li a1, 64
  mv t0, a0
1:
  li t1, 0x5851f42d4c957f2d
  mul s0, s0, t1
  addi s0, s0, 11
  srli t1, s0, 33
  sd t1, 0(t0)
  addi t0, t0, 8
  addi a1, a1, -1
  bnez a1, 1b
  call sort
  call fold
  j again

sort:                           # 64 numbers at a0, by insertion
  li t0, 1
1:
  slli t1, t0, 3
  add t1, t1, a0
  ld t2, 0(t1)
2:
  beq t1, a0, 3f
  ld t3, -8(t1)
  bleu t3, t2, 3f
  sd t3, 0(t1)
  addi t1, t1, -8
  j 2b
3:
  sd t2, 0(t1)
  addi t0, t0, 1
  li t1, 64
  bne t0, t1, 1b
  ret

fold:
  li t0, 64
1:
  ld t1, 0(a0)
  ori t2, t1, 1
  remu t2, s11, t2
  xor s11, s11, t1
  rori s11, s11, 7
  add s11, s11, t2
  fcvt.d.lu fa0, t1
  fsqrt.d fa0, fa0
  fcvt.lu.d t2, fa0
  xor s11, s11, t2
  addi a0, a0, 8
  addi t0, t0, -1
  bnez t0, 1b
  ret

  .align 2
handler:
  csrw mscratch, t0
  csrr t0, instret
  xor s11, s11, t0
  csrci mip, 2
  csrr t0, mscratch
  mret
  .align 12
numbers:
  .zero 512
  .zero 256
stack:
`;

/** Writes a function of eight random instructions, calls it 40 times, and does so again elsewhere for ever. */
const NEW_CODE = `
  li s0, 12345
  la s1, buffer
  li s3, 0
again:
  li t0, 0x1fff                 # another place each time, 128 bytes apart; 1 MiB of them
  and t1, s3, t0
  slli t1, t1, 7
  add s2, s1, t1
  addi s3, s3, 1
  mv t2, s2
  li t3, 8
1:
  li t1, 0x5851f42d4c957f2d
  mul s0, s0, t1
  addi s0, s0, 11
  srli t4, s0, 40
  andi t5, t4, 1
  slli t4, t4, 20               # addi s11, s11, random or xori
  li t6, 0x000d8d93
  beqz t5, 2f
  li t6, 0x000dcd93
2:
  or t4, t4, t6
  sw t4, 0(t2)
  addi t2, t2, 4
  addi t3, t3, -1
  bnez t3, 1b
  li t4, 0x00008067             # ret
  sw t4, 0(t2)
  fence.i
  li s4, 40
3:
  jalr ra, 0(s2)
  rori s11, s11, 9
  addi s4, s4, -1
  bnez s4, 3b
  j again
  .align 12
buffer:
`;

async function start(program: string, translate: TranslationMode): Promise<Core> {
  const core = await Core.create({
    module: await loadCore(),
    memoryByteLength: RAM_BYTE_LENGTH,
    hartCount: 1,
    mmio: { read: () => -1, write: () => false },
    hostFirmware: false,
    translate,
    translationByteLengthMax: TRANSLATION_BYTE_LENGTH_MAX,
  });
  core.ram.write(RAM_BASE, assemble(program).bytes);
  core.setTime(0n, 1);
  core.harts[0]!.start(BigInt(RAM_BASE), MACHINE_MODE, 0n, 0n);
  return core;
}

/** Lets modules land and garbage go. */
const breathe = () => new Promise((resolve) => setTimeout(resolve, 0));

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Resident memory without what the engine will give back when it gets to it. */
async function residentByteLength(): Promise<number> {
  for (let n = 0; n < 3; n++) {
    collectGarbage();
    await breathe();
  }
  return process.memoryUsage.rss();
}

interface Watched {
  readonly residentGrowth: number;
  readonly core: Core;
}

/**
 * The engine gives back what was compiled when it gets to it, so memory goes up and down by more than one would allow
 * it to grow: it has grown when it does not get as low any more as it once was high.
 */
function growth(readings: readonly number[]): number {
  const middle = Math.floor(readings.length / 2);
  return Math.min(...readings.slice(middle)) - Math.max(...readings.slice(0, middle));
}

/** Runs a program interpreted and translated, slice by slice, and watches memory. */
async function watch(program: string, translate: TranslationMode, restartsUntilWarm: number): Promise<Watched> {
  const [interpreted, translated] = [await start(program, "off"), await start(program, translate)];
  const begin = performance.now();
  const elapsed = () => (performance.now() - begin) / 1000;
  const restarts = () => translated.translation.restarts;
  const readings: number[] = [];
  // On a busy machine the time is over before memory has reached its height: what counts is what was done.
  const isOver = () => elapsed() >= SECONDS && restarts() >= 2 * restartsUntilWarm && readings.length >= 4;
  for (let slice = 0; !isOver(); slice++) {
    const budget = 10_000 + ((slice * 7919) % 90_000);
    for (const core of [interpreted, translated]) {
      core.run(budget);
      // The host interrupts at every slice's end, wherever that is; the guest clears it.
      core.harts[0]!.setInterruptPending(SSIP, true);
    }
    expect(translated.harts[0]!.x(CHECKSUM), `after ${translated.retired} instructions`).toBe(
      interpreted.harts[0]!.x(CHECKSUM),
    );
    expect(translated.harts[0]!.pc).toBe(interpreted.harts[0]!.pc);
    if (slice % 16 === 0) await breathe();
    const isWarm = elapsed() > SECONDS * WARM_UP_SHARE && restarts() >= restartsUntilWarm;
    if (isWarm && slice % SLICES_PER_READING === 0) readings.push(await residentByteLength());
  }
  return { residentGrowth: growth(readings), core: translated };
}

const TIMEOUT_MS = 60_000 + 4000 * SECONDS;

test.each(["on", "eager"] as const)(
  "soak: a busy guest under %s has the interpreter's checksum all the time, and memory and regions do not grow",
  async (mode) => {
    const { residentGrowth, core } = await watch(BUSY, mode, 0);
    expect(core.translation.instructions * 2n).toBeGreaterThan(core.retired);
    expect(core.translation.regions).toBeLessThan(100);
    expect(core.translation.modules).toBeLessThan(50);
    expect(residentGrowth).toBeLessThan(GROWTH_MAX);
  },
  TIMEOUT_MS,
);

test(
  "soak: a guest that makes new code for ever has the interpreter's checksum, and what is translated stays bounded",
  async () => {
    const { residentGrowth, core } = await watch(NEW_CODE, "eager", RESTARTS_UNTIL_WARM);
    const { regions, restarts, invalidations } = core.translation;
    expect(regions).toBeGreaterThan(1000);
    expect(restarts + invalidations).toBeGreaterThan(0);
    expect(residentGrowth).toBeLessThan(GROWTH_MAX);
  },
  TIMEOUT_MS,
);
