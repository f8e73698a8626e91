import { checkName } from "../snapshot/snapshot-name.js";
import { VivariumError } from "../util/errors.js";
import type { Action, DriveRequest } from "./actions.js";
import { readSocketPath } from "./device-options.js";
import { type KeepOptions, readKeep } from "./keep-options.js";
import { readNetworks } from "./network-options.js";
import {
  MAXIMUM_NETWORK_COUNT,
  readCapture,
  readDrives,
  readFileName,
  readTranslate,
  readTranslationCache,
} from "./run-options.js";
import { readShares } from "./share-option.js";

/** What the commands about machine files were given, each option as it was written. */
export interface OpenOptions extends KeepOptions {
  readonly exec?: string;
  readonly discard?: boolean;
  readonly keepIdentity?: boolean;
  readonly drive?: readonly string[];
  readonly net?: readonly string[];
  readonly share?: readonly string[];
  readonly limits?: string;
  readonly pcap?: string;
  readonly vsock?: string;
  readonly translate?: string;
  readonly translationCache?: string;
  readonly stats?: boolean;
}

const FORK_COUNT_MAX = 100;

/** @throws VivariumError `option/invalid` */
export function readOpenOptions(file: string, options: OpenOptions): Action {
  const keep = readKeep(options, fileName(file))!;
  const discard = options.discard ?? false;
  if (discard && keep.schedule !== null) {
    throw badOption("--discard and --snapshot-every exclude each other: with --discard the file stays as it is");
  }
  if (discard && keep.record) {
    throw badOption("--discard and --record exclude each other: with --discard the file stays as it is");
  }
  const { exec } = options;
  if (exec !== undefined && exec.trim() === "") {
    throw badOption("--exec: the command is empty; expected a shell command");
  }
  return {
    action: "open",
    keep,
    ...(exec === undefined ? {} : { command: exec }),
    discard,
    keepIdentity: options.keepIdentity ?? false,
    networks: readNetworks(options.net ?? [], MAXIMUM_NETWORK_COUNT),
    drives: readOutsideDrives(options.drive ?? [], discard),
    shares: readShares(options.share ?? []).map(({ request }) => request),
    ...(options.limits === undefined ? {} : { limits: readFileName("--limits", options.limits) }),
    ...(options.pcap === undefined ? {} : { capture: readCapture(options) }),
    ...(options.vsock === undefined ? {} : { socket: readSocketPath(options.vsock) }),
    translate: readTranslate(options.translate),
    translationByteLengthMax: readTranslationCache(options.translationCache),
    stats: options.stats ?? false,
  };
}

/** Of a disk that a machine goes on with, the serial number is known, and what is saved has to hold what it held. */
function readOutsideDrives(texts: readonly string[], discard: boolean): readonly DriveRequest[] {
  const drives = readDrives(texts);
  for (const { file, snapshot, serial } of drives) {
    if (serial !== undefined) {
      throw badOption(`--drive ${file}: serial= is for viv run; the disk of a machine in a file has one`);
    }
    if (snapshot && !discard) {
      throw badOption(`--drive ${file}: snapshot needs --discard, or the saved machine would miss what it wrote there`);
    }
  }
  return drives;
}

/** @throws VivariumError `option/invalid`, `snapshot/name` */
export function readSnapshotOptions(
  file: string,
  name: string | undefined,
  {
    delete: deleted,
    deleteHistories = false,
  }: { readonly delete?: readonly string[]; readonly deleteHistories?: boolean },
): Action {
  if (deleteHistories) {
    if (name !== undefined || deleted !== undefined)
      throw badOption("--delete-histories takes no names: it deletes all");
    return { action: "delete-histories", file: fileName(file) };
  }
  if (deleted !== undefined) {
    if (name !== undefined) throw badOption("--delete takes the names of the snapshots to delete, and no other");
    return { action: "delete-snapshots", file: fileName(file), names: deleted };
  }
  if (name === undefined) throw badOption("the snapshot has no name; expected viv snapshot FILE NAME");
  checkName(name);
  return { action: "snapshot", file: fileName(file), name };
}

export function readRestoreOptions(file: string, name: string): Action {
  return { action: "restore", file: fileName(file), name };
}

/** @throws VivariumError `option/invalid` */
export function readForkOptions(
  file: string,
  { count = "1", keepIdentity = false }: { readonly count?: string; readonly keepIdentity?: boolean },
): Action {
  const number = /^\d{1,3}$/.test(count) ? Number(count) : Number.NaN;
  if (!(number >= 1 && number <= FORK_COUNT_MAX)) {
    throw badOption(`--count: ${JSON.stringify(count)} is no number of machines; expected 1 to ${FORK_COUNT_MAX}`);
  }
  return { action: "fork", file: fileName(file), count: number, keepIdentity };
}

export function readInspectOptions(file: string, { json = false }: { readonly json?: boolean }): Action {
  return { action: "inspect", file: fileName(file), json };
}

/** What `viv replay` was given, each option as it was written. */
export interface ReplayOptions {
  readonly history?: string;
  readonly from?: string;
  readonly until?: string;
  readonly back?: string;
  readonly save?: string;
  readonly translate?: string;
  readonly translationCache?: string;
  readonly json?: boolean;
}

/** @throws VivariumError `option/invalid` */
export function readReplayOptions(file: string, options: ReplayOptions): Action {
  const { history, from, save, json = false } = options;
  const until = readInstructions("--until", options.until);
  const back = readInstructions("--back", options.back);
  if (until !== undefined && back !== undefined) {
    throw badOption("--until and --back exclude each other: both say where to stop");
  }
  if (history !== undefined && from !== undefined) {
    throw badOption("--history and --from exclude each other: both say which history");
  }
  if (history !== undefined && !/^[1-9]\d{0,8}$/.test(history)) {
    throw badOption(`--history: ${JSON.stringify(history)} is no history; "viv inspect" lists them by number`);
  }
  if (save === "") throw badOption("--save: the file name is empty; expected a new file");
  return {
    action: "replay",
    file: fileName(file),
    ...(history === undefined ? {} : { history: Number(history) }),
    ...(from === undefined ? {} : { from }),
    ...(until === undefined ? {} : { until }),
    ...(back === undefined ? {} : { back }),
    ...(save === undefined ? {} : { save }),
    translate: readTranslate(options.translate),
    translationByteLengthMax: readTranslationCache(options.translationCache),
    json,
  };
}

function readInstructions(option: string, text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,18}$/.test(text)) return BigInt(text);
  throw badOption(`${option}: ${JSON.stringify(text)} is no number of instructions`);
}

export interface StreamOptions {
  readonly passphraseFile?: string;
  readonly keepIdentity?: boolean;
}

/** @param output "-" or nothing is standard output */
export function readExportOptions(file: string, output: string | undefined, { passphraseFile }: StreamOptions): Action {
  return {
    action: "export",
    file: fileName(file),
    ...(output === undefined || output === "-" ? {} : { output }),
    ...(passphraseFile === undefined ? {} : { passphraseFile }),
  };
}

/** @param input "-" is standard input */
export function readImportOptions(
  input: string,
  file: string,
  { passphraseFile, keepIdentity = false }: StreamOptions,
): Action {
  return {
    action: "import",
    file: fileName(file),
    ...(input === "-" ? {} : { input }),
    ...(passphraseFile === undefined ? {} : { passphraseFile }),
    keepIdentity,
  };
}

function fileName(text: string): string {
  if (text === "") throw badOption("the file name is empty; expected a machine file");
  return text;
}

function badOption(message: string): VivariumError {
  return new VivariumError("option/invalid", message);
}
