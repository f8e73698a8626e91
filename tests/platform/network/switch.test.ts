import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test, vi } from "vitest";
import { type Link, plainFrame } from "../../../host/network/link.js";
import { openSwitch, switchDirectory } from "../../../host/platform/node/network/switch-link.js";
import { defaultImage, testEnvironment } from "../../e2e/default-image.js";
import { VIV } from "../viv-process.js";

const directory = mkdtempSync(join(tmpdir(), "viv-switch-"));
afterAll(() => rmSync(directory, { recursive: true }));

let count = 0;
let name: string;
beforeEach(() => {
  name = `lab${count++}`;
});

/** A machine at the switch that keeps what it hears. */
async function machine(
  number: number,
): Promise<{ readonly link: Link; readonly heard: string[]; say(text: string): void }> {
  const link = await openSwitch(name, directory);
  const heard: string[] = [];
  link.connect({
    receive: ({ bytes }) => heard.push(Buffer.from(bytes.subarray(14)).toString()) > 0,
    resume: () => {},
    setLinkUp: () => {},
  });
  return { link, heard, say: (text) => void link.send(plainFrame(broadcast(number, text))) };
}

/** To everybody, of a type that is for experiments (IEEE 802). */
function broadcast(source: number, text: string): Buffer {
  const header = Buffer.from([...new Array<number>(6).fill(0xff), 0x52, 0x54, 0, 0, 0, source, 0x88, 0xb5]);
  return Buffer.concat([header, Buffer.from(text)]);
}

test("machines that name the same switch hear each other, and nobody else", async () => {
  const [one, two, three] = [await machine(1), await machine(2), await machine(3)];
  const other = await openSwitch(`${name}-other`, directory);
  const elsewhere = vi.fn(() => true);
  other.connect({ receive: elsewhere, resume: () => {}, setLinkUp: () => {} });
  one.say("hello");
  await vi.waitFor(() => expect([two.heard, three.heard]).toEqual([["hello"], ["hello"]]));
  three.say("to all");
  await vi.waitFor(() => expect([one.heard, two.heard]).toEqual([["to all"], ["hello", "to all"]]));
  expect(elsewhere).not.toHaveBeenCalled();
  for (const { link } of [one, two, three]) await link.close();
  await other.close();
});

test("when the machine that serves the switch goes, the others find each other again", {
  timeout: 20_000,
}, async () => {
  const [first, one, two] = [await machine(1), await machine(2), await machine(3)];
  await first.link.close();
  await vi.waitFor(
    () => {
      one.say("again");
      expect(two.heard).toContain("again");
    },
    { timeout: 10_000, interval: 50 },
  );
  await one.link.close();
  await two.link.close();
});

test("what speaks as QEMU's -netdev stream can be at the switch, and whoever speaks otherwise is put out", async () => {
  const one = await machine(1);
  const socket = connect(join(directory, `switch-${name}.sock`));
  const text: Buffer[] = [];
  socket.on("data", (bytes) => text.push(bytes));
  const frame = broadcast(9, "from outside");
  const length = Buffer.alloc(4);
  length.writeUInt32BE(frame.length);
  socket.write(Buffer.concat([length, frame]));
  await vi.waitFor(() => expect(one.heard).toEqual(["from outside"]));
  one.say("back");
  await vi.waitFor(() => expect(Buffer.concat(text).toString("latin1")).toContain("back"));
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.write(Buffer.alloc(64, 0xff));
  await closed;
  await one.link.close();
});

test("sockets lie in a directory that nobody else gets into", () => {
  const runtime = mkdtempSync(join(directory, "runtime-"));
  vi.stubEnv("XDG_RUNTIME_DIR", runtime);
  expect(switchDirectory()).toBe(join(runtime, "viv"));
  chmodSync(join(runtime, "viv"), 0o777);
  expect(() => switchDirectory()).toThrow("expected a directory that is only yours");
  vi.unstubAllEnvs();
});

test("guests of two programs reach each other and, by the one that brings the NAT, the host; a kill ends neither", {
  timeout: 120_000,
}, async (context) => {
  await defaultImage(context);
  const runtime = mkdtempSync(join(directory, "guests-"));
  mkdirSync(join(runtime, "viv"), { mode: 0o700 });
  const start = (options: string, script: string) => {
    const args = [VIV, "run", "--cold", "--net", `switch,${options}`, "--exec", script];
    const child = spawn(process.execPath, args, {
      env: { ...testEnvironment(), XDG_RUNTIME_DIR: runtime },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
    return { child, ended, output: () => output };
  };
  const address = (last: number) => `ifconfig eth0 10.0.2.${last} netmask 255.255.255.0 up;`;
  // It is first, so it serves the switch; it is no part of the conversation.
  const server = start("name=lab,mac=52:54:00:00:00:01", "echo up; sleep 1000");
  await vi.waitFor(() => expect(server.output()).toContain("up"), { timeout: 60_000 });
  const web = start(
    "name=lab,mac=52:54:00:00:00:02,uplink=user",
    `${address(20)} echo found > /run/x; httpd -p 80 -h /run; ping -c 1 10.0.2.2 > /dev/null && echo router; sleep 1000`,
  );
  const client = start(
    "name=lab,mac=52:54:00:00:00:03",
    `${address(21)} get() { until wget -T 1 -qO- http://10.0.2.20/x; do sleep 0.1; done; }; get; sleep 3; get; ping -c 1 10.0.2.2 > /dev/null && echo router`,
  );
  await vi.waitFor(() => expect(client.output()).toBe("found\n"), { timeout: 60_000 });
  server.child.kill("SIGKILL");
  await client.ended;
  expect(client.output()).toBe("found\nfound\nrouter\n");
  expect(web.output()).toContain("router");
  web.child.kill("SIGKILL");
  await Promise.all([server.ended, web.ended]);
});
