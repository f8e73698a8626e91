/**
 * What the translator emits, for people to review: a file of golden/ has a listing and, below a line of dashes, its
 * Wasm. After a change of the translator that is meant, VIV_UPDATE_GOLDEN=1 npx vitest run tests/jit writes them anew;
 * read the difference before it is committed.
 *
 * A listing's function `golden` is called again and again; a comment in its first line can ask for `# on: ...`, where
 * what was never executed is left out, or `# body: ...`, where only the instructions' own code is shown.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { assemble } from "../../assembly/isa/assemble.js";
import { Core, type TranslationTuning } from "../../host/core/core.js";
import { regionText, type TranslatedRegion } from "../../host/core/translated-region.js";
import { loadCore } from "../differential/vivarium.js";

const FOLDER = new URL("golden/", import.meta.url);
const RULE = "-".repeat(100);

const RAM_BASE = 0x8000_0000;
const RAM_BYTE_LENGTH = 0x10_0000;
const MACHINE_MODE = 3;
const EAGER: TranslationTuning = { heatThreshold: 1, translatesAll: true, isSynchronous: true };
const ON: TranslationTuning = { heatThreshold: 6, translatesAll: false, isSynchronous: true };

/** Before each listing: floating point is on, inexact results were seen, sp and s0 point to memory that is no code. */
const FRAME = `
  li sp, ${RAM_BASE + 0x8000}
  li s0, ${RAM_BASE + 0x9000}
  li t0, 0x6000
  csrs mstatus, t0
  csrsi fflags, 1
again:
  call golden
  j again
`;

async function translate(listing: string): Promise<string> {
  const regions: TranslatedRegion[] = [];
  const core = await Core.create({
    module: await loadCore(),
    memoryByteLength: RAM_BYTE_LENGTH,
    hartCount: 1,
    mmio: { read: () => -1, write: () => false },
    hostFirmware: false,
    translate: listing.startsWith("# on:") ? ON : EAGER,
  });
  core.onTranslation = (translated) => regions.push(...translated);
  const { bytes, symbols } = assemble(`${FRAME}.org ${RAM_BASE + 0x1000}\n${listing}`);
  core.ram.write(RAM_BASE, bytes);
  core.harts[0]!.start(BigInt(RAM_BASE), MACHINE_MODE, 0n, 0n);
  for (let n = 0; n < 8; n++) core.run(100);
  const golden = regions.find(({ sources }) => sources[0]?.pc === symbols.get("golden"));
  if (!golden) throw new Error("no region begins at golden");
  const text = regionText(golden);
  return listing.startsWith("# body:") ? bodyOf(text) : text;
}

/** From the first guest instruction to before the last, which returns. */
function bodyOf(text: string): string {
  const lines = text.split("\n");
  const guest = lines.flatMap((line, n) => (line.startsWith(" ") ? [] : [n]));
  return lines.slice(guest[0], guest.at(-1)).join("\n");
}

const isUpdate = process.env.VIV_UPDATE_GOLDEN !== undefined;

test.each(readdirSync(FOLDER).filter((name) => name.endsWith(".txt")))(
  "golden: %s is translated as it was",
  async (name) => {
    const file = new URL(name, FOLDER);
    const [listing, expected] = readFileSync(file, "utf8").split(`\n${RULE}\n`) as [string, string?];
    const text = await translate(listing);
    if (isUpdate) writeFileSync(file, `${listing.trimEnd()}\n${RULE}\n${text}\n`);
    else expect(`${text}\n`).toBe(expected);
  },
);
