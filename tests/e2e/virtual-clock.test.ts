/** With `--clock virtual` a machine's history is a function of what it was made of. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { viv } from "../platform/viv-process.js";
import { defaultImage, testEnvironment } from "./default-image.js";

const directory = mkdtempSync(join(tmpdir(), "viv-virtual-"));
afterAll(() => rmSync(directory, { recursive: true }));

interface History {
  readonly stdout: string;
  readonly instructions: string;
  readonly stateHash: string;
}

async function history(command: string, args: readonly string[] = []): Promise<History> {
  const result = await viv(["run", "--clock", "virtual", "--stats", ...args, "--exec", command], {
    env: testEnvironment(),
  });
  expect(result.status).toBe(0);
  const fact = (pattern: RegExp): string => {
    const match = pattern.exec(result.stderr);
    expect(match, result.stderr).not.toBeNull();
    return match![1]!;
  };
  return {
    stdout: result.stdout,
    instructions: fact(/^instructions +(\d+)$/m),
    stateHash: fact(/^state hash +([0-9a-f]+)$/m),
  };
}

test("virtual clock: two runs of a command have the same instruction count and state hash, random numbers included", async (context) => {
  await defaultImage(context);
  const command = "date +%s.%N; cat /proc/uptime; head -c 16 /dev/random | od -t x1; sleep 100; cat /proc/interrupts";
  const first = await history(command);
  expect(await history(command)).toEqual(first);
  const other = await history(`${command};`);
  expect(other.stateHash).not.toBe(first.stateHash);
});

test("virtual clock: a default guest that does nothing is woken less than once a second by its own kernel", async (context) => {
  await defaultImage(context);
  const seconds = 300;
  const timer = "grep riscv-timer /proc/interrupts";
  const { stdout } = await history(`${timer}; sleep ${seconds}; ${timer}`);
  const [before, after] = [...stdout.matchAll(/: +(\d+)/g)].map(([, count]) => Number(count));
  expect(after! - before!).toBeGreaterThan(0);
  expect(after! - before!).toBeLessThan(seconds);
});

test("virtual clock: four harts at work on a disk do the same thing twice", async (context) => {
  await defaultImage(context);
  const disk = (name: string): string => {
    const path = join(directory, name);
    writeFileSync(path, new Uint8Array(4 << 20));
    return path;
  };
  const command =
    "for n in 0 1 2 3; do yes $n | dd bs=64k count=8 seek=$((n * 8)) of=/dev/vda conv=notrunc,fsync & done 2> /dev/null;" +
    "wait; sha256sum < /dev/vda; cat /proc/interrupts";
  const [first, second] = [disk("first"), disk("second")];
  const expected = await history(command, ["--harts", "4", "--drive", first]);
  expect(await history(command, ["--harts", "4", "--drive", second])).toEqual(expected);
  expect(readFileSync(second).equals(readFileSync(first))).toBe(true);
});
