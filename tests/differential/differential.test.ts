import { describe, expect, it } from "vitest";
import { compressedRowOf, rowOf } from "../../assembly/isa/encode.js";
import { compressedTable, instructionTable } from "../../assembly/isa/table.js";
import { runCampaign } from "./campaign.js";
import { differences } from "./compare.js";
import { generateProgram } from "./generator.js";
import { buildImage, readResult } from "./image.js";
import { isNop, type Program, withoutUnits } from "./program.js";
import { findQemu } from "./qemu.js";
import { loadCore, runInVivarium } from "./vivarium.js";

// A long campaign: VIV_FUZZ_PROGRAMS=100000 VIV_FUZZ_SEED=1000000 npx vitest run tests/differential
// With another QEMU: VIV_QEMU=/path/to/qemu-system-riscv64

/** How many programs to run; a campaign outside CI takes any number. */
const PROGRAM_COUNT = Number(process.env.VIV_FUZZ_PROGRAMS ?? 2000);
/** The first program's seed; the others' follow. A fixed one, so that a failure in CI is the same everywhere. */
const FIRST_SEED = Number(process.env.VIV_FUZZ_SEED ?? 1);
/** Generous: a program takes 5 ms on a machine that does nothing else. */
const TIMEOUT_MS = 60_000 + 200 * PROGRAM_COUNT;

const qemu = findQemu();
const isCi = process.env.CI === "true";
const skips = qemu === undefined && !isCi;

describe(`random programs in our core and in QEMU ${qemu?.version ?? "(not installed: install qemu-system-misc)"}`, () => {
  it.skipIf(skips)(
    `${PROGRAM_COUNT} programs from seed ${FIRST_SEED} on end in the same state${leftOut()}`,
    async () => {
      expect(qemu, "qemu-system-riscv64 must be installed in CI").toBeDefined();
      const { mismatches, report } = await runCampaign(
        { qemu: qemu!, core: await loadCore() },
        FIRST_SEED,
        PROGRAM_COUNT,
      );
      expect(mismatches.length, `\n${report}\n`).toBe(0);
    },
    TIMEOUT_MS,
  );
});

/** What the comparison cannot say anything about. */
function leftOut(): string {
  return qemu && qemu.missing.size > 0 ? ` (QEMU has no ${[...qemu.missing].join(", ")})` : "";
}

describe("the comparison", () => {
  it("finds no difference between two runs of a program, and some between runs of two", async () => {
    const programs = [1, 1, 2].map((seed) => generateProgram(seed, new Set()));
    const image = buildImage(programs);
    const ram = await runInVivarium(await loadCore(), image);
    const [first, again, other] = [0, 1, 2].map((index) => readResult(ram, index));
    expect(differences(programs[0]!, first!, again!)).toEqual([]);
    expect(differences(programs[0]!, first!, other!).map(({ place }) => place)).toEqual(
      expect.arrayContaining(["x", "f", "data"]),
    );
  });
});

describe("a program made smaller", () => {
  it("has instructions that do nothing for those dropped, and all else where it was", () => {
    const program = generateProgram(5, new Set());
    const smaller = withoutUnits(program, new Set([1, 2]));
    expect(smaller.units.map(({ offset, bytes }) => [offset, bytes.length])).toEqual(
      program.units.map(({ offset, bytes }) => [offset, bytes.length]),
    );
    const doing = ({ units }: Program) => units.filter((unit) => !isNop(unit)).map(({ offset }) => offset);
    const dropped = [1, 2].map((n) => program.units[n]!.offset);
    expect(doing(smaller)).toEqual(doing(program).filter((offset) => !dropped.includes(offset)));
  });
});

describe("the generator", () => {
  it("makes the same program of a seed every time, and others of other seeds", () => {
    expect(generateProgram(7, new Set())).toEqual(generateProgram(7, new Set()));
    expect(generateProgram(7, new Set()).units).not.toEqual(generateProgram(8, new Set()).units);
  });

  it("uses every row of the instruction table in 1000 programs", () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 1000; seed++) {
      for (const { bytes } of generateProgram(seed, new Set()).units) {
        for (const mnemonic of mnemonicsOf(bytes)) seen.add(mnemonic);
      }
    }
    const rows = [...instructionTable, ...compressedTable].map((row) => row.mnemonic);
    expect(rows.filter((mnemonic) => !seen.has(mnemonic))).toEqual([]);
  });

  it("leaves out the extensions it is told to", () => {
    const missing = new Set(["Zicond", "D"]);
    const rows = instructionTable.filter((row) => missing.has(row.extension)).map((row) => row.mnemonic);
    const used = Array.from({ length: 200 }, (_, seed) => generateProgram(seed, missing)).flatMap((program) =>
      program.units.flatMap((unit) => mnemonicsOf(unit.bytes)),
    );
    expect(rows.filter((mnemonic) => used.includes(mnemonic))).toEqual([]);
  });
});

function mnemonicsOf(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const mnemonics: string[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const isWide = (bytes[offset]! & 3) === 3;
    const row = isWide ? rowOf(view.getUint32(offset, true)) : compressedRowOf(view.getUint16(offset, true));
    if (row) mnemonics.push(row.mnemonic);
    offset += isWide ? 4 : 2;
  }
  return mnemonics;
}
