/** Interpreter and translated regions, side by side on the random programs: they agree after every slice. */
import { expect, test } from "vitest";
import { Core, EXIT_BUDGET, type MmioPort, type TranslationMode } from "../../host/core/core.js";
import { generateProgram } from "./generator.js";
import { buildImage } from "./image.js";
import { CLINT_MTIME, CLINT_MTIMECMP, RAM_BASE, RAM_BYTE_LENGTH, TEST_DEVICE } from "./layout.js";
import { loadCore } from "./vivarium.js";

const PROGRAMS = 1900;
/** As in vivarium.ts: the monitor's seconds are few instructions. */
const TICKS_PER_INSTRUCTION = 1000;

interface Subject {
  readonly core: Core;
  isOff: boolean;
}

/** The board the monitor needs. */
async function start(image: Uint8Array, translate: TranslationMode): Promise<Subject> {
  const mmio: MmioPort = {
    read: (paddr) => {
      if (paddr === CLINT_MTIME) return Number(subject.core.mtime & 0xffff_ffffn);
      return paddr === CLINT_MTIME + 4 ? Number(subject.core.mtime >> 32n) : -1;
    },
    write: (paddr, _width, value) => {
      const hart = subject.core.harts[0]!;
      if (paddr === CLINT_MTIMECMP) hart.mtimecmp = ((hart.mtimecmp >> 32n) << 32n) | BigInt(value);
      else if (paddr === CLINT_MTIMECMP + 4) hart.mtimecmp = (BigInt(value) << 32n) | (hart.mtimecmp & 0xffff_ffffn);
      else if (paddr === TEST_DEVICE) {
        subject.isOff = true;
        subject.core.requestStop();
      } else return false;
      return true;
    },
  };
  const core = await Core.create({
    module: await loadCore(),
    memoryByteLength: RAM_BYTE_LENGTH,
    hartCount: 1,
    mmio,
    hostFirmware: false,
    translate,
  });
  const subject: Subject = { core, isOff: false };
  core.ram.write(RAM_BASE, image);
  core.setTime(0n, TICKS_PER_INSTRUCTION);
  core.harts[0]!.start(BigInt(RAM_BASE), 3, 0n, 0n);
  return subject;
}

/** Everything the architecture lets a program see, but memory. */
function stateOf({ core }: Subject, exit: number): unknown {
  return { exit, retired: core.retired, mtime: core.mtime, hart: core.harts[0]!.save() };
}

test.each([
  ["short", 7001, 97],
  ["long", 1 + PROGRAMS, 5003],
])(
  "translated and interpreted, random programs agree after every one of many %s slices",
  async (_, seed, slice) => {
    const programs = Array.from({ length: PROGRAMS }, (_, n) => generateProgram(seed + n, new Set()));
    const image = buildImage(programs);
    const interpreted = await start(image, "off");
    const translated = await start(image, "eager");
    while (!interpreted.isOff) {
      const exit = interpreted.core.run(slice);
      expect(stateOf(translated, translated.core.run(slice))).toEqual(stateOf(interpreted, exit));
      if (exit === EXIT_BUDGET || interpreted.isOff) continue;
      // Everything waits, or is stuck, until the monitor's timer.
      const timer = interpreted.core.nextTimer;
      expect(timer).not.toBeNull();
      for (const { core } of [interpreted, translated]) core.setTime(timer!, TICKS_PER_INSTRUCTION);
    }
    expect(translated.isOff).toBe(true);
    const ram = (subject: Subject) => subject.core.ram.view(RAM_BASE, RAM_BYTE_LENGTH);
    expect(Buffer.compare(ram(translated), ram(interpreted))).toBe(0);
    expect(translated.core.translation.regions).toBeGreaterThan(10);
  },
  300_000,
);
