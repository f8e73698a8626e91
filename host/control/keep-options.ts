import { VivariumError } from "../util/errors.js";
import type { KeepRequest, ScheduleRequest } from "./actions.js";

/** Options about a machine's file, as they were written. */
export interface KeepOptions {
  readonly snapshotEvery?: string;
  readonly keep?: string;
  readonly record?: boolean;
}

export const DEFAULT_KEEP_COUNT = 6;
const KEEP_COUNT_MAX = 1000;
const EVERY_MS_MIN = 1000;
const EVERY_MS_MAX = 7 * 24 * 60 * 60 * 1000;

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * @param file the machine's file, if it has one
 * @throws VivariumError `option/invalid`
 */
export function readKeep(options: KeepOptions, file: string | undefined): KeepRequest | null {
  const schedule = readSchedule(options);
  if (file === undefined) {
    if (schedule !== null) throw badOption("--snapshot-every needs --save: there is no file for the snapshots");
    if (options.record === true) throw badOption("--record needs --save: there is no file for the history");
    return null;
  }
  if (file === "") throw badOption("--save: the file name is empty; expected a file");
  return { file, schedule, record: options.record ?? false };
}

function readSchedule({ snapshotEvery, keep }: KeepOptions): ScheduleRequest | null {
  if (snapshotEvery === undefined) {
    if (keep !== undefined) throw badOption("--keep needs --snapshot-every: it says how many of its snapshots stay");
    return null;
  }
  return { everyMs: readDuration(snapshotEvery), keepCount: readKeepCount(keep) };
}

function readDuration(text: string): number {
  const [, digits, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const ms = Number(digits) * (UNITS[unit ?? ""] ?? Number.NaN);
  if (ms >= EVERY_MS_MIN && ms <= EVERY_MS_MAX) return ms;
  throw badOption(`--snapshot-every: ${JSON.stringify(text)} is no time; expected 1s to 7d, such as 30s, 10m or 2h`);
}

function readKeepCount(text: string | undefined): number {
  if (text === undefined) return DEFAULT_KEEP_COUNT;
  const count = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (count >= 1 && count <= KEEP_COUNT_MAX) return count;
  throw badOption(`--keep: ${JSON.stringify(text)} is no number of snapshots; expected 1 to ${KEEP_COUNT_MAX}`);
}

function badOption(message: string): VivariumError {
  return new VivariumError("option/invalid", message);
}
