import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { GuestFiles } from "../peers.js";

const PROMPT = ":~# ";
const MONITOR_PROMPT = "(qemu) ";
const CONNECT_ATTEMPTS = 100;

export interface QemuFigures {
  readonly saveMs: number;
  readonly loadMs: number;
}

/** Whether QEMU and its image tool are installed. */
export function hasQemu(): boolean {
  return ["qemu-system-riscv64", "qemu-img"].every((program) => spawnSync(program, ["--version"]).status === 0);
}

/** Boots the guest in QEMU, and has it saved with `savevm` and loaded with `loadvm` by its monitor. */
export async function measureQemu(guest: GuestFiles, directory: string): Promise<QemuFigures> {
  const disk = join(directory, "state.qcow2");
  const socket = join(directory, "monitor");
  execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", disk, "1G"]);
  const qemu = spawn("qemu-system-riscv64", [
    ...["-machine", "virt", "-accel", "tcg", "-m", `${guest.memoryMiB}M`, "-display", "none", "-serial", "stdio"],
    ...["-monitor", `unix:${socket},server,nowait`, "-drive", `if=none,id=state,format=qcow2,file=${disk}`],
    ...["-kernel", guest.kernel, "-initrd", guest.initrd, "-append", guest.commandLine],
  ]);
  try {
    await untilPrompt(qemu);
    const monitor = await connected(socket);
    try {
      const saveMs = await command(monitor, "savevm point");
      await sleep(500);
      return { saveMs, loadMs: await command(monitor, "loadvm point") };
    } finally {
      monitor.destroy();
    }
  } finally {
    qemu.kill("SIGKILL");
    await once(qemu, "close");
  }
}

async function untilPrompt(qemu: ChildProcess): Promise<void> {
  let text = "";
  await new Promise<void>((resolve, reject) => {
    qemu.on("close", () => reject(new Error(`QEMU ended: ${text.slice(-200)}`)));
    qemu.stdout!.on("data", (bytes: Buffer) => {
      text += bytes.toString("latin1");
      if (text.includes(PROMPT)) resolve();
    });
  });
}

async function connected(path: string): Promise<Socket> {
  for (let attempt = 0; attempt < CONNECT_ATTEMPTS; attempt++) {
    const socket = connect(path);
    const connection = await Promise.race([once(socket, "connect"), once(socket, "error").catch((error) => error)]);
    if (!(connection[0] instanceof Error)) {
      await answer(socket);
      return socket;
    }
    await sleep(20);
  }
  throw new Error("QEMU's monitor does not answer");
}

/** @returns how long it took, in milliseconds */
async function command(monitor: Socket, line: string): Promise<number> {
  const startMs = performance.now();
  const answered = answer(monitor);
  monitor.write(`${line}\n`);
  const text = await answered;
  if (text.includes("Error")) throw new Error(`QEMU: ${line}: ${text}`);
  return performance.now() - startMs;
}

/** What the monitor says until it waits for the next command. */
function answer(monitor: Socket): Promise<string> {
  let text = "";
  return new Promise((resolve) => {
    const take = (bytes: Buffer) => {
      text += bytes.toString("latin1");
      if (!text.endsWith(MONITOR_PROMPT)) return;
      monitor.off("data", take);
      resolve(text);
    };
    monitor.on("data", take);
  });
}
