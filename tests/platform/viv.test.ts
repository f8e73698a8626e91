import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { echo, endless, failing, flood, hello, resetting } from "./bare-programs.js";
import { VIV, type VivResult, viv } from "./viv-process.js";

const directory = mkdtempSync(join(tmpdir(), "viv-"));
afterAll(() => rmSync(directory, { recursive: true }));

function bare(name: string, program: Uint8Array): readonly string[] {
  const path = join(directory, name);
  writeFileSync(path, program);
  return ["run", "--bare", path];
}

/** Whether there is such a process that is more than a zombie. */
function isRunning(pid: number): boolean {
  const status = `/proc/${pid}/status`;
  return existsSync(status) && !/^State:\s+[ZX]/m.test(readFileSync(status, "utf8"));
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
  for (const name of "exec kernel initrd append bios bare memory harts drive share vsock balloon input clock dump-region commit-log stats".split(
    " ",
  )) {
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

test("viv: an output that cannot be written and a commit log that is full are told in one line", async () => {
  const program = bare("hello", hello("hi"));
  const shell = (line: string) =>
    new Promise<VivResult>((resolve) => {
      execFile("sh", ["-c", line, "sh", process.execPath, VIV, ...program], (error, stdout, stderr) => {
        resolve({ status: typeof error?.code === "number" ? error.code : 0, stdout, stderr });
      });
    });
  expect(await shell('"$@" > /dev/full')).toEqual({
    status: 2,
    stdout: "",
    stderr: "viv: standard output cannot be written (ENOSPC); expected a file, a pipe or a terminal with room\n",
  });
  expect(await shell('"$@" --commit-log /dev/full')).toEqual({
    status: 2,
    stdout: "hi",
    stderr: "viv: --commit-log: /dev/full cannot be written (ENOSPC); expected a file in a writable directory\n",
  });
});

test("viv: --commit-log has a line for each instruction, up to the one that switched the machine off", async () => {
  const log = join(directory, "commits.log");
  await viv([...bare("hello", hello("A")), "--commit-log", log]);
  expect(readFileSync(log, "latin1").split("\n")).toEqual([
    "core   0: 3 0x0000000080000000 (0x100002b7) x5  0x0000000010000000",
    "core   0: 3 0x0000000080000004 (0x04100313) x6  0x0000000000000041",
    "core   0: 3 0x0000000080000008 (0x00628023) mem 0x0000000010000000 0x41",
    "core   0: 3 0x000000008000000c (0x001002b7) x5  0x0000000000100000",
    "core   0: 3 0x0000000080000010 (0x00005337) x6  0x0000000000005000",
    "core   0: 3 0x0000000080000014 (0x55530313) x6  0x0000000000005555",
    "core   0: 3 0x0000000080000018 (0x0062a023) mem 0x0000000000100000 0x00005555",
    "",
  ]);
});

test("viv: works without standard input, output or error", async () => {
  const program = bare("hello", hello("hi"));
  const status = (redirection: string) =>
    new Promise((resolve) => {
      execFile("sh", ["-c", `"$@" ${redirection}`, "sh", process.execPath, VIV, ...program], (error) => {
        resolve(error?.code ?? 0);
      });
    });
  expect(await status("<&-")).toBe(0);
  expect(await status(">&-")).toBe(0);
  expect(await status("2>&-")).toBe(0);
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

test("viv: a signal while an image is being built leaves nothing of it behind, and ends the programs that build", async () => {
  const tools = mkdtempSync(join(directory, "tools-"));
  const cache = join(directory, "cache");
  const pidFile = join(tools, "pid");
  // In the place of apt: says that it runs, then takes for ever.
  const apt = `#!/bin/sh\necho $$ > ${pidFile}.new\nmv ${pidFile}.new ${pidFile}\nexec sleep 1000\n`;
  for (const name of ["apt-get", "apt-cache", "apt-config"]) writeFileSync(join(tools, name), apt, { mode: 0o755 });
  const env = { ...process.env, VIV_CACHE_DIR: cache, PATH: `${tools}:${process.env.PATH}` };
  const child = spawn(process.execPath, [VIV, "run"], { env, stdio: "ignore" });
  await expect.poll(() => existsSync(pidFile), { timeout: 20_000 }).toBe(true);
  expect(readdirSync(join(cache, "images"))).not.toEqual([]);
  child.kill("SIGTERM");
  expect(await new Promise((resolve) => child.on("close", resolve))).toBe(143);
  expect(readdirSync(join(cache, "images"))).toEqual([]);
  const pid = Number(readFileSync(pidFile, "utf8"));
  await expect.poll(() => isRunning(pid)).toBe(false);
});

test("viv: VIV_DEBUG=1 shows where an error comes from", async () => {
  const result = await viv(["run", "--bare", "absent"], { env: { VIV_DEBUG: "1" } });
  expect(result.stderr).toMatch(/\n +at /);
  expect(result.stderr).toContain("viv: --bare: absent does not exist");
  expect(result.status).toBe(2);
});
