/** The disks of a saved machine that its file does not have: how they are told from others when it goes on. */
import type { BoardState } from "../machine/board-state.js";
import type { Drive } from "../machine/machine.js";
import type { MachineState, OutsideDisk } from "../machine/machine-state.js";
import type { BlockBackend } from "../storage/block-backend.js";
import { concatBytes, isZero } from "../util/bytes.js";
import { VivariumError } from "../util/errors.js";
import { bytes, decode, encode, list, optional, type SavedState, schema, struct, text } from "../util/schema.js";
import type { FileServices } from "./database.js";

/** The part of a state in a file that says it. */
export const OUTSIDE_DISKS = "outside-disks";

const DIGEST_BYTE_LENGTH = 32;
const NAME_MAX_LENGTH = 4096;
const DISK_COUNT_MAX = 64;
/** Read at a time, and digested by itself. */
const PIECE_BYTE_LENGTH = 1 << 20;

const disk = struct("one disk", {
  name: text("what it was called where the machine ran", NAME_MAX_LENGTH),
  digest: bytes("of what it held; nothing for a machine that has not looked at it yet", DIGEST_BYTE_LENGTH),
});
const outsideDisks = schema(OUTSIDE_DISKS, 1, {
  disks: list("by slot; null for one that is in the file", optional(disk), DISK_COUNT_MAX),
});

export function encodeOutsideDisks(disks: readonly (OutsideDisk | null)[]): SavedState {
  return encode(outsideDisks, { disks });
}

/** @throws VivariumError `bad-state` */
export function decodeOutsideDisks(saved: SavedState): readonly (OutsideDisk | null)[] {
  return decode(outsideDisks, saved).disks;
}

/** The slots of the disks that are not in the machine's state. */
export function outsideSlots({ drives }: BoardState): readonly number[] {
  return drives.flatMap(({ captured }, slot) => (captured ? [] : [slot]));
}

type Digests = Pick<FileServices, "digest" | "yield">;

/**
 * What the disks of a machine that stands still hold, once they have stored it; by slot, for those with a name.
 *
 * @throws VivariumError `drive/unusable` for one that cannot be read
 */
export async function lookAtDisks(
  names: readonly (string | null)[],
  drives: readonly (Drive | undefined)[],
  services: Digests,
): Promise<(OutsideDisk | null)[]> {
  const disks: (OutsideDisk | null)[] = [];
  for (const [slot, name] of names.entries()) {
    const backend = drives[slot]?.backend;
    if (name === null || backend === undefined) {
      disks.push(null);
      continue;
    }
    if (!backend.readOnly) await backend.flush();
    disks.push({ name: name.slice(0, NAME_MAX_LENGTH), digest: await digestOf(`disk${slot}`, backend, services) });
  }
  return disks;
}

/**
 * Makes sure that the disks a machine is given are those that it had: a guest that goes on with another one under its
 * file systems destroys what is on it.
 *
 * @param drives by slot; nothing for those in the state
 * @throws VivariumError `machine/drives`
 */
export async function checkOutsideDisks(
  { drives: disks }: BoardState,
  { outside }: MachineState,
  drives: readonly (Drive | undefined)[],
  services: Digests,
): Promise<void> {
  for (const [slot, { byteLength, readOnly, captured }] of disks.entries()) {
    if (captured) continue;
    const was = outside?.[slot] ?? null;
    const [drive, backend] = [`disk${slot}`, drives[slot]?.backend];
    const wanted = `a ${readOnly ? "read-only" : "writable"} disk of ${byteLength} bytes`;
    const called = was === null || was.name === "" ? "" : `, which was called ${JSON.stringify(was.name)}`;
    const refused = (problem: string) =>
      new VivariumError("machine/drives", `${drive}: ${problem}`, { drive, name: was?.name ?? "", byteLength });
    if (backend === undefined) throw refused(`${wanted}${called}, is not in the file; expected to be given it`);
    if (backend.byteLength !== byteLength) {
      throw refused(`expected ${wanted}${called}, got one of ${backend.byteLength} bytes`);
    }
    if (was === null) throw refused("what it held where the machine stands is not known, so it cannot go on from here");
    if (was.digest.length > 0 && !isSame(await digestOf(drive, backend, services), was.digest)) {
      throw refused(`it has changed since the machine was saved; expected the disk as it was then${called}`);
    }
  }
}

/** SHA-256 over the SHA-256 of each MiB. */
async function digestOf(drive: string, disk: BlockBackend, { digest, yield: giveWay }: Digests): Promise<Uint8Array> {
  const buffer = new Uint8Array(Math.min(PIECE_BYTE_LENGTH, disk.byteLength));
  const digests: Uint8Array[] = [];
  let ofZeros: Uint8Array | null = null;
  for (let offset = 0; offset < disk.byteLength; offset += buffer.length) {
    const piece = buffer.subarray(0, Math.min(buffer.length, disk.byteLength - offset));
    await disk.read(offset, piece).catch((error: unknown) => {
      const problem = error instanceof Error ? error.message : String(error);
      throw new VivariumError("drive/unusable", `${drive}: it cannot be read at ${offset}: ${problem}`, { drive });
    });
    // Most of a large disk has never been written.
    const isEmpty = piece.length === buffer.length && isZero(piece);
    if (isEmpty) ofZeros ??= digest(piece);
    digests.push(isEmpty ? ofZeros! : digest(piece));
    await giveWay();
  }
  return digest(concatBytes(digests));
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
