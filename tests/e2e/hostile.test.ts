/** Nothing that a guest does keeps its keeper from ending it, or takes more of the host than it was given. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import type { Boot } from "../../host/machine/boot.js";
import { NodeHostServices } from "../../host/platform/node/host-services.js";
import { MemoryBlockBackend } from "../../host/storage/memory.js";
import { createMachine } from "../machine/test-machine.js";
import { VIV } from "../platform/viv-process.js";
import { HOSTILE_KERNEL, HOSTILE_PROGRAMS, MARK } from "./hostile-programs.js";

const directory = mkdtempSync(join(tmpdir(), "viv-hostile-"));
afterAll(() => rmSync(directory, { recursive: true }));

const MIB = 1 << 20;
const MEMORY_MIB = 64;
/** Node, the program, the guest's memory, and what may pile up between two collections of garbage. */
const RESIDENT_MAX_MIB = MEMORY_MIB + 250;
/** How long a guest has its way. */
const RUN_MS = 300;
/** From the signal to the end of the process, on a host that does other things meanwhile. */
const END_MS_MAX = 5000;
/** Processor time between two turns of the host, where slices shall take 3 ms. */
const TURN_MS_MAX = 250;

function file(name: string, contents: Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, contents);
  return path;
}

interface Ordeal {
  readonly status: number | null;
  readonly stderr: string;
  /** From SIGTERM to the end. */
  readonly endMs: number;
  readonly residentMiB: number;
  /** Processor time that the process used while the guest had its way. */
  readonly busyMs: number;
}

/** Runs a guest beside a drive until it has had its way for a while, then ends it. */
async function endure(args: readonly string[]): Promise<Ordeal> {
  const drive = file("drive", new Uint8Array(MIB));
  const machine = ["--memory", `${MEMORY_MIB}MiB`, "--harts", "4", "--drive", drive];
  const child = spawn(process.execPath, [VIV, "run", ...args, ...machine, "--stats"], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("latin1").on("data", (text: string) => {
    stderr += text;
  });
  const closed = new Promise<number | null>((resolve) => child.on("close", resolve));
  await Promise.race([marked(child), closed]);
  const startMs = processorMs(child);
  await sleep(RUN_MS);
  const busyMs = processorMs(child) - startMs;
  const residentMiB = residentKib(child) / 1024;
  const signalMs = performance.now();
  child.kill("SIGTERM");
  const timeout = setTimeout(() => child.kill("SIGKILL"), 2 * END_MS_MAX);
  const status = await closed;
  clearTimeout(timeout);
  return { status, stderr, endMs: performance.now() - signalMs, residentMiB, busyMs };
}

function marked(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.stdout?.setEncoding("latin1").on("data", (text: string) => {
      if (text.includes(MARK)) resolve();
    });
  });
}

/** proc_pid_status(5): VmHWM, the most that was ever resident. */
function residentKib({ pid }: ChildProcess): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

/** proc_pid_stat(5): utime and stime, in ticks of 10 ms. */
function processorMs({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function expectMeek({ status, stderr, endMs, residentMiB }: Ordeal): void {
  expect(stderr).toMatch(/^instructions /);
  expect(stderr).not.toMatch(/viv:/);
  expect(status).toBe(143);
  expect(endMs).toBeLessThan(END_MS_MAX);
  expect(residentMiB).toBeLessThan(RESIDENT_MAX_MIB);
}

/** The longest that the host had to wait for its turn, in processor time. */
async function longestTurnMs(boot: Boot, hartCount: number): Promise<number> {
  let longest = 0;
  let turns = 0;
  let lastMs = 0;
  class WatchfulHost extends NodeHostServices {
    override async yieldToEvents(): Promise<void> {
      const { user, system } = process.cpuUsage();
      const nowMs = (user + system) / 1000;
      // The first turns include the compilation of the processor.
      if (turns++ > 5) longest = Math.max(longest, nowMs - lastMs);
      await super.yieldToEvents();
      const after = process.cpuUsage();
      lastMs = (after.user + after.system) / 1000;
    }
  }
  const { machine } = await createMachine({
    ...{ boot, hartCount, clock: "host", host: new WatchfulHost(), memoryByteLength: MEMORY_MIB * MIB },
    ports: [{ name: "port", receive: () => {} }],
    drives: [{ backend: new MemoryBlockBackend(new Uint8Array(MIB)) }],
  });
  setTimeout(() => machine.stop(), RUN_MS);
  expect(await machine.run()).toEqual({ kind: "stopped" });
  return longest;
}

for (const { name, bytes, isIdle } of HOSTILE_PROGRAMS) {
  test(`hostile: a guest that ${name} is ended by a signal and keeps to its memory`, async () => {
    const ordeal = await endure(["--bare", file(name, bytes)]);
    expectMeek(ordeal);
    if (isIdle) expect(ordeal.busyMs).toBeLessThan(RUN_MS / 4);
  });

  test(`hostile: a guest that ${name} leaves the host its turn`, async () => {
    expect(await longestTurnMs({ kind: "bare", program: bytes }, 1)).toBeLessThan(TURN_MS_MAX);
  });
}

test("hostile: a kernel that makes SBI calls of nonsense is ended by a signal and keeps to its memory", async () => {
  expectMeek(await endure(["--kernel", file("kernel", HOSTILE_KERNEL)]));
});

test.each([1, 8])(
  "hostile: a kernel that makes SBI calls of nonsense on %i harts leaves the host its turn",
  async (harts) => {
    const boot = { kind: "linux", kernel: HOSTILE_KERNEL, commandLine: "" } as const;
    expect(await longestTurnMs(boot, harts)).toBeLessThan(TURN_MS_MAX);
  },
);
