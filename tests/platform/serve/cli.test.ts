/** viv's commands against a daemon, as processes. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { longTest } from "../../long-test.js";
import { type VivOptions, viv } from "../viv-process.js";
import { TestDaemon } from "./harness.js";

// Each command is a process of its own, which a busy host takes its time to start.
vi.setConfig({ testTimeout: 240_000 });

let daemon: TestDaemon;
const directory = mkdtempSync(join(tmpdir(), "viv-cli-"));
beforeAll(async () => {
  daemon = await TestDaemon.open({ delayMs: 50 });
});
afterAll(async () => {
  await daemon.close();
  rmSync(directory, { recursive: true });
});

const ask = (args: readonly string[], options: VivOptions = {}) =>
  viv(args, { ...options, env: { VIV_DATA_DIR: daemon.directory, ...options.env } });

test("commands: a machine's life, as its user types it", async () => {
  const created = await ask(["create", "web", "--memory", "128MiB", "--shares", "200", "--limit", "50%"]);
  expect(created).toEqual({ status: 0, stdout: "web: running\n", stderr: "" });
  const ps = await ask(["ps"]);
  expect(ps.stdout).toMatch(/^NAME +STATUS +CPU +SHARES +LIMIT .*\nweb +running +\d+% +200 +50% /);
  expect((await ask(["set", "web", "--shares", "400", "--limit", "none"])).status).toBe(0);
  expect(JSON.parse((await ask(["inspect", "web", "--json"])).stdout).spec.cpu).toEqual({
    shares: 400,
    reservation: 0,
    limit: null,
  });
  expect((await ask(["snapshot", "web", "clean"])).status).toBe(0);
  expect((await ask(["snapshot", "web"])).stdout).toContain("clean");
  expect((await ask(["restore", "web", "clean"])).stdout).toBe("web: running\n");
  expect((await ask(["fork", "web", "--count", "2"])).stdout).toBe("web-1: running\nweb-2: running\n");
  expect((await ask(["pause", "web-1", "web-2"])).stdout).toBe("web-1: paused\nweb-2: paused\n");
  expect((await ask(["destroy", "web-1", "web-2"])).status).toBe(0);
  expect((await ask(["api", "machine.logs", '{"machine":"web","lines":1}'])).stdout).toContain("root@vivarium");
});

test("exec: input, both outputs and the exit status are the command's", async () => {
  const sent = Buffer.from(Array.from({ length: 200_000 }, (_, index) => (index * 31) % 256));
  const cat = await ask(["exec", "web", "cat"], { input: sent });
  expect(cat.status).toBe(0);
  expect(Buffer.from(cat.stdout, "latin1").equals(sent)).toBe(true);
  expect(await ask(["exec", "web", "--", "uname", "-a"])).toEqual({
    status: 3,
    stdout: "uname -a\n",
    stderr: "a warning\n",
  });
});

longTest("export and import: a machine goes into a file and comes back under another name", async () => {
  const file = join(directory, "web.vivx");
  const passphrase = join(directory, "passphrase");
  writeFileSync(passphrase, "öffne dich\n");
  expect((await ask(["export", "web", file, "--passphrase-file", passphrase])).status).toBe(0);
  expect(readFileSync(file).length).toBeGreaterThan(1000);
  const refused = await ask(["import", file, "copy"]);
  expect(refused).toMatchObject({ status: 2, stderr: "viv: the passphrase is another\n" });
  expect((await ask(["import", file, "copy", "--passphrase-file", passphrase])).stdout).toBe("copy: off\n");
  const piped = await ask(["import", "-", "piped"], { input: readFileSync(file) });
  expect(piped.status).toBe(2);
  const plain = await ask(["export", "web", "-"]);
  expect((await ask(["import", "-", "piped"], { input: Buffer.from(plain.stdout, "latin1") })).stdout).toBe(
    "piped: off\n",
  );
});

test("names: what could be a machine's name is asked of the daemon, and anything else is a file", async () => {
  const file = await ask(["inspect", "./absent"]);
  expect(file).toMatchObject({ status: 2, stderr: "viv: ./absent: does not exist; expected a machine file\n" });
  const machine = await ask(["inspect", "absent"]);
  expect(machine).toMatchObject({ status: 2, stderr: "viv: there is no machine absent\n" });
});

test("tokens: a viewer's may look and not touch, by --host and VIV_TOKEN, until it is revoked", async () => {
  const { stdout, stderr } = await ask(["token", "create", "ci", "--role", "viewer"]);
  const secret = stdout.trim();
  expect(secret).toMatch(/^viv_[\w-]{43}$/);
  expect(stderr).toBe(`viv: console at ${daemon.daemon.url}/#token=${secret}\n`);
  const other = { env: { VIV_DATA_DIR: directory, VIV_HOST: daemon.daemon.url, VIV_TOKEN: secret } };
  expect((await viv(["ps"], other)).status).toBe(0);
  const refused = await viv(["stop", "web"], other);
  expect(refused.status).toBe(2);
  expect(refused.stderr).toBe("viv: machine.stop needs the role operator; this token has viewer\n");
  const { stdout: list } = await ask(["token", "ls", "--json"]);
  const { id } = JSON.parse(list).find(({ label }: { label: string }) => label === "ci");
  expect((await ask(["token", "revoke", id])).status).toBe(0);
  expect((await viv(["ps"], other)).stderr).toContain("unknown, revoked or expired");
  expect((await ask(["audit"])).stdout).toMatch(/ci +machine\.stop +web +refused/);
});

test("pools: they are made, changed, listed and removed", async () => {
  expect((await ask(["pool", "create", "lab", "--shares", "50", "--limit", "1.5"])).status).toBe(0);
  expect((await ask(["pool", "set", "lab", "--reservation", "25%"])).status).toBe(0);
  expect((await ask(["pool", "ls"])).stdout).toMatch(/\nlab +root +50 +25% +150% /);
  expect((await ask(["pool", "rm", "lab"])).status).toBe(0);
});

test("events and logs: -f goes on until it is ended", async () => {
  const events = ask(["events", "-f", "--json"], { signalAt: { text: "a late event", signal: "SIGINT" } });
  const timer = setInterval(() => daemon.service.emit("host", null, "a late event"), 200);
  const { status, stdout } = await events;
  clearInterval(timer);
  expect(status).toBe(130);
  const ids = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).id);
  expect(ids).toEqual([...ids].sort((a, b) => a - b));
  expect(new Set(ids).size).toBe(ids.length);
  const logs = ask(["logs", "-f", "web"], { signalAt: { text: "a late line", signal: "SIGTERM" } });
  const printer = setInterval(() => daemon.service.print("web", Buffer.from("a late line\n")), 200);
  const ended = await logs;
  clearInterval(printer);
  expect(ended.stdout).toContain("root@vivarium");
});

test("attach: without a terminal, input is typed and the console is printed", async () => {
  const { status, stdout } = await ask(["attach", "web"], {
    input: "typed by a program\n",
    signalAt: { text: "typed by a program", signal: "SIGTERM" },
  });
  expect(status).toBe(143);
  expect(stdout).toContain("root@vivarium");
});

test("errors: each is one line that says what would help, with status 2", async () => {
  const empty = { env: { VIV_DATA_DIR: directory } };
  const absent = await viv(["ps"], empty);
  expect(absent).toEqual({ status: 2, stdout: "", stderr: 'viv: no daemon is running; "viv serve" starts one\n' });
  const far = await viv(["ps"], { env: { VIV_DATA_DIR: directory, VIV_HOST: "127.0.0.1:45999", VIV_TOKEN: "x" } });
  expect(far.stderr).toMatch(/^viv: the daemon at http:\/\/127\.0\.0\.1:45999 does not answer \(\w+\).*\n$/);
  const nobody = await viv(["ps", "--host", "127.0.0.1:1"], empty);
  expect(nobody.stderr).toMatch(/^viv: there is no token for .*VIV_TOKEN or --token\n$/);
  for (const args of [
    ["create", "Web"],
    ["create", "x", "--limit", "half"],
    ["set", "web"],
    ["token", "create", "x", "--role", "root"],
    ["serve", "--listen", "0.0.0.0:0"],
    ["top", "--interval", "0"],
    ["exec", "web"],
    ["api", "no.such"],
    ["api", "machine.get", "[]"],
  ]) {
    const { status, stderr } = await ask(args);
    expect(status, args.join(" ")).toBe(2);
    expect(stderr, args.join(" ")).toMatch(/^viv: [^\n]+\n$/);
  }
});

test("discovery: a file of a daemon that was killed counts for nothing", async () => {
  const stale = mkdtempSync(join(tmpdir(), "viv-stale-"));
  const discovery = { url: "http://127.0.0.1:9", token: "viv_x", pid: 2 ** 22 + 1, data: stale };
  writeFileSync(join(stale, "daemon.json"), JSON.stringify(discovery));
  const { stderr } = await viv(["ps"], { env: { VIV_DATA_DIR: stale } });
  expect(stderr).toContain("no daemon is running");
  rmSync(stale, { recursive: true });
  const own = await TestDaemon.open();
  const file = join(own.directory, "daemon.json");
  expect(existsSync(file)).toBe(true);
  await own.daemon.close();
  expect(existsSync(file)).toBe(false);
  await own.close();
});

test("daemon: a second one of the same directory is refused, and says who has it", async () => {
  await expect(TestDaemon.open({ directory: daemon.directory })).rejects.toThrow(/this program has it open since/);
});
