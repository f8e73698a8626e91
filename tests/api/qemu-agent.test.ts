/** A machine whose guest has QEMU's guest agent: the program is qemu-ga itself, the machine around it a stand-in. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NO_SETUP } from "../../host/api/messages.js";
import { Machine, type Platform } from "../../host/index.js";

const PORT = "org.qemu.guest_agent.0";
/** What the worker says of a machine that was made with QEMU's agent. */
const QEMU_SETUP = { ...NO_SETUP, ports: [PORT] };
const isCi = process.env.CI !== undefined && process.env.CI !== "" && process.env.CI !== "false";
// Debian's qemu-guest-agent.
const hasAgent = isCi || spawnSync("qemu-ga", ["--version"], { stdio: "ignore" }).status === 0;

/** A worker that does as it is asked, and whose guest's port is a socket. */
function standIn(socket: Duplex): Platform {
  return {
    startWorker() {
      let receive = (_message: unknown): void => {};
      const say = (message: unknown) => setImmediate(() => receive(message));
      socket.on("data", (bytes: Buffer) => say({ kind: "port", port: PORT, bytes: Uint8Array.from(bytes) }));
      return {
        post(message) {
          const { kind, id, name, bytes } = message as { kind: string; id: number; name: string; bytes: Uint8Array };
          if (kind === "port") socket.write(bytes);
          if (kind !== "call") return;
          if (name === "start") {
            say({ kind: "status", status: "running" });
            say({ kind: "port-open", port: PORT, open: true });
          }
          say({ kind: "answer", id, value: name === "open" ? { setup: QEMU_SETUP } : undefined });
        },
        onMessage(callback) {
          receive = callback;
        },
        onFailure: () => {},
        terminate: () => void socket.destroy(),
      };
    },
    networkClock: { nowMs: () => performance.now(), after: () => () => {} },
    openLink: () => Promise.reject(new Error("this machine has no network")),
    schedule(callback, delayMs) {
      const timer = setTimeout(callback, delayMs);
      return () => clearTimeout(timer);
    },
    randomBytes: (into) => void into.fill(0),
  };
}

describe.skipIf(!hasAgent)("machine with qemu-ga", () => {
  let directory: string;
  let server: ChildProcess;
  let machine: Machine;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "vivarium-qga-"));
    const path = join(directory, "socket");
    server = spawn("qemu-ga", ["-m", "unix-listen", "-p", path, "-t", directory, "-f", join(directory, "pid")]);
    let socket = connect(path);
    for (let attempt = 0; attempt < 200; attempt++) {
      const isConnected = await new Promise<boolean>((resolve) => {
        socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      });
      if (isConnected) break;
      await sleep(20);
      socket = connect(path);
    }
    machine = await Machine.create({ agent: "qemu", platform: standIn(socket) });
    await machine.ready();
  });
  afterAll(async () => {
    await machine?.close();
    server?.kill("SIGKILL");
    await rm(directory, { recursive: true, force: true });
  });

  test("exec: a shell's line or a program, its input, directory, environment and end", async () => {
    const result = await machine.exec('cat; pwd; echo "$A" >&2; exit 3', {
      input: "in\n",
      cwd: "/usr",
      env: { A: "x" },
    });
    expect(result).toMatchObject({ exitCode: 3, signal: null, stdout: "in\n/usr\n", stderr: "x\n" });
    expect(await machine.exec("kill -TERM $$")).toMatchObject({ exitCode: 143, signal: "SIGTERM" });
    await expect(machine.exec(["/no/such"])).rejects.toMatchObject({ code: "exec/not-found" });
  });

  test("exec: a limit ends the command", async () => {
    await expect(machine.exec(["sleep", "4321"], { timeoutMs: 300 })).rejects.toMatchObject({ code: "timeout" });
    await expect.poll(async () => (await machine.exec("pgrep -fx 'sleep 4321'")).stdout).toBe("");
  });

  test("files are written and read", async () => {
    const path = join(directory, "file");
    await machine.files.write(path, "äb");
    await machine.files.write(path, "c", { append: true });
    expect(await machine.files.readText(path)).toBe("äbc");
  });

  test("a machine that comes out of a file has it, too", async () => {
    const silent = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() });
    await using opened = await Machine.open("a.viv", { platform: standIn(silent) });
    await expect(opened.spawn("true")).rejects.toMatchObject({ code: "agent/unsupported" });
  });

  test("what it cannot do is refused with a code", async () => {
    await expect(machine.spawn("true")).rejects.toMatchObject({ code: "agent/unsupported" });
    await expect(machine.files.list("/")).rejects.toMatchObject({ code: "agent/unsupported" });
  });
});
