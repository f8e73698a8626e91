/** Histories that are recorded, and run again: the same to the instruction, on the interpreter and the translator. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createMachineFile, type OpenMachineFile } from "../../host/platform/node/machine-file/open-machine-file.js";
import { recordRun, replayRun } from "./recorded-machine.js";

let directory: string;
let opened: OpenMachineFile;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "viv-replay-"));
  opened = await createMachineFile(join(directory, "machine.viv"), "test");
});
afterEach(async () => {
  await opened.close();
  rmSync(directory, { recursive: true, force: true });
});

const CLOCKS = ["host", "virtual"] as const;
const MODES = ["on", "off", "eager"] as const;

describe.each(CLOCKS)("a machine with the %s clock that was typed to at random moments", (clock) => {
  test("does the same again in every mode of translation, and ends in the same state", async () => {
    const { output, halt, end } = await recordRun(opened.file, {
      clock,
      async meanwhile(machine) {
        for (let index = 0; index < 12; index++) {
          await pause(Math.random() * 20);
          machine.serialInput.write(Buffer.from("abc".repeat(1 + Math.floor(Math.random() * 20))));
        }
        machine.serialInput.write(Buffer.from("q"));
      },
    });
    expect(halt).toEqual({ kind: "poweroff" });
    expect(end?.stateHash).toMatch(/^[0-9a-f]{32}$/);
    const [history] = opened.file.histories;
    expect(history).toMatchObject({ instructions: end!.retired, stateHash: end!.stateHash, halt: "poweroff" });
    for (const translate of MODES) {
      const replayed = await replayRun(opened.file, { translate });
      expect(replayed.end).toMatchObject({ reason: "end", retired: end!.retired, stateHash: end!.stateHash, halt });
      expect(replayed.output).toBe(output);
    }
  });
});
