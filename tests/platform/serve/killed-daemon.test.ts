/** A daemon with real machines, as a process that is ended in all ways. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { VIV, viv } from "../viv-process.js";

// A busy host takes its time to boot guests.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 });

const directory = mkdtempSync(join(tmpdir(), "viv-daemon-"));
let daemon: ChildProcess;

async function start(): Promise<string> {
  const args = [VIV, "serve", "--listen", "127.0.0.1:0", "--data", directory];
  daemon = spawn(process.execPath, args, {
    env: { ...process.env, VIV_DATA_DIR: directory },
    stdio: ["ignore", "ignore", "pipe"],
  });
  return new Promise((resolve, reject) => {
    let text = "";
    daemon.stderr!.on("data", (piece: Buffer) => {
      text += piece.toString("utf8");
      if (text.includes("console at")) resolve(text);
    });
    daemon.once("exit", (code) => reject(new Error(`the daemon ended with ${code}: ${text}`)));
  });
}

async function end(signal: NodeJS.Signals): Promise<number | null> {
  const ended = new Promise<number | null>((resolve) => daemon.once("exit", (code) => resolve(code)));
  daemon.kill(signal);
  return ended;
}

const ask = async (...args: readonly string[]) => viv(args, { env: { VIV_DATA_DIR: directory } });
/** Without a program of ours between, which takes its time to start. @param body makes it a POST */
async function rest<T>(path: string, body?: object): Promise<T> {
  const { url, token } = JSON.parse(readFileSync(join(directory, "daemon.json"), "utf8")) as Record<string, string>;
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  const request = body === undefined ? { headers } : { headers, method: "POST", body: JSON.stringify(body) };
  return (await fetch(`${url}/v1/${path}`, request)).json() as Promise<T>;
}
const statuses = async (): Promise<Record<string, string>> => {
  const machines = await rest<{ spec: { name: string }; status: string }[]>("machines");
  return Object.fromEntries(machines.map(({ spec, status }) => [spec.name, status]));
};

let firstLine = "";
beforeAll(async () => {
  firstLine = await start();
});
afterAll(async () => {
  if (daemon.exitCode === null && daemon.signalCode === null) await end("SIGKILL");
  rmSync(directory, { recursive: true, force: true });
});

test("daemon: its first start says the console's address with its token, and machines run commands", async () => {
  expect(firstLine).toMatch(/^viv: console at http:\/\/127\.0\.0\.1:\d+\/#token=viv_[\w-]{43}\n$/);
  expect(await ask("create", "web", "--memory", "128MiB", "--autostart")).toMatchObject({
    status: 0,
    stdout: "web: running\n",
  });
  const uname = await ask("exec", "web", "--", "uname", "-m");
  expect(uname).toEqual({ status: 0, stdout: "riscv64\n", stderr: "" });
  expect((await ask("exec", "web", "echo kept > /run/mark; exit 7")).status).toBe(7);
});

test("exec -t: a command has a terminal of our terminal's size, and its status is ours", () => {
  // Debian's script(1) gives us a terminal, into which it types something when its own input ends.
  const typed = join(directory, "typed");
  execFileSync("mkfifo", [typed]);
  const input = openSync(typed, "r+");
  const command = `"${process.execPath}" "${VIV}" exec -t web -- 'tty; stty size; exit 6'`;
  const { status, stdout } = spawnSync("script", ["-qec", `stty columns 91 rows 31; ${command}`, "/dev/null"], {
    env: { ...process.env, VIV_DATA_DIR: directory },
    encoding: "utf8",
    stdio: [input, "pipe", "pipe"],
  });
  closeSync(input);
  // Our terminal adds a carriage return of its own to each line: libuv's raw mode leaves ONLCR on.
  expect({ status, stdout }).toEqual({ status: 6, stdout: expect.stringMatching(/\/dev\/pts\/\d+\r+\n31 91\r+\n$/) });
});

test("SIGTERM: machines are saved, and go on where they were with the next start, which prints no token", async () => {
  expect(await end("SIGTERM")).toBe(0);
  expect((await ask("ps")).stderr).toContain("no daemon is running");
  expect(await start()).toMatch(/^viv: console at http:\/\/127\.0\.0\.1:\d+\/\n$/);
  // It answers at once; what ran goes on meanwhile.
  expect(Object.keys(await statuses())).toEqual(["web"]);
  await expect.poll(statuses, { timeout: 60_000 }).toEqual({ web: "running" });
  expect((await ask("exec", "web", "cat /run/mark")).stdout).toBe("kept\n");
});

test("kill -9: every machine is there, at its last snapshot, and those with --autostart run", async () => {
  expect((await ask("snapshot", "web", "clean")).status).toBe(0);
  expect((await ask("exec", "web", "echo lost > /run/later")).status).toBe(0);
  await rest("machines?waitMs=60000", { name: "idle", memoryMiB: 128, start: false });
  await rest("pools", { name: "lab", cpu: { shares: 7 } });
  await end("SIGKILL");
  await start();
  expect(Object.keys(await statuses()).sort()).toEqual(["idle", "web"]);
  await expect.poll(statuses, { timeout: 60_000 }).toEqual({ web: "running", idle: "off" });
  const pools = await rest<{ spec: object }[]>("pools");
  expect(pools.map(({ spec }) => spec)).toContainEqual(expect.objectContaining({ name: "lab", parent: "root" }));
  expect(await rest("machines/web/snapshots")).toMatchObject([{ name: "clean" }]);
  const audit = await rest<{ action: string; outcome: string }[]>("audit");
  expect(audit.filter(({ action, outcome }) => action === "machine.create" && outcome === "done")).toHaveLength(2);
  expect((await ask("restore", "web", "clean")).status).toBe(0);
  expect((await ask("exec", "web", "cat /run/mark; test ! -e /run/later")).status).toBe(0);
});

test("export and import: a machine of one daemon is a machine of it again, with its snapshots", async () => {
  const file = join(directory, "web.vivx");
  expect((await ask("export", "web", file)).status).toBe(0);
  expect((await ask("import", file, "copy")).status).toBe(0);
  expect(await rest("machines/copy/snapshots")).toMatchObject([{ name: "clean" }]);
  expect((await ask("destroy", "web", "idle", "copy")).status).toBe(0);
  expect(await statuses()).toEqual({});
  expect(JSON.parse(readFileSync(join(directory, "daemon.json"), "utf8")).pid).toBe(daemon.pid);
});
