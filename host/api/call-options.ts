/** What calls of a machine can be told, by the names of their options. */
import type { TranslationMode } from "../core/core.js";
import type { Identity } from "../machine/machine.js";
import { VivariumError } from "../util/errors.js";
import type { OptionNames } from "./arguments.js";
import { type ShareOptions, shareSetupsOf } from "./device-options.js";
import type { ProcessExit, ProcessOptions, SpawnOptions } from "./guest-process.js";
import type { Limits } from "./limits.js";
import { checkTranslate } from "./machine-options.js";
import type { Connections, Source } from "./messages.js";
import type { NetworkOptions } from "./network-options.js";
import type { ReplayPlace, ReplaySetup } from "./replay.js";
import type { MachineSnapshot } from "./snapshot.js";
import type { Bytes } from "./streams.js";

export interface ExecOptions extends ProcessOptions, Limits {
  /** The command's standard input; it has none unless given. */
  readonly input?: string | Uint8Array | ReadableStream<Uint8Array>;
  /** Of each output; more is an error and ends the command. 64 MiB unless given. */
  readonly maxOutputByteLength?: number;
}

/** A command that has ended. */
export interface ExecResult extends ProcessExit {
  /** As UTF-8 text. */
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: Bytes;
  readonly stderrBytes: Bytes;
}

export interface OpenOptions {
  /** The name of a point in the file; where the machine was left unless given. */
  readonly snapshot?: string;
  /** `renewed`: it goes on beside its original, with random numbers and addresses of its own. As the file says, unless given. */
  readonly identity?: Identity;
  /** What its network devices are plugged into, in their order; the cables of those beyond are out. */
  readonly networks?: readonly NetworkOptions[];
  /** Its folders, by their tags; one that is not given answers its guest with I/O errors. */
  readonly shares?: readonly ShareOptions[];
  /** Where the disks are now that the file does not have, in their order. Each has to hold what it held. */
  readonly drives?: readonly Source[];
  /** Paths by which other programs reach its sockets, in their order. */
  readonly sockets?: readonly { readonly path?: string }[];
  readonly translate?: TranslationMode;
  /** It goes on where a replay of its recorded history stops, in place of where it was left. */
  readonly replay?: ReplayPlace;
  /** Whether its history is recorded in the file. */
  readonly record?: boolean;
  /** Whether it goes on at once, which is usual. */
  readonly start?: boolean;
  readonly signal?: AbortSignal;
}

export interface ReplayOptions extends ReplayPlace {
  /** Is given what the guest wrote to its console, as it writes it again. */
  readonly onConsole?: (bytes: Uint8Array) => void;
  readonly signal?: AbortSignal;
}

export interface ForkOptions {
  /** How many machines; 1 unless given. */
  readonly count?: number;
  /** They go on from here; from the present unless given. */
  readonly snapshot?: MachineSnapshot;
  /** `kept` lets them have the random numbers and addresses of this one: for replay, not for machines that go on. */
  readonly identity?: Identity;
  /**
   * What the networks of each are plugged into, by the fork's number. Unless given, the like of this machine's: its own
   * way out, the same switch, another connection to the same relay; but no port of the host, and no link of the
   * program's own.
   */
  readonly networks?: (index: number) => readonly NetworkOptions[];
}

const PROCESS_NAMES: OptionNames<ProcessOptions & Limits> = { cwd: true, env: true, timeoutMs: true, signal: true };
export const SPAWN_NAMES: OptionNames<SpawnOptions & Limits> = { ...PROCESS_NAMES, terminal: true };
export const EXEC_NAMES: OptionNames<ExecOptions> = { ...PROCESS_NAMES, input: true, maxOutputByteLength: true };
export const OPEN_NAMES: OptionNames<OpenOptions> = {
  snapshot: true,
  identity: true,
  networks: true,
  shares: true,
  drives: true,
  sockets: true,
  translate: true,
  replay: true,
  record: true,
  start: true,
  signal: true,
};
export const REPLAY_NAMES: OptionNames<ReplayOptions> = {
  history: true,
  from: true,
  until: true,
  back: true,
  translate: true,
  onConsole: true,
  signal: true,
};
export const FORK_NAMES: OptionNames<ForkOptions> = { count: true, snapshot: true, identity: true, networks: true };

/** @throws VivariumError `option/invalid` */
export function setupOfReplay(place: ReplayPlace | undefined): ReplaySetup | null {
  if (place === undefined) return null;
  const { until, back, history, from, translate = "on" } = place;
  if (until !== undefined && back !== undefined) {
    throw new VivariumError("option/invalid", "until and back exclude each other: both say where to stop");
  }
  return {
    translate,
    ...(until === undefined ? {} : { until }),
    ...(back === undefined ? {} : { back }),
    ...(history === undefined ? {} : { history }),
    ...(from === undefined ? {} : { from }),
  };
}

/** @throws VivariumError `option/invalid` */
export function connectionsOf({
  networks = [],
  shares = [],
  sockets = [],
  drives = [],
  translate = "on",
}: OpenOptions): Connections {
  return {
    drives,
    networkCount: networks.length,
    shares: shareSetupsOf(shares),
    sockets: sockets.map(({ path }) => path ?? null),
    translate: checkTranslate(translate),
  };
}
