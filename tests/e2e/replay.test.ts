/** Sessions of a whole Linux that are recorded, and run again without the world they ran in. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { longTest } from "../long-test.js";
import { type VivResult, viv } from "../platform/viv-process.js";
import { defaultImage, testEnvironment } from "./default-image.js";
import { VivConsole } from "./viv-console.js";

const directory = mkdtempSync(join(tmpdir(), "viv-replay-e2e-"));
const at = (name: string): string => join(directory, name);
const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) server.close();
  rmSync(directory, { recursive: true });
});

const run = (...args: string[]): Promise<VivResult> => viv(args, { env: testEnvironment() });
async function output(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await run(...args);
  expect({ status, stderr }).toMatchObject({ status: 0 });
  return stdout;
}
const replayed = async (...args: string[]) => JSON.parse(await output("replay", ...args, "--json"));
const histories = async (file: string) => JSON.parse(await output("inspect", file, "--json")).histories;

/** A web server of this host, which is gone when the history is run again. */
async function serve(content: Buffer): Promise<{ readonly port: number; close(): void }> {
  const server = createServer((_, response) => response.end(content));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

test("what was typed, fetched, shared, written and timed comes again, to the same last state", {
  timeout: 240_000,
}, async (context) => {
  await defaultImage(context);
  const lab = at("lab.viv");
  const content = Buffer.alloc(300_000, "some web page ");
  const server = await serve(content);
  mkdirSync(at("shared"));
  writeFileSync(at("shared/in"), "from the host\n");
  writeFileSync(at("disk.img"), Buffer.alloc(1 << 20));

  const options = ["--net", "user", "--share", `${at("shared")}:/mnt/s`, "--drive", at("disk.img")];
  const console = new VivConsole(["run", "--save", lab, "--record", "--stats", ...options]);
  await console.expect("# ");
  console.type("stty -echo; cat /mnt/s/in; date > /mnt/s/out; cat /mnt/s/out\n");
  await console.expect("from the host");
  await console.expect("20");
  await console.expect("# ");
  console.type(`wget -q -O /tmp/page http://10.0.2.2:${server.port}/ && md5sum /tmp/page\n`);
  await console.expect("/tmp/page");
  console.type("dd if=/tmp/page of=/dev/vda bs=4k; sync; head -c 4 /dev/urandom | od -An -tx1; sleep 1; date +%s.%N\n");
  await console.expect("# ");
  console.type("poweroff\n");
  const recorded = await console.ended();
  expect(recorded.status).toBe(0);
  const [, hash] = /^state hash +(\w{32})$/m.exec(recorded.stderr)!;
  expect(readFileSync(at("shared/out"), "latin1")).toMatch(/20\d\d/);

  // Nothing of that world is there any more.
  server.close();
  rmSync(at("shared"), { recursive: true });
  rmSync(at("disk.img"));
  expect(await histories(lab)).toMatchObject([{ id: 1, halt: "poweroff", stateHash: hash }]);
  const end = await replayed(lab, "--translate", "off");
  expect(end).toMatchObject({ reason: "end", halt: "poweroff", stateHash: hash, recordedStateHash: hash });
  expect(end.checks).toBeGreaterThan(2);
  const again = await run("replay", lab);
  expect({ status: again.status, same: again.stdout === recorded.stdout }).toEqual({ status: 0, same: true });
  expect(again.stderr).toMatch(
    /^viv: the same as it was \(poweroff\): instructions 0 to \d+, \d+ checks, state \w{32}\n$/,
  );
  expect(again.stderr).toContain(hash);
});

test("a machine goes on from an instruction of its history, and not from one that is not in it", {
  timeout: 240_000,
}, async (context) => {
  await defaultImage(context);
  const lab = at("then.viv");
  await output("run", "--save", lab, "--exec", "echo one > /root/x");
  await output(
    "open",
    lab,
    "--record",
    "--exec",
    "cat /root/x; echo two > /root/x; for i in 1 2 3; do date; done; echo three > /root/x",
  );
  const [history] = await histories(lab);
  const until = Number(history.instructions) - 100;
  expect(await replayed(lab, "--back", "100")).toMatchObject({ reason: "until", instructions: String(until) });
  await output("replay", lab, "--until", history.points[0].instructions, "--save", at("before.viv"));
  expect(await output("open", at("before.viv"), "--exec", "cat /root/x")).toBe("one\n");
  await output("replay", lab, "--save", at("after.viv"));
  expect(await output("open", at("after.viv"), "--exec", "cat /root/x")).toBe("three\n");

  for (const [message, ...args] of [
    ["nothing was recorded in this file", at("before.viv")],
    ["is not in it", lab, "--until", "1"],
    ["this file has no history 9; it has 1", lab, "--history", "9"],
  ] as const) {
    expect(await run("replay", ...args)).toMatchObject({ status: 2, stderr: expect.stringContaining(message) });
  }
  expect(await run("run", "--record", "--exec", "true")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("--record needs --save"),
  });
});

longTest(
  "a program that is killed while it records leaves a history that can be run again to where it was cut off",
  {
    timeout: 240_000,
  },
  async (context) => {
    await defaultImage(context);
    const lab = at("killed.viv");
    const console = new VivConsole(["run", "--save", lab, "--record"]);
    await console.expect("# ");
    console.type("stty -echo; while :; do date +%s.%N; sleep 0.1; done\n");
    // A piece is written at least every two seconds.
    await pause(3000);
    console.signal("SIGKILL");
    const { stdout } = await console.ended();
    const [history] = await histories(lab);
    expect(history).toMatchObject({ stateHash: null, halt: null });
    const again = await run("replay", lab);
    expect(again.stderr).toMatch(/^viv: the recording stops here/);
    expect({ status: again.status, isBeginning: stdout.startsWith(again.stdout) }).toEqual({
      status: 0,
      isBeginning: true,
    });
    expect(again.stdout).toContain("# ");
    // The machine itself is where it was last saved.
    expect(await output("open", lab, "--exec", "echo on")).toContain("on\n");
  },
);
