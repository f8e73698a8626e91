import { readFile } from "node:fs/promises";
import { arch, cpus, release, totalmem, type } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { packageDirectory } from "../host/platform/node/core-module.js";
import { VivariumError } from "../host/util/errors.js";
import { benchHypervisor, HYPERVISOR } from "./hypervisor/measure.js";
import { BOOT, measureBoot } from "./large/boot.js";
import { GUEST_FAILED } from "./large/console.js";
import { DISK_PROGRAMS } from "./large/disk.js";
import { openDefaultGuest } from "./large/guest-files.js";
import { measureNetwork, NETWORK } from "./large/network.js";
import { COREMARK, measurePrograms, PROGRAMS } from "./large/programs.js";
import { GIT_STATUS, measureShare } from "./large/share.js";
import { peerSystem, vivarium } from "./large/systems.js";
import { FIO, GUEST_TO_GUEST, IPERF, measureByTools, measureGuestToGuest } from "./large/tools.js";
import { findPeers } from "./peers.js";
import { formatReport, type HostDescription, OURS, type Report, writeJson } from "./report.js";
import { decode } from "./small/decode.js";
import { dispatch } from "./small/dispatch.js";
import { measureSmall } from "./small/measure.js";
import { mmio } from "./small/mmio.js";
import { tlb } from "./small/tlb.js";
import { trap } from "./small/trap.js";
import { virtqueue } from "./small/virtqueue.js";
import { benchSnapshots, SNAPSHOT } from "./snapshot/measure.js";
import type { LargeFigure, SmallFigure, Unmeasured } from "./subject.js";

const SMALL = [dispatch, decode, tlb, trap, mmio, virtqueue];
const LARGE = [BOOT, ...PROGRAMS];
/** What guests have to do with the world outside. */
const IO = [...NETWORK, ...DISK_PROGRAMS, ...FIO, ...IPERF, GUEST_TO_GUEST, GIT_STATUS];
const DEFAULT_RUNS = 3;

const USAGE = `npm run bench [-- [SUBJECT...] [--runs N] [--json FILE]]

Subjects: "small" is all of ${SMALL.map(({ name }) => name).join(", ")};
          "large" is all of ${LARGE.join(", ")};
          "io" is all of ${IO.join(", ")}.
          "snapshot", by itself: saving a machine and going on with it;
          "hypervisor", by itself: dividing the processor among machines.
Without a subject, all but these two. With COREMARK_DIR set to a checkout of CoreMark, ${COREMARK} is one of "large".

--runs N     how often each large subject runs on each system; the table shows medians (default: ${DEFAULT_RUNS})
--json FILE  where all figures go (default: bench/results/DATE.json)
`;

interface Options {
  readonly subjects: ReadonlySet<string>;
  readonly runs: number;
  readonly jsonFile: string;
}

async function main(args: readonly string[]): Promise<void> {
  if (args[0] === SNAPSHOT) return benchSnapshots(args.slice(1));
  if (args[0] === HYPERVISOR) return benchHypervisor(args.slice(1));
  const date = new Date().toISOString();
  const options = readOptions(args, date);
  if (options === null) {
    process.stdout.write(USAGE);
    return;
  }
  const small: SmallFigure[] = [];
  for (const subject of SMALL.filter(({ name }) => options.subjects.has(name))) {
    progress(subject.name);
    small.push(...(await measureSmall(subject)));
  }
  const { systems, ...large } = await measureLarge(options);
  const report: Report = { date, host: describeHost(), systems, small, ...large };
  await writeJson(report, options.jsonFile);
  process.stdout.write(`${formatReport(report)}\nAll figures: ${options.jsonFile}\n`);
  if (report.unmeasured.some(({ kind }) => kind === "failed")) process.exitCode = STATUS_FAILED;
}

/** @returns null when only help was asked for */
function readOptions(args: readonly string[], date: string): Options | null {
  const { values, positionals } = parse(args);
  if (values.help === true) return null;
  const large = process.env.COREMARK_DIR === undefined ? LARGE : [...LARGE, COREMARK];
  const small = SMALL.map(({ name }) => name);
  const groups = new Map([
    ["small", small],
    ["large", large],
    ["io", IO],
    ...[...small, ...large, ...IO].map((name): [string, string[]] => [name, [name]]),
  ]);
  const subjects = new Set<string>();
  for (const name of positionals.length === 0 ? ["small", "large", "io"] : positionals) {
    const group = groups.get(name);
    if (group === undefined) throw usage(`no subject is called "${name}": there is ${[...groups.keys()].join(", ")}`);
    for (const each of group) subjects.add(each);
  }
  const runs = Number(values.runs ?? DEFAULT_RUNS);
  if (!Number.isInteger(runs) || runs < 1)
    throw usage(`--runs: expected a whole number from 1 up, got "${values.runs}"`);
  const usual = join(packageDirectory(), "bench/results", `${date.replaceAll(":", "-")}.json`);
  return { subjects, runs, jsonFile: values.json ?? usual };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { runs: { type: "string" }, json: { type: "string" }, help: { type: "boolean", short: "h" } },
    });
  } catch (error) {
    throw usage((error as Error).message);
  }
}

function usage(message: string): VivariumError {
  return new VivariumError("bench/usage", message);
}

/** Measures whole guests. What cannot be measured here does not keep the rest from it. */
async function measureLarge(options: Options): Promise<Pick<Report, "systems" | "large" | "unmeasured">> {
  const boots = options.subjects.has(BOOT);
  const programs = [...PROGRAMS, COREMARK].filter((name) => options.subjects.has(name));
  const networks = NETWORK.filter((name) => options.subjects.has(name));
  const disks = DISK_PROGRAMS.filter((name) => options.subjects.has(name));
  const shares = options.subjects.has(GIT_STATUS);
  const tools = [FIO, IPERF].map((names) => names.filter((name) => options.subjects.has(name)));
  const pairs = options.subjects.has(GUEST_TO_GUEST);
  const isIdle = [programs, networks, disks, ...tools].every(({ length }) => length === 0) && !pairs && !shares;
  if (!boots && isIdle) return { systems: [], large: [], unmeasured: [] };
  const peers = findPeers();
  const systems = [{ system: OURS, version: await packageVersion() }, ...peers.present];
  const large: LargeFigure[] = [];
  const unmeasured: Unmeasured[] = peers.absent.map(({ system, install }) => skipped(system, install));
  const attempt = async (subject: string, measure: () => Promise<LargeFigure[]>) => {
    try {
      large.push(...(await measure()));
    } catch (error) {
      if (!(error instanceof VivariumError)) throw error;
      const kind = error.code === GUEST_FAILED ? "failed" : "skipped";
      unmeasured.push({ kind, subject, reason: error.message });
    }
  };
  await attempt("large", async () => {
    progress("opening the guest image");
    const image = await openDefaultGuest();
    const setting = { image, systems: [vivarium, ...peers.present.map(peerSystem)], runs: options.runs, progress };
    if (boots) await attempt(BOOT, () => measureBoot(setting));
    if (programs.length > 0) await attempt(programs.join(", "), () => measurePrograms(programs, setting));
    if (networks.length > 0) await attempt(networks.join(", "), () => measureNetwork(networks, setting));
    if (disks.length > 0) await attempt(disks.join(", "), () => measurePrograms(disks, setting));
    for (const names of tools) {
      if (names.length > 0) await attempt(names.join(", "), () => measureByTools(names, setting));
    }
    if (pairs) await attempt(GUEST_TO_GUEST, () => measureGuestToGuest(setting));
    if (shares) await attempt(GIT_STATUS, () => measureShare(setting));
    return [];
  });
  return { systems: systems.map(({ system, version }) => ({ system, version })), large, unmeasured };
}

function skipped(subject: string, reason: string): Unmeasured {
  return { kind: "skipped", subject, reason };
}

async function packageVersion(): Promise<string> {
  const text = await readFile(join(packageDirectory(), "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

function describeHost(): HostDescription {
  const processors = cpus();
  return {
    processor: processors[0]?.model ?? "unknown processor",
    processorCount: processors.length,
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    os: `${type()} ${release()} ${arch()}`,
    node: process.versions.node,
  };
}

/** For whoever waits: on standard error, so that the tables can be kept by themselves. */
function progress(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}

const STATUS_FAILED = 1;
const STATUS_USAGE = 2;

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof VivariumError)) throw error;
  progress(error.message);
  process.exitCode = STATUS_USAGE;
}
