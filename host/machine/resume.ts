/** What has to fit together when a machine goes on from a state. */

import type { ConsolePort } from "../devices/virtio/console-port.js";
import type { Link } from "../network/link.js";
import { PeerLink } from "../network/peer-link.js";
import { ABSENT_FOLDER } from "../share/absent-folder.js";
import { CapturedDisk } from "../storage/captured-disk.js";
import { type ChunkMap, chunkByteLength, chunkCount } from "../storage/chunk.js";
import { VivariumError } from "../util/errors.js";
import type { Drive, Network, Share } from "./board.js";
import type { BoardState } from "./board-state.js";
import type { MachineWires, ResumeOptions } from "./machine-options.js";
import type { MachineState } from "./machine-state.js";

/** The name of a hart's part of a state. */
export function hartName(id: number): string {
  return `hart${id}`;
}

/** @throws VivariumError `bad-state` for parts that this machine does not have */
export function refuseUnknownParts(state: MachineState, known: readonly string[]): void {
  for (const name of state.parts.keys()) {
    if (!known.includes(name)) throw badState(name, `${name}: this machine has no such part`);
  }
}

/** @throws VivariumError `bad-state` when RAM or a disk is not what the board says */
export function checkContents(state: MachineState, board: BoardState): void {
  checkMap("ram", state.ram, board.memoryByteLength);
  if (state.drives.length !== board.drives.length) {
    throw badState("drives", `drives: expected ${board.drives.length}, got ${state.drives.length}`);
  }
  for (const [index, drive] of board.drives.entries()) {
    const contents = state.drives[index]!;
    if ((contents !== null) !== drive.captured) throw badState("drives", `drive${index}: its contents are missing`);
    if (contents !== null) checkMap(`drive${index}`, contents, drive.byteLength);
  }
}

/** @throws VivariumError `machine/other-board` when the two are not the same */
export function refuseOtherBoard(mine: BoardState, other: BoardState): void {
  const names = Object.keys(mine) as (keyof BoardState)[];
  const differing = names.filter((name) => JSON.stringify(mine[name]) !== JSON.stringify(other[name]));
  if (differing.length === 0) return;
  const message = `the state is that of a machine with another ${differing.join(", ")}; open it as a machine of its own`;
  throw new VivariumError("machine/other-board", message, { differing: differing.join(",") });
}

/**
 * The disk in a slot: from the state, or one of `drives` where its contents are not part of it.
 *
 * @throws VivariumError `machine/drives`, `bad-state`
 */
export function driveOf(
  drive: BoardState["drives"][number],
  index: number,
  state: MachineState,
  { drives: given = [], limitDisk }: Pick<ResumeOptions, "drives" | "limitDisk">,
): Drive {
  const { serial, byteLength, readOnly, captured } = drive;
  if (captured) {
    const contents = state.drives[index] ?? null;
    if (contents === null) throw badState("drives", `drive${index}: its contents are missing`);
    checkMap(`drive${index}`, contents, byteLength);
    const disk = CapturedDisk.of(contents, readOnly);
    return { backend: limitDisk?.(index, disk) ?? disk, serial };
  }
  const backend = given[index]?.backend;
  if (backend === undefined || backend.byteLength !== byteLength || backend.readOnly !== readOnly) {
    const wanted = `a ${readOnly ? "read-only" : "writable"} disk of ${byteLength} bytes`;
    const found = backend === undefined ? "none" : `one of ${backend.byteLength} bytes`;
    throw new VivariumError("machine/drives", `disk${index}: expected ${wanted}, got ${found}`, { index, byteLength });
  }
  return { backend, serial };
}

/**
 * The board's network devices, each with what it is plugged into now.
 *
 * @throws VivariumError `machine/networks` for a link too many
 */
export function networksOf(board: BoardState, links: readonly (Link | undefined)[]): readonly Network[] {
  if (links.length > board.networks.length) {
    const message = `${links.length} networks; this machine has ${board.networks.length} network devices`;
    throw new VivariumError("machine/networks", message, { count: links.length });
  }
  return board.networks.map(({ mac, mtu }, index) => ({ mac, mtu, link: links[index] ?? new PeerLink() }));
}

/**
 * The board's folders, as far as they are there.
 *
 * @throws VivariumError `machine/shares` for a folder that the board does not have
 */
export function sharesOf(board: BoardState, given: readonly Share[]): readonly Share[] {
  const unknown = given.find(({ tag }) => !board.shares.includes(tag));
  if (unknown !== undefined) {
    const known = board.shares.length === 0 ? "none" : board.shares.join(", ");
    throw new VivariumError("machine/shares", `this machine has no folder ${unknown.tag}; it has ${known}`, {
      tag: unknown.tag,
    });
  }
  return board.shares.map((tag) => ({
    tag,
    folder: given.find((share) => share.tag === tag)?.folder ?? ABSENT_FOLDER,
  }));
}

/**
 * The board's ports in their order; what nobody listens to is lost.
 *
 * @throws VivariumError `machine/ports` for a port that the board does not have
 */
export function portsOf(board: BoardState, { ports = [] }: MachineWires): readonly ConsolePort[] {
  const unknown = ports.find(({ name }) => !board.ports.includes(name));
  if (unknown !== undefined) {
    throw new VivariumError(
      "machine/ports",
      `this machine has no port ${unknown.name}; it has ${board.ports.join(", ")}`,
    );
  }
  return board.ports.map((name) => ports.find((port) => port.name === name) ?? { name, receive: () => {} });
}

function checkMap(what: string, { byteLength, chunks }: ChunkMap, expected: number): void {
  if (byteLength !== expected) throw badState(what, `${what}: expected ${expected} bytes, got ${byteLength}`);
  if (chunks.length !== chunkCount(byteLength)) throw badState(what, `${what}: ${chunks.length} chunks`);
  // Without an iterator: a fork waits for this.
  for (let index = 0; index < chunks.length; index++) {
    const chunk = chunks[index] ?? null;
    if (chunk !== null && chunk.byteLength !== chunkByteLength(byteLength, index)) {
      throw badState(what, `${what}: chunk ${index} has ${chunk.byteLength} bytes`);
    }
  }
}

function badState(path: string, message: string): VivariumError {
  return new VivariumError("bad-state", message, { path });
}
