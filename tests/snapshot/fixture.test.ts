/** Files of every format version that was ever released open, and their machines go on. */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openMachineFile } from "../../host/platform/node/machine-file/open-machine-file.js";
import { FORMAT_VERSION } from "../../host/snapshot/format.js";
import { CountingMachine, INSTRUCTIONS_PER_DOT } from "./counting-machine.js";

const VERSIONS = Array.from({ length: FORMAT_VERSION }, (_, index) => index + 1);
const A1 = 11;
/** The version that brought recorded histories. */
const HISTORIES_SINCE = 2;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "viv-fixture-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe.each(VERSIONS)("a machine file of format version %d", (version) => {
  test("opens, with its snapshots, histories, disk and console; its machine counts on from where it was", async () => {
    const path = join(directory, "machine.viv");
    copyFileSync(fileURLToPath(new URL(`fixtures/machine-file-${version}.viv`, import.meta.url)), path);
    const { file, close } = await openMachineFile(path);
    expect(file.snapshots.map(({ name }) => name)).toEqual(["power-on", "eight-dots", null]);
    const histories = version < HISTORIES_SINCE ? [] : [{ id: 1, halt: "poweroff", stateHash: expect.any(String) }];
    expect(file.histories).toMatchObject(histories);
    for (const history of file.histories) {
      const kinds = [...file.entriesOf(history, file.pointsOf(history)[0]!)].map(({ kind }) => kind);
      expect([kinds.includes("slice"), kinds.includes("input"), kinds.at(-1)]).toEqual([true, true, "end"]);
    }
    expect(Buffer.from(file.consoleOf(file.find("eight-dots"))).toString()).toBe("........");

    const state = file.load(file.find("eight-dots"));
    expect(Buffer.from(state.drives[0]!.chunks[0]!.read().subarray(512, 529)).toString()).toBe("a disk of its own");
    const machine = await CountingMachine.resume(state, 8);
    const count = async () => {
      const { fields } = (await machine.machine.capture()).parts.get("hart0")!;
      return Number((fields.x as string[])[A1]);
    };
    // The program prints a dot at every 32768th count.
    const before = await count();
    await machine.runUntil(20);
    expect(Math.floor((await count()) / 32768) - Math.floor(before / 32768)).toBe(machine.dots - 8);
    const instructions = Number(machine.machine.stats().instructions - state.instructions);
    expect(instructions / ((await count()) - before)).toBeCloseTo(INSTRUCTIONS_PER_DOT / 32768, 1);
    await close();
  });
});
