/** The default image in the built program: what a person or a script meets. */

import { createHash, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { type VivOptions, type VivResult, viv } from "../platform/viv-process.js";
import { defaultImage, testEnvironment } from "./default-image.js";
import { VivConsole } from "./viv-console.js";

const PROMPT = "root@vivarium:~# ";

function exec(command: string, options: VivOptions = {}): Promise<VivResult> {
  return viv(["run", "--exec", command], { env: testEnvironment(), ...options });
}

test("exec: output, error output and status of the command are the program's", async (context) => {
  await defaultImage(context);
  const result = await exec("uname -srm; echo complaint >&2; exit 7");
  expect(result.stdout).toMatch(/^Linux 6\.\S+ riscv64\n$/);
  expect(result.stderr).toBe("complaint\n");
  expect(result.status).toBe(7);
});

test("exec: a megabyte of any bytes goes in and comes out unchanged, and its end is seen", async (context) => {
  await defaultImage(context);
  const input = Buffer.concat([Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)), randomBytes(1_000_000)]);
  const result = await exec("tee /run/copy; sha256sum < /run/copy >&2", { input });
  expect(result.status).toBe(0);
  expect(Buffer.from(result.stdout, "latin1").equals(input)).toBe(true);
  expect(result.stderr.slice(0, 64)).toBe(createHash("sha256").update(input).digest("hex"));
});

test("exec: a command that a signal ends gives 128 and the signal's number", async (context) => {
  await defaultImage(context);
  expect(await exec("kill -KILL $$")).toEqual({ status: 137, stdout: "", stderr: "" });
});

test("exec: a guest that panics is reported with the kernel's own words and status 3", async (context) => {
  await defaultImage(context);
  const result = await exec("echo before; sleep 1; echo c > /proc/sysrq-trigger; sleep 60");
  expect(result.stdout).toBe("before\n");
  expect(result.stderr).toMatch(/\nviv: the guest panicked: Kernel panic - not syncing: sysrq triggered crash\n$/);
  expect(result.status).toBe(3);
});

// With 128 MiB, the tests of the API boot it.
test("a machine with less memory than the image needs is refused in one line", async (context) => {
  await defaultImage(context);
  const stderr = "viv: image debian-mini needs 128MiB of memory or more; got 127MiB\n";
  expect(await viv(["run", "--memory", "127MiB"], { env: testEnvironment() })).toEqual({
    status: 2,
    stdout: "",
    stderr,
  });
});

test("exec: a guest that resets or switches itself off before the command ends has not succeeded", async (context) => {
  await defaultImage(context);
  const reset = await exec("reboot -f");
  expect(reset).toEqual({ status: 1, stdout: "", stderr: "viv: the guest reset itself before the command ended\n" });
  const off = await exec("poweroff -f");
  expect(off.stderr).toBe("viv: the guest switched itself off before the command ended\n");
  expect(off.status).toBe(1);
});

test("console: a shell answers, reboot starts the machine anew, and poweroff ends the program", async (context) => {
  await defaultImage(context);
  const console = new VivConsole(["run"]);
  await console.expect(PROMPT);
  console.type("echo kept > /run/file; cat /run/file; reboot\n");
  await console.expect("\r\nkept\r\n");
  await console.expect(PROMPT);
  console.type("cat /run/file; poweroff\n");
  await console.expect("can't open '/run/file'");
  expect(await console.ended()).toMatchObject({ status: 0, stderr: "" });
});
