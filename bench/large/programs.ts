import { formatByteLength } from "../../host/control/byte-length.js";
import { VivariumError } from "../../host/util/errors.js";
import { buildGuests, coremarkSource, ownSource } from "../guests/build.js";
import type { GuestFiles } from "../peers.js";
import type { LargeFigure } from "../subject.js";
import { GUEST_FAILED } from "./console.js";
import { createNumberedDisk, DISK_PROGRAMS, diskSource } from "./disk.js";
import { withGuestFiles } from "./guest-files.js";
import { FigureCollector, type LargeSetting } from "./large-subject.js";
import { ProgramOutput, type ProgramResult } from "./program-output.js";

/** The programs of guests/, in the order in which they run. */
export const PROGRAMS = ["integers", "records", "quicksort", "sha256", "nbody", "matmul", "memcpy", "spawn"] as const;
/** Only with a checkout of it: COREMARK_DIR. */
export const COREMARK = "coremark";

const TIMEOUT_MS = 600_000;

/**
 * Runs the named programs in a guest, on each system in turn, as often as the setting says.
 *
 * @throws VivariumError when a program gives a wrong result anywhere: its time would mean nothing
 */
export async function measurePrograms(names: readonly string[], setting: LargeSetting): Promise<LargeFigure[]> {
  const { image } = setting;
  const archive = await buildGuests(await Promise.all(names.map(sourceOf)));
  const figures = new FigureCollector();
  const commandLine = `${image.commandLine} rdinit=/bench/init bench=${names.join(",")}`;
  const measure = (guest: GuestFiles) => runPrograms(names, guest, setting, figures);
  const usesDisk = names.some((name) => DISK_PROGRAMS.includes(name));
  await withGuestFiles(image, [archive], commandLine, measure, usesDisk ? createNumberedDisk : undefined);
  return figures.figures;
}

/**
 * Runs a guest that has these programs on each system in turn, as often as the setting says.
 *
 * @throws VivariumError when a program gives a wrong result anywhere
 */
export async function runPrograms(
  names: readonly string[],
  guest: GuestFiles,
  { systems, runs, progress }: LargeSetting,
  figures: FigureCollector,
): Promise<void> {
  for (let run = 0; run < runs; run++) {
    for (const { system, start } of systems) {
      const output = new ProgramOutput();
      let reported = 0;
      const onLine = (line: string, ms: number) => {
        output.line(line, ms);
        for (const result of output.results.slice(reported)) {
          progress(`${result.name}, run ${run + 1} of ${runs}, ${system}: ${result.sample.seconds.toFixed(2)} s`);
        }
        reported = output.results.length;
      };
      await start(guest).lines(onLine, TIMEOUT_MS);
      checkComplete(output, names, system);
      for (const result of output.results) figures.add(result.name, describeWork(result), system, result.sample);
    }
  }
}

function sourceOf(name: string): ReturnType<typeof coremarkSource> {
  if (name === COREMARK) return coremarkSource(process.env.COREMARK_DIR ?? "");
  return Promise.resolve(diskSource(name) ?? ownSource(name));
}

function checkComplete(output: ProgramOutput, names: readonly string[], system: string): void {
  const missing = names.filter((name) => !output.results.some((result) => result.name === name));
  const problem = output.failures[0] ?? (missing.length > 0 ? `${missing[0]} has not run to its end` : null);
  if (problem !== null) throw new VivariumError(GUEST_FAILED, `${system}: ${problem}`, { system });
}

function describeWork({ work, unit }: ProgramResult): string {
  if (unit === "B") return formatByteLength(work);
  return `${new Intl.NumberFormat("en").format(work)} ${unit}`;
}
