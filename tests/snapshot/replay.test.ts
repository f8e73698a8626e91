/** Histories that are recorded, and run again: the same to the instruction, on the interpreter and the translator. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Machine } from "../../host/machine/machine.js";
import {
  createMachineFile,
  type OpenMachineFile,
  openMachineFile,
} from "../../host/platform/node/machine-file/open-machine-file.js";
import { MemoryBlockBackend } from "../../host/storage/memory.js";
import { READ_SECTOR } from "../machine/sector-reader.js";
import { bare } from "../machine/test-machine.js";
import { createRecorded, recordRun, replayRun } from "./recorded-machine.js";

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

/** Types at random moments, and last of all what ends the guest. */
async function type(machine: Machine, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    await pause(Math.random() * 20);
    machine.serialInput.write(Buffer.from("abc".repeat(1 + Math.floor(Math.random() * 20))));
  }
  machine.serialInput.write(Buffer.from("q"));
}

describe.each(CLOCKS)("a machine with the %s clock that was typed to at random moments", (clock) => {
  test("does the same again in every mode of translation, and ends in the same state", async () => {
    const { output, halt, end } = await recordRun(opened.file, { clock, meanwhile: (machine) => type(machine, 12) });
    expect(halt).toEqual({ kind: "poweroff" });
    expect(output.length).toBeGreaterThan(12);
    expect(end?.stateHash).toMatch(/^[0-9a-f]{32}$/);
    const [history] = opened.file.histories;
    expect(history).toMatchObject({ instructions: end!.retired, stateHash: end!.stateHash, halt: "poweroff" });
    for (const translate of MODES) {
      const replayed = await replayRun(opened.file, { translate });
      expect(replayed.end).toMatchObject({ reason: "end", retired: end!.retired, stateHash: end!.stateHash, halt });
      expect(replayed.output).toBe(output);
    }
  });

  test("stops at any instruction in one state, whichever way it comes there", async () => {
    const { end } = await recordRun(opened.file, { clock, meanwhile: (machine) => type(machine, 4) });
    for (const share of [0.1, 0.5, 0.999]) {
      const until = BigInt(Math.floor(Number(end!.retired) * share));
      const states = new Set<string>();
      for (const translate of MODES) {
        const replayed = await replayRun(opened.file, { translate, until });
        expect(replayed.end).toMatchObject({ reason: "until", retired: until });
        states.add(replayed.end.stateHash);
      }
      const back = await replayRun(opened.file, { back: end!.retired - until });
      states.add(back.end.stateHash);
      expect(states.size).toBe(1);
    }
  });

  test("is stopped by its operator, and goes on, in one history", async () => {
    const { end, halt } = await recordRun(opened.file, {
      clock,
      async meanwhile(machine) {
        for (let index = 0; index < 3; index++) {
          await pause(10);
          machine.serialInput.write(Buffer.from("x"));
        }
        machine.stop();
      },
    });
    expect(halt).toEqual({ kind: "stopped" });
    const replayed = await replayRun(opened.file, { translate: "off" });
    expect(replayed.end).toMatchObject({ reason: "end", retired: end!.retired, stateHash: end!.stateHash, halt });
  });

  test("can be run from each snapshot that was taken meanwhile, which changes nothing of what it does", async () => {
    const { output, end } = await recordRun(opened.file, {
      clock,
      async meanwhile(machine) {
        for (const name of ["first", "second"]) {
          await pause(20);
          machine.serialInput.write(Buffer.from("before"));
          await opened.file.save(await machine.capture(), { name });
        }
        await type(machine, 3);
      },
    });
    expect(opened.file.pointsOf(opened.file.histories[0]!).map(({ snapshot }) => snapshot.name)).toEqual([
      null,
      "first",
      "second",
    ]);
    for (const from of ["first", "second"]) {
      for (const translate of MODES) {
        const replayed = await replayRun(opened.file, { from, translate });
        expect(replayed.start.name).toBe(from);
        expect(replayed.end).toMatchObject({ reason: "end", retired: end!.retired, stateHash: end!.stateHash });
        expect(output.endsWith(replayed.output)).toBe(true);
      }
    }
    // Going back a little begins at the last of them.
    expect((await replayRun(opened.file, { back: 1n })).start.name).toBe("second");
  });
});

test("a restore ends the history, and what goes on from there is another", async () => {
  const { machine } = await createRecorded(opened.file);
  let run = machine.run();
  await pause(20);
  const state = await machine.capture();
  machine.serialInput.write(Buffer.from("lost"));
  await pause(20);
  await machine.restore(state);
  await machine.record(await opened.file.record());
  machine.serialInput.write(Buffer.from("kept"));
  await pause(20);
  machine.stop();
  await run;
  const end = await machine.endRecord();
  const [first, second] = opened.file.histories;
  expect(first).toMatchObject({ halt: "stopped", stateHash: expect.any(String) });
  expect(second).toMatchObject({ instructions: end!.retired, stateHash: end!.stateHash });
  for (const history of [first!, second!]) {
    const replayed = await replayRun(opened.file, { history: history.id });
    expect(replayed.end).toMatchObject({ reason: "end", stateHash: history.stateHash });
  }
  // A machine that is not recorded any more runs on.
  run = machine.run();
  machine.serialInput.write(Buffer.from("q"));
  expect(await run).toEqual({ kind: "poweroff" });
});

test.each(CLOCKS)(
  "what a disk that is not in the file answered, and when, is in the record (%s clock)",
  async (clock) => {
    const backend = new MemoryBlockBackend(new Uint8Array(512).fill(88));
    const read = backend.read.bind(backend);
    backend.read = async (offset, into) => {
      await pause(20);
      await read(offset, into);
    };
    const recorded = await recordRun(opened.file, { clock, boot: bare(READ_SECTOR), drives: [{ backend }] });
    expect(recorded).toMatchObject({ output: "X", halt: { kind: "poweroff" } });
    for (const translate of MODES) {
      const replayed = await replayRun(opened.file, { translate });
      expect(replayed.end).toMatchObject({ reason: "end", stateHash: recorded.end!.stateHash });
      expect(replayed.output).toBe("X");
    }
    // The guest is left amid its request: what it comes to be is one state all the same.
    const until = recorded.end!.retired / 2n;
    const states = await Promise.all(
      MODES.map(async (translate) => (await replayRun(opened.file, { until, translate })).end),
    );
    expect(new Set(states.map(({ stateHash }) => stateHash)).size).toBe(1);
  },
);

describe("a recording", () => {
  test("of which nothing is there is told", async () => {
    await expect(replayRun(opened.file)).rejects.toMatchObject({ code: "replay/nothing" });
  });

  test("does not go beyond its end, nor to another history", async () => {
    const { end } = await recordRun(opened.file, { meanwhile: (machine) => type(machine, 1) });
    for (const request of [{ until: end!.retired + 1n }, { back: end!.retired + 1n }]) {
      await expect(replayRun(opened.file, request)).rejects.toMatchObject({ code: "replay/range" });
    }
    await expect(replayRun(opened.file, { history: 7 })).rejects.toMatchObject({ code: "replay/nothing" });
    await expect(replayRun(opened.file, { from: "nowhere" })).rejects.toMatchObject({ code: "snapshot/unknown" });
  });

  test("makes room for others: the newest eight stay, and nothing of those before", async () => {
    for (let count = 0; count < 10; count++) {
      const { failure } = await recordRun(opened.file, { meanwhile: (machine) => type(machine, 0) });
      expect(failure).toBeNull();
    }
    const { histories, snapshots } = opened.file;
    expect(histories.map(({ id }) => id)).toEqual([3, 4, 5, 6, 7, 8, 9, 10]);
    expect(snapshots).toEqual([]);
    await opened.file.deleteHistories(histories);
    // What machines may still read goes with them.
    await opened.close();
    opened = await openMachineFile(opened.path);
    expect(opened.file.packedLengths().size).toBe(0);
  });
});
