/** Our client with QEMU's own qemu-ga, which runs here on a socket instead of in a guest. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { QemuGuestAgent } from "../../host/guest-agent/qemu-guest-agent.js";

const isCi = process.env.CI !== undefined && process.env.CI !== "" && process.env.CI !== "false";
// Debian's qemu-guest-agent.
const hasAgent = isCi || spawnSync("qemu-ga", ["--version"], { stdio: "ignore" }).status === 0;
const NOTHING = new Uint8Array();

describe.skipIf(!hasAgent)("qemu guest agent", () => {
  let directory: string;
  let server: ChildProcess;
  let socket: Socket;
  let agent: QemuGuestAgent;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "vivarium-qga-"));
    const path = join(directory, "socket");
    server = spawn("qemu-ga", ["-m", "unix-listen", "-p", path, "-t", directory, "-f", join(directory, "pid")]);
    for (let attempt = 0; ; attempt++) {
      socket = connect(path);
      const isConnected = await new Promise<boolean>((resolve) => {
        socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      });
      if (isConnected) break;
      if (attempt === 200) throw new Error("qemu-ga does not listen");
      await sleep(20);
    }
    agent = new QemuGuestAgent({
      send: (bytes) => void socket.write(bytes),
      schedule: (callback, delayMs) => void setTimeout(callback, delayMs),
    });
    socket.on("data", (bytes: Buffer) => agent.receive(bytes));
    // The rest of a session before.
    socket.write('{"execute": "guest-pi');
    agent.openChanged(true);
  });
  afterAll(async () => {
    socket?.destroy();
    server?.kill("SIGKILL");
    await rm(directory, { recursive: true, force: true });
  });

  test("is found behind the rest of an earlier session", async () => {
    await agent.ping();
  });

  test("runs programs: outputs, input, environment, status", async () => {
    const result = await agent.exec(["/bin/sh", "-c", 'cat; echo "$A" >&2; exit 7'], ["A=é"], Buffer.from("in\0\xff"));
    expect(Buffer.from(result.stdout)).toEqual(Buffer.from("in\0\xff"));
    expect(Buffer.from(result.stderr).toString()).toBe("é\n");
    expect(result.status).toEqual({ kind: "exit", code: 7 });
    expect(result.isTruncated).toBe(false);
    expect((await agent.exec(["/bin/sh", "-c", "kill -KILL $$"], [], NOTHING)).status).toEqual({
      kind: "signal",
      number: 9,
    });
  });

  test("several commands at once each have their own answer", async () => {
    const numbers = Array.from({ length: 20 }, (_, index) => index);
    const results = await Promise.all(numbers.map((n) => agent.exec(["/bin/echo", String(n)], [], NOTHING)));
    expect(results.map(({ stdout }) => Buffer.from(stdout).toString())).toEqual(numbers.map((n) => `${n}\n`));
  });

  test("a program that is not there, and a file that is not there, have codes", async () => {
    await expect(agent.exec(["/no/such"], [], NOTHING)).rejects.toMatchObject({ code: "exec/not-found" });
    await expect(agent.readFile("/no/such", 10)).rejects.toMatchObject({ code: "file/not-found" });
  });

  test("files of megabytes are written, appended to and read", async () => {
    const path = join(directory, "file");
    const content = randomBytes(2_500_000);
    await agent.writeFile(path, content.subarray(0, 1_000_000), false);
    await agent.writeFile(path, content.subarray(1_000_000), true);
    expect(Buffer.from(await agent.readFile(path, 3_000_000)).equals(content)).toBe(true);
    await expect(agent.readFile(path, 1000)).rejects.toMatchObject({ code: "file/too-large" });
  });
});

describe("qemu guest agent: one that misbehaves", () => {
  function scene() {
    const sent: string[] = [];
    const agent = new QemuGuestAgent({
      send: (bytes) => void sent.push(Buffer.from(bytes).toString("latin1")),
      schedule: (callback) => void setTimeout(callback, 0),
    });
    const say = (text: string) => agent.receive(Buffer.from(text, "latin1"));
    agent.openChanged(true);
    const id = Number(/"id":(\d+)/.exec(sent[0]!)![1]);
    return { agent, say, sent, sync: () => say(`\xff{"return": ${id}}\n`) };
  }

  test.each(["\n\n\xff\xff", '{"return": 99}\n', "{]\n", '{"return": {"id": 1}}\n'])(
    "is not listened to before it has answered: %j",
    async (noise) => {
      const { agent, say, sent, sync } = scene();
      const ping = agent.ping();
      say(noise);
      expect(sent.length).toBe(1);
      sync();
      say('{"return": {}}\n');
      await ping;
    },
  );

  test.each(["null", "[]", '{"error": 7}', "no json", '{"return": {}}', '{"return": {"pid": "x"}}'])(
    "fails what was asked with agent/protocol when it answers %s",
    async (answer) => {
      const { agent, say, sync } = scene();
      const exec = agent.exec(["/bin/true"], [], NOTHING);
      sync();
      say(`${answer}\n`);
      await expect(exec).rejects.toMatchObject({ code: "agent/protocol" });
    },
  );

  test("ends: what was asked is lost, what waits is asked of the next", async () => {
    const { agent, say, sent, sync } = scene();
    sync();
    const lost = agent.ping();
    const next = agent.ping();
    agent.openChanged(false);
    await expect(lost).rejects.toMatchObject({ code: "agent/lost" });
    agent.openChanged(true);
    say(`\xff{"return": ${/"id":(\d+)/.exec(sent.at(-1)!)![1]}}\n{"return": {}}\n`);
    await next;
  });
});
