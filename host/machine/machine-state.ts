import type { ChunkMap } from "../storage/chunk.js";
import type { SavedState } from "../util/schema.js";
import type { Moment } from "./history/border.js";

/** A disk whose contents are not part of a state. */
export interface OutsideDisk {
  /** What it was called by whoever gave it to the machine: a path, a URL. */
  readonly name: string;
  /** Of what it held; empty for a machine that is switched on first, to which any contents are right. */
  readonly digest: Uint8Array;
}

/**
 * A whole machine at one moment, between two instructions. It never changes: any number of machines can go on from it,
 * and they share what they have in common until one of them writes.
 *
 * Everything in it is checked when it is loaded, so it may come from anywhere.
 */
export interface MachineState {
  /** What the machine is made of: `boardSchema`. */
  readonly board: SavedState;
  /** Every component's named fields: `core`, `hart0`, `hart1`, ..., and the devices by the names of `Machine.devices`. */
  readonly parts: ReadonlyMap<string, SavedState>;
  readonly ram: ChunkMap;
  /** By slot; null for a disk whose contents are not part of the state. */
  readonly drives: readonly (ChunkMap | null)[];
  /** By slot: of the others, what they were when the machine stood here; absent when nobody has looked. */
  readonly outside?: readonly (OutsideDisk | null)[];
  /** Instructions retired by all harts; for people and lists. */
  readonly instructions: bigint;
  /** Where it stands in the history that was being recorded; absent when none was, or one cannot go on from there. */
  readonly moment?: Moment;
}
