import { VivariumError } from "../../util/errors.js";
import type { BlockBackend } from "../block-backend.js";
import type { ByteStore } from "../byte-store.js";
import { type BackingReference, badFormat, readQcow2Header } from "./header.js";
import { Qcow2Disk } from "./qcow2-disk.js";
import { readSnapshots } from "./snapshots.js";

export interface OpenQcow2Options {
  readonly readOnly: boolean;
  /** Id or name of a snapshot in the image, which is then the disk, read-only. */
  readonly snapshot?: string | undefined;
  /** Opens the image that this one lies over. What it throws, opening throws. */
  readonly openBacking: (reference: BackingReference) => Promise<BlockBackend>;
}

/**
 * @param store closed with the disk; stays open when this throws
 * @throws VivariumError `disk/format` when it is no qcow2 image, or none that can be opened so
 */
export async function openQcow2(store: ByteStore, options: OpenQcow2Options): Promise<Qcow2Disk> {
  const header = await readQcow2Header(store);
  const snapshot = options.snapshot === undefined ? null : await findSnapshot(store, header, options.snapshot);
  const readOnly = options.readOnly || store.readOnly || snapshot !== null;
  if (header.isCorrupt && !readOnly) throw badFormat("is marked as corrupt; expected readonly, or a repaired image");
  const { l1, byteLength } = snapshot ?? header;
  const backing = header.backing === null ? null : await options.openBacking(header.backing);
  try {
    return await Qcow2Disk.open(store, { header, backing, readOnly, l1, byteLength });
  } catch (error) {
    await backing?.close();
    throw error;
  }
}

async function findSnapshot(store: ByteStore, header: Parameters<typeof readSnapshots>[1], wanted: string) {
  const { snapshots } = await readSnapshots(store, header);
  const found = snapshots.find(({ id }) => id === wanted) ?? snapshots.find(({ name }) => name === wanted);
  if (found !== undefined) return found;
  const there = snapshots.length === 0 ? "there are none" : `there is ${snapshots.map(({ name }) => name).join(", ")}`;
  throw new VivariumError("disk/format", `has no snapshot ${JSON.stringify(wanted)}: ${there}`);
}
