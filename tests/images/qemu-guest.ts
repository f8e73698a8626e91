/** Runs an image in QEMU, an independent machine, with its ports as sockets. */

import { type ChildProcess, spawn } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentClient } from "../../host/guest-agent/agent-client.js";
import type { ExitStatus } from "../../host/guest-agent/agent-process.js";
import { AGENT_PORT } from "../../host/guest-agent/protocol.js";
import { shellCommand } from "../../host/guest-agent/shell.js";
import { commandLineFor, type GuestMode } from "../../host/images/command-line.js";
import { PORT_CONTROL } from "../../host/images/control-port.js";
import type { Image } from "../../host/images/image.js";

const QEMU = "qemu-system-riscv64";
const PORTS = [PORT_CONTROL, AGENT_PORT];

export interface QemuGuest {
  /** The host's ends of the ports, connected. */
  readonly ports: ReadonlyMap<string, Socket>;
  /** What the guest has printed on its serial console. */
  console(): string;
  /** Types into the serial console. */
  type(text: string): void;
  /** Waits until the console shows `text`, at a place after the last one that was waited for. */
  expect(text: string): Promise<void>;
  /** Waits for the machine to power off; one that does not is killed, and that is an error. */
  ended(): Promise<void>;
  kill(): Promise<void>;
}

export interface QemuOptions {
  readonly mode: GuestMode;
  /** Further words for the kernel. */
  readonly append?: string;
  /** Further arguments of QEMU. */
  readonly args?: readonly string[];
}

const EXPECT_TIMEOUT_MS = 20_000;
const END_TIMEOUT_MS = 40_000;

export async function startQemu(image: Image, options: QemuOptions): Promise<QemuGuest> {
  const directory = await mkdtemp(join(tmpdir(), "vivarium-qemu-"));
  const at = (name: string): string => join(directory, name);
  await writeFile(at("kernel"), image.kernel);
  await writeFile(at("initrd"), image.initrd);
  const commandLine = commandLineFor(image.commandLine, options.mode);
  const child: ChildProcess = spawn(
    QEMU,
    [
      ...["-M", "virt", "-m", "512", "-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot"],
      ...["-kernel", at("kernel"), "-initrd", at("initrd"), "-append", `${commandLine} ${options.append ?? ""}`.trim()],
      ...["-global", "virtio-mmio.force-legacy=false", "-device", "virtio-rng-device"],
      ...["-device", "virtio-serial-device"],
      ...PORTS.flatMap((name) => [
        ...["-chardev", `socket,id=${name},path=${at(name)},server=on,wait=off`],
        ...["-device", `virtserialport,name=${name},chardev=${name}`],
      ]),
      ...(options.args ?? []),
    ],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  let output = "";
  let expectedUpTo = 0;
  child.stdout?.on("data", (chunk: Buffer) => {
    output += chunk.toString("latin1");
  });
  const killWithUs = (): void => void child.kill("SIGKILL");
  process.once("exit", killWithUs);
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve())).then(() => {
    process.off("exit", killWithUs);
    return rm(directory, { recursive: true, force: true });
  });

  const ports = new Map<string, Socket>();
  for (const name of PORTS) ports.set(name, await connectWhenThere(at(name)));
  return {
    ports,
    console: () => output,
    type: (text) => child.stdin?.write(text),
    async expect(text) {
      const deadlineMs = Date.now() + EXPECT_TIMEOUT_MS;
      for (;;) {
        const found = output.indexOf(text, expectedUpTo);
        if (found !== -1) {
          expectedUpTo = found + text.length;
          return;
        }
        if (Date.now() > deadlineMs || child.exitCode !== null) {
          throw new Error(`the console never showed ${JSON.stringify(text)}, but:\n${output.slice(expectedUpTo)}`);
        }
        await sleep(10);
      }
    },
    async ended() {
      let timedOut = false;
      const timeout = setTimeout(() => {
        timedOut = true;
        child.kill("SIGKILL");
      }, END_TIMEOUT_MS);
      await closed;
      clearTimeout(timeout);
      if (timedOut) throw new Error(`the machine did not power off; its console:\n${output}`);
    },
    async kill() {
      child.kill("SIGKILL");
      await closed;
    },
  };
}

async function connectWhenThere(path: string): Promise<Socket> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await new Promise<Socket>((resolve, reject) => {
        const socket = connect({ path, allowHalfOpen: true });
        socket.once("connect", () => resolve(socket));
        socket.once("error", reject);
      });
    } catch (error) {
      if (attempt === 200) throw error;
      await sleep(10);
    }
  }
}

export interface ExecResult {
  /** Null when the machine stopped without an answer. */
  readonly status: ExitStatus | null;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly console: string;
}

/** A guest whose agent runs commands. */
export interface QemuAgentGuest {
  /** Resolves with status null when the machine ends without an answer. */
  run(command: string, input?: Uint8Array): Promise<Omit<ExecResult, "console">>;
  /** Ends the machine, if it has not ended by itself. @returns what stands on its console */
  end(): Promise<string>;
}

export async function startAgentInQemu(image: Image, options: Omit<QemuOptions, "mode"> = {}): Promise<QemuAgentGuest> {
  const guest = await startQemu(image, { ...options, mode: { kind: "agent" } });
  const port = guest.ports.get(AGENT_PORT)!;
  for (const socket of guest.ports.values()) socket.on("error", () => {}); // QEMU has ended: no news.
  const client = new AgentClient({ send: (frame) => port.write(frame), randomBytes: (into) => randomFillSync(into) });
  port.on("data", (bytes: Buffer) => client.receive(bytes));
  const closed = new Promise<null>((resolve) => port.once("end", () => resolve(null)));
  // QEMU keeps what is sent until the guest has the port open.
  client.openChanged(true);
  return {
    async run(command, input = new Uint8Array()) {
      const outputs = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
      const exited = new Promise<ExitStatus | null>((resolve) => {
        const process = client.start(shellCommand(command), {
          output: (stream, bytes) => {
            outputs[stream].push(bytes);
            process.consumed(stream, bytes.length);
          },
          exited: resolve,
          failed: () => resolve(null),
        });
        process.write(input).catch(() => {});
        process.closeInput();
      });
      const status = await Promise.race([exited, closed]);
      return { status, stdout: Buffer.concat(outputs.stdout), stderr: Buffer.concat(outputs.stderr) };
    },
    async end() {
      client.quit();
      await guest.ended();
      for (const socket of guest.ports.values()) socket.destroy();
      return guest.console();
    },
  };
}

/** Runs one command by the guest's agent. */
export async function execInQemu(
  image: Image,
  command: string,
  input?: Uint8Array,
  options: Omit<QemuOptions, "mode"> = {},
): Promise<ExecResult> {
  const guest = await startAgentInQemu(image, options);
  const result = await guest.run(command, input);
  return { ...result, console: await guest.end() };
}
