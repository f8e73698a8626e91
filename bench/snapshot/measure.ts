import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { WasmModule } from "../../host/core/wasm.js";
import { commandLineFor } from "../../host/images/command-line.js";
import type { Image } from "../../host/images/image.js";
import { Machine as ApiMachine } from "../../host/index.js";
import type { Machine } from "../../host/machine/machine.js";
import type { MachineState } from "../../host/machine/machine-state.js";
import { loadCoreModule, packageDirectory } from "../../host/platform/node/core-module.js";
import { createMachineFile, openMachineFile } from "../../host/platform/node/machine-file/open-machine-file.js";
import { CHUNK_BYTE_LENGTH } from "../../host/storage/chunk.js";
import { openDefaultGuest, withGuestFiles } from "../large/guest-files.js";
import { median } from "../statistics.js";
import { BenchGuest, fork, msToFirstInstruction } from "./guest.js";
import { hasQemu, measureQemu } from "./qemu.js";

export const SNAPSHOT = "snapshot";
const DEFAULT_RUNS = 3;
const INCREMENTS = 5;
const MIB = 1024 * 1024;
const MEMORY_MIB = 512;
/** Beside what the guest has touched when it has come up. */
const WRITTEN_MIB = 60;
/** After which there are spare workers again. */
const WORKERS_REST_MS = 3000;

/** One row of the table: what was measured in each run, and what it shall not exceed. */
interface Row {
  readonly what: string;
  readonly unit: "ms" | "%" | "MiB";
  readonly limit?: number;
  readonly values: number[];
}

class Table {
  readonly #rows = new Map<string, Row>();

  add(what: string, unit: Row["unit"], value: number, limit?: number): void {
    const row = this.#rows.get(what) ?? { what, unit, ...(limit === undefined ? {} : { limit }), values: [] };
    row.values.push(value);
    this.#rows.set(what, row);
  }

  toString(): string {
    const lines = [...this.#rows.values()].map(({ what, unit, limit, values }) => {
      const wanted = limit === undefined ? "" : `at most ${limit} ${unit}`;
      return `| ${what.padEnd(52)} | ${median(values).toFixed(1).padStart(8)} ${unit.padEnd(3)} | ${wanted.padEnd(16)} |`;
    });
    const head = `| ${"median".padEnd(52)} | ${"".padEnd(12)} | ${"goal".padEnd(16)} |`;
    return [head, head.replaceAll(/[^|]/g, "-"), ...lines].join("\n");
  }
}

/** Saving and going on with the default guest, with 512 MiB of which it has touched some 100. */
export async function benchSnapshots(args: readonly string[]): Promise<void> {
  const runs = Number(args[args.indexOf("--runs") + 1] ?? DEFAULT_RUNS) || DEFAULT_RUNS;
  const image = await openDefaultGuest();
  const core = await loadCoreModule();
  const table = new Table();
  const isComparable = hasQemu();
  if (!isComparable) process.stderr.write("bench: apt install qemu-system-misc qemu-utils to compare with QEMU\n");
  for (let run = 0; run < runs; run++) {
    process.stderr.write(`bench: ${SNAPSHOT}, run ${run + 1} of ${runs}\n`);
    const directory = mkdtempSync(join(tmpdir(), "vivarium-bench-"));
    try {
      await measureRun(table, core, image, directory);
      if (isComparable) await addQemu(table, image, directory);
      await addForks(table);
      await addPrompt(table, run);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
  process.stdout.write(`${table}\n`);
}

async function measureRun(table: Table, core: WasmModule, image: Image, directory: string): Promise<void> {
  const guest = await BenchGuest.boot(core, image);
  const { machine } = guest;
  const path = join(directory, "machine.viv");
  const { file, close } = await createMachineFile(path, "bench");

  const full = await paused(() => capture(machine));
  table.add("pause of a full snapshot", "ms", full.pauseMs, 500);
  table.add("full snapshot in memory, beside the guest", "ms", full.ms);
  const touchedByteLength = full.result.ram.chunks.filter((chunk) => chunk !== null).length * CHUNK_BYTE_LENGTH;
  table.add("memory the guest has touched", "MiB", touchedByteLength / MIB);
  for (let count = 0; count < INCREMENTS; count++) {
    await guest.run("ls -lR /usr/bin > /tmp/list; sleep 0.2");
    table.add("pause of an incremental snapshot", "ms", (await paused(() => capture(machine))).pauseMs, 100);
  }

  const state = await machine.capture();
  for (let count = 0; count < INCREMENTS; count++) {
    table.add("fork in memory", "ms", (await timed(() => fork(core, state))).ms, 30);
    table.add("restore in memory", "ms", (await timed(() => machine.restore(state))).ms, 30);
    await sleep(100);
  }

  table.add("writing it to a file, beside the guest", "ms", (await timed(() => file.save(state))).ms);
  table.add("file, of the memory touched", "%", (100 * statSync(path).size) / touchedByteLength, 40);
  await guest.run("true");
  const next = await machine.capture();
  table.add("writing the next one", "ms", (await timed(() => file.save(next))).ms);
  await guest.stop();
  await close();

  for (let count = 0; count < INCREMENTS; count++) {
    const startMs = performance.now();
    const opened = await openMachineFile(path);
    const ms = await msToFirstInstruction(core, opened.file.load(opened.file.present!), startMs);
    table.add("restore from a file", "ms", ms, 150);
    await opened.close();
  }
}

async function addQemu(table: Table, image: Image, directory: string): Promise<void> {
  const commandLine = commandLineFor(image.commandLine, { kind: "interactive" });
  await withGuestFiles(image, [], commandLine, async (guest) => {
    const { saveMs, loadMs } = await measureQemu(guest, directory);
    table.add("QEMU: savevm, the guest standing", "ms", saveMs);
    table.add("QEMU: loadvm", "ms", loadMs);
  });
}

/** By the public API: with a worker for each, and to when it runs. */
async function addForks(table: Table): Promise<void> {
  const machine = await ApiMachine.create({ memoryMiB: MEMORY_MIB });
  try {
    await machine.exec(`head -c ${WRITTEN_MIB}m /dev/urandom > /tmp/data`);
    // The first one copies memory to where all others share it.
    for (const count of [1, 1, 1, 1, 3, 3, 20]) {
      await sleep(WORKERS_REST_MS);
      const { ms, result } = await timed(() => machine.fork({ count }));
      const what = count === 1 ? "fork by the API" : `each of ${count} forks by the API`;
      table.add(what, "ms", ms / count, 30);
      await Promise.all(result.map((fork) => fork.close()));
    }
  } finally {
    await machine.close();
  }
}

/** The first run may have to boot the machine that later ones go on from, and is not counted. */
async function addPrompt(table: Table, run: number): Promise<void> {
  if (run === 0) await msToPrompt([]);
  table.add("viv run debian-mini, to its prompt", "ms", await msToPrompt([]), 700);
  table.add("viv run debian-mini --cold, to its prompt", "ms", await msToPrompt(["--cold"]));
}

/** Leaves like somebody who types at the prompt. */
async function msToPrompt(options: readonly string[]): Promise<number> {
  const program = join(packageDirectory(), "dist/host/platform/node/viv.js");
  const startMs = performance.now();
  const viv = spawn(process.execPath, [program, "run", "debian-mini", ...options], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let text = "";
  return new Promise((resolve, reject) => {
    let ms = Number.NaN;
    viv.on("close", (status) => (status === 0 ? resolve(ms) : reject(new Error(`viv run ended with ${status}`))));
    viv.stdout.on("data", (bytes: Buffer) => {
      text += bytes.toString("latin1");
      if (!Number.isNaN(ms) || !text.includes(":~# ")) return;
      ms = performance.now() - startMs;
      viv.stdin.end("exit\n");
    });
  });
}

/** As a machine is captured for its file, or for forks. */
async function capture(machine: Machine): Promise<MachineState> {
  await machine.copyAhead();
  return machine.capture();
}

async function timed<T>(work: () => Promise<T>): Promise<{ readonly ms: number; readonly result: T }> {
  const startMs = performance.now();
  const result = await work();
  return { ms: performance.now() - startMs, result };
}

/** @returns besides, the longest time that this thread, and the machine in it, did nothing else for */
async function paused<T>(
  work: () => Promise<T>,
): Promise<{ readonly ms: number; readonly pauseMs: number; readonly result: T }> {
  let [pauseMs, lastMs, isOver] = [0, performance.now(), false];
  const look = (): void => {
    const nowMs = performance.now();
    pauseMs = Math.max(pauseMs, nowMs - lastMs);
    lastMs = nowMs;
    if (!isOver) setImmediate(look);
  };
  setImmediate(look);
  const done = await timed(work);
  // The last stretch counts as well.
  await sleep(1);
  isOver = true;
  return { ...done, pauseMs };
}
