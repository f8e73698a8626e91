import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { writeCpio } from "../../host/images/cpio.js";
import { VivariumError } from "../../host/util/errors.js";
import { debianPrograms } from "../guests/debian-programs.js";
import type { LargeFigure } from "../subject.js";
import { createNumberedDisk } from "./disk.js";
import { withGuestFiles } from "./guest-files.js";
import { FigureCollector, type LargeSetting } from "./large-subject.js";
import { runPrograms } from "./programs.js";

/** What Debian's fio measures in a guest: see guests/tools-init.sh. */
export const FIO = ["fio-read", "fio-write", "fio-read-4k-1", "fio-read-4k-32", "fio-write-4k-1", "fio-write-4k-32"];
/** What iperf3 measures between a guest and this host, through each system's NAT. */
export const IPERF = ["iperf3-send", "iperf3-receive"];

/** And between two guests, joined by a switch of ours or a cable of QEMU's. */
export const GUEST_TO_GUEST = "iperf3-guest-to-guest";

const TIMEOUT_MS = 180_000;
/** After which the end of a cable that listens is there. */
const HEAD_START_MS = 2000;
const TRIES = 50;
const PAUSE_MS = 100;
const FIRST_PORT = 30_000;
const PORT_COUNT = 10_000;

/** The archive that makes a guest run Debian's tools, and the folder that has them. */
export async function toolsGuest(): Promise<{ readonly archive: Uint8Array; readonly share: string }> {
  const content = await readFile(join(import.meta.dirname, "../guests/tools-init.sh"));
  const archive = writeCpio([
    { kind: "directory", path: "bench", mode: 0o755 },
    { kind: "file", path: "bench/tools-init", mode: 0o755, content },
  ]);
  return { archive, share: await debianPrograms(["fio", "iperf3"]) };
}

/** Disks by fio, the network between guest and host by iperf3. */
export async function measureByTools(names: readonly string[], setting: LargeSetting): Promise<LargeFigure[]> {
  const { archive, share } = await toolsGuest();
  const usesNetwork = names.some((name) => IPERF.includes(name));
  const server = usesNetwork ? await startIperf() : null;
  const words = server === null ? "" : ` iperf=10.0.2.2:${server.port}`;
  const commandLine = `${setting.image.commandLine} rdinit=/bench/tools-init bench=${names.join(",")}${words}`;
  const figures = new FigureCollector();
  try {
    await withGuestFiles(
      setting.image,
      [archive],
      commandLine,
      (guest) => runPrograms(names, { ...guest, share, network: usesNetwork }, setting, figures),
      createNumberedDisk,
    );
  } finally {
    server?.close();
  }
  return figures.figures;
}

/** A stream from one guest to another. */
export async function measureGuestToGuest(setting: LargeSetting): Promise<LargeFigure[]> {
  const { archive, share } = await toolsGuest();
  const { image, systems, runs } = setting;
  const figures = new FigureCollector();
  const commandLine = (program: string, address: string) =>
    `${image.commandLine} rdinit=/bench/tools-init bench=${program} iperf=10.0.2.20:5201 address=${address}`;
  for (let run = 0; run < runs; run++) {
    for (const each of systems) {
      const path = join(tmpdir(), `vivarium-bench-${process.pid}-${run}`);
      const one: LargeSetting = { ...setting, systems: [each], runs: 1 };
      await withGuestFiles(image, [archive], commandLine("iperf3-server", "10.0.2.20"), async (server) => {
        const console = each.start({ ...server, share, cable: { path, isListening: true } });
        const served = console.lines(() => {}, TIMEOUT_MS);
        // Reported by the client: one that waits in vain ends with an error of its own.
        served.catch(() => {});
        await sleep(HEAD_START_MS);
        await withGuestFiles(image, [archive], commandLine(GUEST_TO_GUEST, "10.0.2.21"), (client) =>
          runPrograms([GUEST_TO_GUEST], { ...client, share, cable: { path, isListening: false } }, one, figures),
        );
        await served;
      });
      await rm(path, { force: true });
    }
  }
  return figures.figures;
}

/** iperf3's server on this host. @throws VivariumError when it is not installed */
async function startIperf(): Promise<{ readonly port: number; close(): void }> {
  const port = FIRST_PORT + (process.pid % PORT_COUNT);
  const server = spawn("iperf3", ["--server", "--bind", "127.0.0.1", "--port", String(port)], { stdio: "ignore" });
  const failed = once(server, "error").then(([error]) => {
    throw new VivariumError("bench/iperf3", `iperf3: ${(error as Error).message}; on Debian, apt install iperf3`);
  });
  await Promise.race([failed, whenListening(server, port)]);
  return { port, close: () => void server.kill() };
}

async function whenListening(server: ChildProcess, port: number): Promise<void> {
  for (let tries = 0; tries < TRIES && server.exitCode === null; tries++) {
    const isThere = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true));
      socket.once("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
    if (isThere) return;
    await sleep(PAUSE_MS);
  }
  throw new VivariumError("bench/iperf3", `iperf3: its server on port ${port} does not answer`);
}
