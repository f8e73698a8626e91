/** Interpreter and translated regions, side by side: whatever a program does, they agree after every slice. */
import { describe, expect, it } from "vitest";
import { compressedTable, instructionTable } from "../../assembly/isa/table.js";
import { runCampaign } from "./lockstep/campaign.js";
import { runImageInLockstep } from "./lockstep/image.js";
import { LATE, WAYS } from "./lockstep/lockstep.js";
import { textOf } from "./lockstep/node.js";
import { listingOf } from "./lockstep/report.js";
import { makeScenario } from "./lockstep/scenario.js";
import { loadCore } from "./vivarium.js";

// Longer: VIV_FUZZ_PROGRAMS=20000 VIV_FUZZ_SEED=1000000 npx vitest run tests/differential/lockstep

const PROGRAM_COUNT = Number(process.env.VIV_FUZZ_PROGRAMS ?? 300);
const FIRST_SEED = Number(process.env.VIV_FUZZ_SEED ?? 1);
/** Of the programs that are also compared with QEMU, one after the other in an image; MAX_PROGRAMS is 2000. */
const IMAGE_PROGRAMS = 1900;
/** Of these, when the host has its turn after every slice. */
const LATE_IMAGE_PROGRAMS = 900;
const LATE_COUNT = Math.ceil(PROGRAM_COUNT / 4);
const TIMEOUT_MS = 120_000 + 300 * PROGRAM_COUNT;

describe("interpreted and translated", () => {
  it(
    `${PROGRAM_COUNT} programs from seed ${FIRST_SEED} on that change their machine agree after every slice`,
    async () => {
      const { divergences, report, translatedShare } = await runCampaign(await loadCore(), FIRST_SEED, PROGRAM_COUNT);
      expect(divergences, `\n${report}\n`).toBe(0);
      // Otherwise it has said nothing.
      expect(translatedShare).toBeGreaterThan(0.3);
    },
    TIMEOUT_MS,
  );

  it(
    `${LATE_COUNT} programs agree whenever a module lands`,
    async () => {
      const { divergences, report, translatedShare } = await runCampaign(
        await loadCore(),
        FIRST_SEED + 500_000,
        LATE_COUNT,
        [LATE],
      );
      expect(divergences, `\n${report}\n`).toBe(0);
      expect(translatedShare).toBeGreaterThan(0.02);
    },
    TIMEOUT_MS,
  );

  it.each([
    [WAYS[0]!, IMAGE_PROGRAMS, 7001, 997],
    [WAYS[1]!, IMAGE_PROGRAMS, 1 + IMAGE_PROGRAMS, 5003],
    [LATE, LATE_IMAGE_PROGRAMS, 1 + 2 * IMAGE_PROGRAMS, 2003],
  ])(
    "$name: programs that are compared with QEMU agree after every slice",
    async (way, count, seed, budget) => {
      const run = await runImageInLockstep(await loadCore(), way, seed, count, budget);
      expect(run.difference).toBeUndefined();
      expect(run.regions).toBeGreaterThan(10);
    },
    TIMEOUT_MS,
  );
});

describe("the generator of programs that change their machine", () => {
  it("makes the same program of a seed every time, and others of other seeds", () => {
    expect(makeScenario(7)).toEqual(makeScenario(7));
    expect(textOf(makeScenario(7).code)).not.toEqual(textOf(makeScenario(8).code));
  });

  it("uses every row of the instruction table in 300 programs", () => {
    const text = Array.from({ length: 300 }, (_, seed) => listingOf(makeScenario(seed)).join("\n")).join("\n");
    const seen = new Set(
      [...text.matchAll(/^ {2}\S+ {2}\S+ +(\S+)/gm)].map((match) => match[1]!.replace(/\.(aq|rl|aqrl)$/, "")),
    );
    const rows = [...instructionTable, ...compressedTable].map((row) => row.mnemonic);
    expect(rows.filter((mnemonic) => !seen.has(mnemonic))).toEqual([]);
  });
});
