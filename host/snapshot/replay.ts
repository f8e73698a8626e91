import { boardSchema } from "../machine/board-state.js";
import type { ReplayEnd } from "../machine/history/replayer.js";
import { Replayer } from "../machine/history/replayer.js";
import { type Drive, Machine, type ResumeOptions } from "../machine/machine.js";
import { AbsentDisk } from "../storage/absent-disk.js";
import { VivariumError } from "../util/errors.js";
import { decode } from "../util/schema.js";
import type { History, Point } from "./history-store.js";
import type { MachineFile, Snapshot } from "./machine-file.js";

/** What of a machine's history is to be run again, and to where. */
export interface ReplayRequest {
  /** By its number; the newest without. */
  readonly history?: number;
  /** The snapshot to begin with, by its name; else the last one before `until`, or the history's first. */
  readonly from?: string;
  /** How many instructions to stop at, counted from power-on... */
  readonly until?: bigint;
  /** ...or how many before the history's end. */
  readonly back?: bigint;
}

/** How the machine is run; nothing of it reaches the world. */
export interface ReplayWires
  extends Pick<
    ResumeOptions,
    "core" | "host" | "serial" | "translate" | "translationByteLengthMax" | "onTranslationRefused"
  > {
  /** Told how to give up, when it begins. */
  readonly onBegun?: (cancel: () => void) => void;
}

/** What was run again. */
export interface Replay {
  readonly history: History;
  /** Where it began. */
  readonly start: Snapshot;
  readonly end: ReplayEnd;
  /** The machine where it ended: it can be captured, and looked at. */
  readonly machine: Machine;
}

type StartingPoint = Point & { readonly snapshot: Snapshot };

/**
 * Runs a machine's recorded history again. What it wrote to its consoles and disks it writes again; what came from
 * outside comes from the record.
 *
 * @throws VivariumError `replay/nothing` when there is no such history, `replay/range` when it does not go there,
 *   `replay/diverged` when the machine does not do again what it did, `replay/cancelled`, `file/damaged`
 */
export async function replay(
  file: MachineFile,
  request: ReplayRequest,
  { onBegun, ...wires }: ReplayWires,
): Promise<Replay> {
  const history = historyOf(file, request);
  const until = endOf(history, request);
  const point = pointOf(file, history, request, until);
  const state = file.load(point.snapshot);
  const { drives } = decode(boardSchema, state.board);
  const border = new Replayer({
    entries: file.entriesOf(history, point),
    context: point.context,
    ...(until === undefined ? {} : { until }),
  });
  const machine = await Machine.resume(state, {
    ...wires,
    border,
    identity: "kept",
    drives: drives.map(({ captured, byteLength, readOnly }): Drive | undefined =>
      captured ? undefined : { backend: new AbsentDisk(byteLength, readOnly) },
    ),
  });
  onBegun?.(() => machine.cancelReplay());
  return { history, start: point.snapshot, end: await machine.replay(), machine };
}

function historyOf(file: MachineFile, { history, from }: ReplayRequest): History {
  const { histories } = file;
  if (histories.length === 0) {
    throw new VivariumError("replay/nothing", "nothing was recorded in this file; viv run --save --record does");
  }
  if (history !== undefined) {
    const found = histories.find(({ id }) => id === history);
    if (found !== undefined) return found;
    const known = histories.map(({ id }) => id).join(", ");
    throw new VivariumError("replay/nothing", `this file has no history ${history}; it has ${known}`, { history });
  }
  if (from === undefined) return histories.at(-1)!;
  const { id } = file.find(from);
  const through = histories.filter((each) => file.pointsOf(each).some((point) => isAt(point, id)));
  if (through.length > 0) return through.at(-1)!;
  const message = `no recorded history begins at snapshot ${JSON.stringify(from)}, or passed it with nothing under way`;
  throw new VivariumError("replay/nothing", message, { from });
}

/** Whether a point is a snapshot, or the beginning of a history that went on from it. */
function isAt({ snapshotId, snapshot }: StartingPoint, id: number): boolean {
  return snapshotId === id || snapshot.parent === id;
}

/** The instruction to stop at; undefined for all of it. */
function endOf({ instructions }: History, { until, back }: ReplayRequest): bigint | undefined {
  if (back === undefined) return until;
  if (back > instructions) {
    const message = `the history ends at instruction ${instructions}; there are no ${back} to go back`;
    throw new VivariumError("replay/range", message, { back: back.toString(), instructions: instructions.toString() });
  }
  return instructions - back;
}

/** The point to begin with: the nearest before the end, as far as that is known. */
function pointOf(file: MachineFile, history: History, { from }: ReplayRequest, until?: bigint): StartingPoint {
  const points = file.pointsOf(history);
  const first = points[0];
  if (first === undefined) {
    throw new VivariumError(
      "replay/nothing",
      "the recording has no state to begin with: it was cut off at its beginning",
    );
  }
  const wanted = from === undefined ? null : file.find(from).id;
  const usable = points.filter((point) => wanted === null || isAt(point, wanted));
  if (wanted !== null && until === undefined) return usable[0]!;
  const end = until ?? first.snapshot.instructions;
  const before = usable.filter(({ snapshot }) => snapshot.instructions <= end);
  const { instructions } = history;
  if (before.length > 0 && end <= instructions) return until === undefined ? first : before.at(-1)!;
  const message = `the history goes from instruction ${usable[0]?.snapshot.instructions ?? 0} to ${instructions}; ${end} is not in it`;
  throw new VivariumError("replay/range", message, { instruction: end.toString() });
}
