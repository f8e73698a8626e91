/** Machines in a program whose history is recorded, and run again. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Machine } from "../../host/index.js";
import { hasApt } from "../images/requirements.js";
import { TEST_CACHE, testImage } from "../images/test-image.js";
import { LISTENER } from "../snapshot/recorded-machine.js";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "vivarium-replay-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

test("a machine is recorded from its first instruction in the file that its options name", async () => {
  const file = join(directory, "bare.viv");
  const program = (LISTENER as { readonly program: Uint8Array }).program;
  {
    await using machine = await Machine.create({ program, memoryMiB: 16, record: file });
    const halted = machine.halted();
    const writer = machine.console.writable.getWriter();
    await writer.write(new TextEncoder().encode("typed, then q"));
    expect(await halted).toEqual({ kind: "poweroff" });
  }
  let output = "";
  const onConsole = (bytes: Uint8Array): void => {
    output += new TextDecoder().decode(bytes);
  };
  const whole = await Machine.replay(file, { onConsole });
  expect(whole).toMatchObject({ history: 1, from: 0n, reason: "end", stateHash: expect.stringMatching(/^\w{32}$/) });
  expect(output).toBe("typed, then q");
  const until = whole.instructions / 2n;
  expect(await Machine.replay(file, { until })).toMatchObject({ reason: "until", instructions: until });
  expect(await Machine.replay(file, { translate: "off" })).toEqual(whole);
  await expect(Machine.replay(file, { until: 1n, back: 1n })).rejects.toMatchObject({ code: "option/invalid" });
  await expect(Machine.replay(file, { back: whole.instructions + 1n })).rejects.toMatchObject({ code: "replay/range" });
});

// Without apt there is nothing to build the image with.
test.skipIf(!hasApt)(
  "commands, a restore and what came after are histories of their own, to go on from anywhere",
  {
    timeout: 240_000,
  },
  async () => {
    process.env.VIV_CACHE_DIR ??= TEST_CACHE;
    await testImage();
    const file = join(directory, "linux.viv");
    {
      await using machine = await Machine.create({ memoryMiB: 128 });
      await machine.ready();
      await machine.save(file);
    }
    let last: string;
    {
      await using machine = await Machine.open(file, { record: true });
      const before = await machine.snapshot("before");
      await machine.exec("echo one > /tmp/x; date; head -c 8 /dev/urandom | od");
      await machine.restore(before);
      expect(await machine.files.exists("/tmp/x")).toBe(false);
      await machine.exec("echo two > /tmp/x; date");
      await machine.pause();
      last = await machine.stateHash();
    }
    expect(await Machine.replay(file)).toMatchObject({ history: 2, reason: "end", stateHash: last });
    expect(await Machine.replay(file, { history: 1, translate: "off" })).toMatchObject({ history: 1, reason: "end" });
    await using then = await Machine.open(file, { replay: { history: 1 } });
    expect((await then.exec("cat /tmp/x")).stdout).toBe("one\n");
  },
);
