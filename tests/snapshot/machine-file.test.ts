import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createMachineFile, openMachineFile } from "../../host/platform/node/machine-file/open-machine-file.js";
import { CountingMachine } from "./counting-machine.js";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "viv-file-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe("machine file", () => {
  test("a machine goes on from its file exactly as from memory", async () => {
    const path = join(directory, "a.viv");
    const original = await CountingMachine.create();
    await original.runUntil(20);
    const created = await createMachineFile(path, "test");
    await created.file.save(await original.machine.capture());
    await created.close();
    const hash = original.machine.stateHash();

    const opened = await openMachineFile(path);
    const copy = await CountingMachine.resume(opened.file.load(opened.file.present!), original.dots);
    expect(copy.machine.stateHash()).toBe(hash);
    await opened.close();
  });
});
