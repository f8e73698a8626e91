import { type BoardState, boardSchema } from "../machine/board-state.js";
import { CHUNK_BYTE_LENGTH } from "../storage/chunk.js";
import { decode } from "../util/schema.js";
import type { History } from "./history-store.js";
import type { MachineFile, Snapshot } from "./machine-file.js";

/** What is in a machine file, as plain data. */
export interface FileReport {
  readonly formatVersion: number;
  readonly writtenBy: string;
  readonly createdMs: number;
  /** Of the machine where it was left; null for a file without one. */
  readonly board: BoardState | null;
  readonly chunkCount: number;
  /** Compressed. */
  readonly chunkByteLength: number;
  readonly snapshots: readonly SnapshotReport[];
  /** Recorded, to be run again. */
  readonly histories: readonly HistoryReport[];
}

export interface HistoryReport extends Omit<History, "instructions"> {
  readonly instructions: string;
  /** Instructions at which it can be entered, and the snapshot's name where it has one. */
  readonly points: readonly { readonly instructions: string; readonly snapshot: string | null }[];
}

export interface SnapshotReport extends Omit<Snapshot, "instructions"> {
  readonly instructions: string;
  /** RAM and disks that are not all zero, in chunks that differ. */
  readonly contentByteLength: number;
  /** The same, compressed. */
  readonly storedByteLength: number;
  /** What of it deleting this snapshot would free. */
  readonly ownByteLength: number;
  /** Over everything in it: the same for the same state, in whichever file. */
  readonly hash: string;
}

/** @throws VivariumError `file/damaged`, `bad-state` */
export function reportFile(file: MachineFile): FileReport {
  const { snapshots, present } = file;
  const lengths = file.packedLengths();
  const chunks = new Map(snapshots.map((snapshot) => [snapshot.id, file.chunksOf(snapshot)]));
  const users = new Map<number, number>();
  for (const ids of chunks.values()) for (const id of ids) users.set(id, (users.get(id) ?? 0) + 1);
  const total = (ids: Iterable<number>) => [...ids].reduce((sum, id) => sum + (lengths.get(id) ?? 0), 0);
  return {
    formatVersion: file.formatVersion,
    ...file.origin,
    board: present === null ? null : decode(boardSchema, file.load(present).board),
    chunkCount: lengths.size,
    chunkByteLength: total(lengths.keys()),
    snapshots: snapshots.map((snapshot) => {
      const ids = chunks.get(snapshot.id)!;
      return {
        ...snapshot,
        instructions: snapshot.instructions.toString(),
        contentByteLength: ids.size * CHUNK_BYTE_LENGTH,
        storedByteLength: total(ids),
        ownByteLength: total([...ids].filter((id) => users.get(id) === 1)),
        hash: file.hashOf(snapshot),
      };
    }),
    histories: file.histories.map((history) => ({
      ...history,
      instructions: history.instructions.toString(),
      points: file.pointsOf(history).map(({ snapshot }) => ({
        instructions: snapshot.instructions.toString(),
        snapshot: snapshot.name,
      })),
    })),
  };
}
