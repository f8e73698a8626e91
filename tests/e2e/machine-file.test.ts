/** A machine in a file: left and gone on with, gone back with, forked, moved. */

import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { buildGuestProgram, GUEST_COMPILER, GUEST_LIBRARY } from "../guests/build.js";
import { type VivResult, viv } from "../platform/viv-process.js";
import { defaultImage, testEnvironment } from "./default-image.js";
import { needs } from "./requirements.js";
import { VivConsole } from "./viv-console.js";

const directory = mkdtempSync(join(tmpdir(), "viv-file-"));
afterAll(() => rmSync(directory, { recursive: true }));

const run = (...args: string[]): Promise<VivResult> => viv(args, { env: testEnvironment() });
const at = (name: string): string => join(directory, name);
/** Standard output of a program that has to succeed. */
async function output(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await run(...args);
  expect({ status, stderr }).toMatchObject({ status: 0 });
  return stdout;
}

test("viv run --save, open, snapshot, restore, fork, export, import and inspect", {
  timeout: 120_000,
}, async (context) => {
  await defaultImage(context);
  const lab = at("lab.viv");
  writeFileSync(at("disk.img"), Buffer.alloc(1 << 20, "what the image held. "));
  const image = readFileSync(at("disk.img"));

  // A command, then the machine is in the file with its memory and its disk.
  await output("run", "--save", lab, "--drive", at("disk.img"), "--exec", "echo kept > /root/x; printf new > /dev/vda");
  expect(readFileSync(at("disk.img")).equals(image), "the image is as it was").toBe(true);
  expect(await output("open", lab, "--exec", "cat /root/x; head -c 12 /dev/vda; cat /proc/uptime")).toMatch(
    /^kept\nnewt the ima/,
  );
  const again = await run("run", "--save", lab, "--exec", "true");
  expect(again).toMatchObject({ status: 2, stderr: expect.stringContaining("there is such a file already") });

  // Its clock is the host's.
  const guestSeconds = Number(await output("open", lab, "--exec", "date +%s"));
  expect(Math.abs(guestSeconds - Date.now() / 1000)).toBeLessThan(10);

  // A point with a name, something else, and back.
  await output("snapshot", lab, "before-upgrade");
  expect((await run("open", lab, "--exec", "rm /root/x; printf bad > /dev/vda; exit 7")).status).toBe(7);
  const restored = await run("restore", lab, "before-upgrade");
  expect(restored.stderr).toMatch(/^viv: where the machine was left is now snapshot left-\d{8}-\d{6}\n$/);
  expect(await output("open", lab, "--discard", "--exec", "cat /root/x; head -c 3 /dev/vda")).toBe("kept\nnew");

  // Its disk is as slow as is asked for: a read at once, and one more every half a second.
  writeFileSync(at("limits"), "disk0: iops=2 iops-burst=1\n");
  const read = "dd if=/dev/vda of=/dev/null bs=4k count=1 skip=$((n * 8)) iflag=direct 2> /dev/null";
  const timed = `cat /proc/uptime; for n in 1 2 3 4 5; do ${read}; done; cat /proc/uptime`;
  const uptimes = await output("open", lab, "--discard", "--limits", at("limits"), "--exec", timed);
  const [from, to] = uptimes.split("\n").map(Number.parseFloat);
  expect(to! - from!).toBeGreaterThan(1);

  // Two machines beside it know that they are others.
  expect(await output("fork", lab, "--count", "2")).toBe(`${at("lab-1.viv")}\n${at("lab-2.viv")}\n`);
  const random = "dmesg | grep -c 'virtual machine fork'; head -c 16 /dev/urandom | od -An -tx1";
  const forks = await Promise.all([1, 2].map((n) => output("open", at(`lab-${n}.viv`), "--exec", random)));
  expect(forks[0]).not.toBe(forks[1]);
  for (const fork of forks) expect(Number(fork.split("\n")[0])).toBeGreaterThan(0);

  // The same through a stream.
  writeFileSync(at("passphrase"), "correct horse\n");
  await output("export", lab, at("stream"), "--passphrase-file", at("passphrase"));
  expect((await run("import", at("stream"), at("moved.viv"))).stderr).toMatch(
    /it is encrypted: a passphrase is needed/,
  );
  await output("import", at("stream"), at("moved.viv"), "--passphrase-file", at("passphrase"));
  expect(await output("open", at("moved.viv"), "--discard", "--exec", "cat /root/x")).toBe("kept\n");

  // What is in it.
  const report = JSON.parse(await output("inspect", "--json", lab));
  expect(report).toMatchObject({ formatVersion: 2, board: { hartCount: 1, memoryByteLength: 512 << 20 } });
  const snapshots: { name: string; hash: string; present: boolean; parent: number }[] = report.snapshots;
  expect(snapshots.slice(0, 2).map(({ name }) => name)).toEqual(["power-on", "before-upgrade"]);
  const moved = JSON.parse(await output("inspect", "--json", at("moved.viv")));
  expect(moved.snapshots.map(({ hash }: { hash: string }) => hash)).toEqual(snapshots.map(({ hash }) => hash));
  await output("snapshot", lab, "--delete", snapshots.at(2)!.name);
  expect(await output("inspect", lab)).not.toContain(snapshots.at(2)!.name);
});

test("a console that is left by a signal goes on where it was; a machine that switched itself off boots again", {
  timeout: 120_000,
}, async (context) => {
  await defaultImage(context);
  const path = at("console.viv");
  const first = new VivConsole(["run", "--save", path, "--snapshot-every", "1s", "--keep", "2"]);
  await first.expect(":~# ");
  first.type("name=value; sleep 4; echo a''sleep\n");
  await first.expect("asleep");
  first.signal("SIGTERM");
  expect((await first.ended()).status).toBe(128 + 15);

  const inspected = await output("inspect", path);
  expect(inspected.match(/- auto-/g)?.length).toBe(2);

  const second = new VivConsole(["open", path]);
  await second.expect(":~# ");
  second.type("echo [$name]\n");
  await second.expect("[value]");
  const other = await run("open", path);
  expect(other).toMatchObject({ status: 2, stderr: expect.stringContaining(`process ${second.pid} has it open`) });
  second.type("exit\n");
  expect((await second.ended()).status).toBe(0);

  const third = new VivConsole(["open", path]);
  await third.expect(":~# ");
  third.type("echo [$name] $(cut -d. -f1 /proc/uptime)\n");
  expect(await third.expect("[] ")).toBeDefined();
  third.type("exit\n");
  await third.ended();
});

test("a plain machine is booted once; afterwards its prompt is there at once", { timeout: 60_000 }, async (context) => {
  await defaultImage(context);
  /** How many forks the guest knows of, and what time. */
  const look = async () => {
    const console = new VivConsole(["run", "debian-mini"]);
    await console.expect(":~# ");
    console.type("echo F$(dmesg | grep -c 'virtual machine fork') T$(date +%s).; exit\n");
    const { stdout } = await console.ended();
    const [, forks, seconds] = /F(\d+) T(\d+)\./.exec(stdout)!;
    return { forks: Number(forks), seconds: Number(seconds) };
  };
  await look();
  const { forks, seconds } = await look();
  // It goes on from a machine that others go on from, too, and is told; and it knows the time.
  expect(forks).toBe(1);
  expect(Math.abs(seconds - Date.now() / 1000)).toBeLessThan(10);
});

test("a command runs in a machine that was booted before as in one that boots for it", async (context) => {
  await defaultImage(context);
  const command = "dmesg | grep -c 'virtual machine fork'; date +%s; env; cat /proc/cmdline; ls -a; cat; exit 7";
  const look = async (...more: string[]) => {
    const args = ["run", "--memory", "128MiB", ...more, "--exec", command];
    const { status, stdout, stderr } = await viv(args, { env: testEnvironment(), input: "what it reads" });
    const [forks, seconds, ...rest] = stdout.split("\n");
    expect(Math.abs(Number(seconds) - Date.now() / 1000)).toBeLessThan(10);
    return { forks, result: { status, stderr, rest } };
  };
  await look();
  const [booted, cold, again] = [await look(), await look("--cold"), await look()];
  expect([booted.forks, cold.forks, again.forks]).toEqual(["1", "0", "1"]);
  expect(cold.result).toMatchObject({ status: 7, stderr: "" });
  expect(cold.result.rest.join("\n")).toMatch(/what it reads$/);
  expect(booted.result).toEqual(cold.result);
  expect(again.result).toEqual(cold.result);
});

test("while a machine runs from its file, snapshots are taken, listed and deleted, it goes back, and is forked", {
  timeout: 300_000,
}, async (context) => {
  await defaultImage(context);
  const lab = at("running.viv");
  await output("run", "--save", lab, "--exec", "true");
  const running = new VivConsole(["open", lab]);
  const type = async (line: string) => {
    running.type(`${line}; echo do''ne\n`);
    await running.expect("done\r\n");
  };
  await running.expect(":~# ");
  await type("echo one > /tmp/x");
  await output("snapshot", lab, "first");
  await type("echo two > /tmp/x");
  expect(statSync(`${lab}.control`).mode & 0o777).toBe(0o600);
  expect(await output("fork", lab, "--count", "2")).toBe(`${at("running-1.viv")}\n${at("running-2.viv")}\n`);
  expect(await output("open", at("running-2.viv"), "--discard", "--exec", "cat /tmp/x")).toBe("two\n");
  const { snapshots } = JSON.parse(await output("inspect", "--json", lab));
  expect(snapshots.map(({ name }: { name: string }) => name)).toContain("first");

  expect((await run("restore", lab, "first")).stderr).toMatch(/is now snapshot left-/);
  running.type("cat /tmp/x\n");
  await running.expect("one\r\n");
  const twice = await run("snapshot", lab, "first");
  expect(twice).toMatchObject({ status: 2, stderr: `viv: ${lab}: there is a snapshot "first" already\n` });
  const unknown = await run("restore", lab, "no-such");
  expect(unknown.status).toBe(2);
  expect(unknown.stderr).toMatch(/^viv: .*no-such.*\n$/);
  expect((await run("fork", lab)).stderr).toMatch(/there is such a file already\n$/);
  expect((await run("export", lab, at("running.stream"))).stderr).toMatch(/has it open since .*\n$/);
  await output("snapshot", lab, "--delete", "first");
  running.signal("SIGTERM");
  await running.ended();
  expect(existsSync(`${lab}.control`)).toBe(false);
  expect(await output("open", lab, "--exec", "cat /tmp/x")).toBe("one\n");
});

test("the sockets of a machine out of a file are given a path again, by their address", async (context) => {
  needs(context, GUEST_COMPILER, GUEST_LIBRARY);
  await defaultImage(context);
  const file = at("sockets.viv");
  buildGuestProgram("socket", directory);
  const put = ["--exec", "cat > /root/socket; chmod +x /root/socket"];
  const input = readFileSync(at("socket"));
  const saved = await viv(["run", "--save", file, "--vsock", "3", ...put], { env: testEnvironment(), input });
  expect(saved).toMatchObject({ status: 0, stderr: "" });
  expect(await run("open", file, "--vsock", `4,socket=${at("sock")}`)).toMatchObject({
    status: 2,
    stderr: `viv: ${file}: --vsock: address 4; this machine has sockets of the address 3\n`,
  });

  const guest = new VivConsole([
    "open",
    file,
    "--vsock",
    `3,socket=${at("sock")}`,
    "--exec",
    "/root/socket echo 4000 1",
  ]);
  await guest.expect("listening");
  const client = connect({ path: at("sock"), allowHalfOpen: true });
  let answer = "";
  client.on("data", (bytes) => {
    answer += bytes;
  });
  client.end("CONNECT 4000\nthere and back");
  await new Promise((resolve) => client.once("close", resolve));
  expect(answer).toMatch(/^OK \d+\nthere and back$/);
  expect((await guest.ended()).status).toBe(0);
  expect(existsSync(at("sock")), "the socket is removed").toBe(false);
});
