import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { echo, endless, failing, flood, hello, resetting } from "./bare-programs.js";
import { VIV, viv } from "./viv-process.js";

const directory = mkdtempSync(join(tmpdir(), "viv-"));
afterAll(() => rmSync(directory, { recursive: true }));

function bare(name: string, program: Uint8Array): readonly string[] {
  const path = join(directory, name);
  writeFileSync(path, program);
  return ["run", "--bare", path];
}

test("viv: --version prints the package's version", async () => {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  expect(await viv(["--version"])).toEqual({ status: 0, stdout: `${version}\n`, stderr: "" });
});

test("viv: help is the same however it is asked for, and names every option of run", async () => {
  const help = await viv(["--help"]);
  expect(help).toMatchObject({ status: 0, stderr: "" });
  expect(help.stdout).toContain("viv run --exec");
  expect(await viv([])).toEqual(help);
  expect(await viv(["help"])).toEqual(help);
  const run = await viv(["run", "--help"]);
  for (const name of "exec kernel initrd append bios bare memory harts drive clock commit-log stats".split(" ")) {
    expect(run.stdout).toContain(`--${name}`);
  }
  expect(run).toMatchObject({ status: 0, stderr: "" });
});

test("viv: a guest's output is ours, byte for byte, and its power switch ends the program", async () => {
  expect(await viv(bare("hello", hello("hi\n\x07\x7f")))).toEqual({ status: 0, stdout: "hi\n\x07\x7f", stderr: "" });
});

test("viv: a guest that reports failure 42 makes the program fail with 42 and say so", async () => {
  const result = await viv(bare("failing", failing(42)));
  expect(result).toEqual({ status: 42, stdout: "", stderr: "viv: the guest reported failure 42\n" });
});

test("viv: what comes on standard input reaches the guest", async () => {
  const result = await viv(bare("echo", echo("up ")), {
    input: "typed",
    signalAt: { text: "up typed", signal: "SIGTERM" },
  });
  expect(result).toEqual({ status: 143, stdout: "up typed", stderr: "" });
});

for (const [signal, status] of [
  ["SIGTERM", 143],
  ["SIGINT", 130],
  ["SIGHUP", 129],
] as const) {
  test(`viv: ${signal} ends a guest that never ends, with status ${status}`, async () => {
    const result = await viv(bare("endless", endless("up")), { signalAt: { text: "up", signal } });
    expect(result).toEqual({ status, stdout: "up", stderr: "" });
  });
}

test("viv: --stats tells on standard error what the machine did", async () => {
  const { stderr } = await viv([...bare("hello", hello("hi")), "--stats"]);
  expect(stderr).toMatch(/^instructions +\d+$/m);
  expect(stderr).toMatch(/^MIPS +[\d.]+$/m);
  expect(stderr).toMatch(/^exits +.*\d+/m);
  expect(stderr).not.toContain("state hash");
});

test("viv: two runs with the virtual clock have the same instruction count and the same state hash", async () => {
  const run = [...bare("hello", hello("hi")), "--stats", "--clock", "virtual"];
  const facts = async () =>
    (await viv(run)).stderr.split("\n").filter((line) => /^(instructions|state hash)/.test(line));
  const first = await facts();
  expect(first).toHaveLength(2);
  expect(await facts()).toEqual(first);
});

test("viv: a guest that resets itself starts again", async () => {
  const result = await viv(bare("resetting", resetting()), { signalAt: { text: "rrr", signal: "SIGTERM" } });
  expect(result.stdout).toMatch(/^r{3,}$/);
});

test("viv: losing the reader of standard output ends the program with 141 and no message", async () => {
  const child = spawn(process.execPath, [VIV, ...bare("flood", flood())], { stdio: ["ignore", "pipe", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  child.stdout.once("data", () => child.stdout.destroy());
  const status = await new Promise((resolve) => child.on("close", resolve));
  expect({ status, stderr }).toEqual({ status: 141, stderr: "" });
});

test("viv: a reader that reads nothing holds the guest back instead of filling memory, and a signal still ends it", async () => {
  const child = spawn(process.execPath, [VIV, ...bare("flood", flood()), "--stats"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  child.stdout.pause();
  await new Promise((resolve) => setTimeout(resolve, 3000));
  child.kill("SIGTERM");
  const status = await new Promise((resolve) => child.on("exit", resolve));
  const instructions = Number(/^instructions +(\d+)$/m.exec(stderr)?.[1]);
  // Each character costs two instructions. Pipes and our own buffer hold well below a million.
  expect(instructions).toBeLessThan(20_000_000);
  expect(status).toBe(143);
});

test("viv: VIV_DEBUG=1 shows where an error comes from", async () => {
  const result = await viv(["run", "--bare", "absent"], { env: { VIV_DEBUG: "1" } });
  expect(result.stderr).toMatch(/\n +at /);
  expect(result.stderr).toContain("viv: --bare: absent does not exist");
  expect(result.status).toBe(2);
});
