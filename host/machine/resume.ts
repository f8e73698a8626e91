/** What has to fit together when a machine goes on from a state. */
import { type ChunkMap, chunkByteLength, chunkCount } from "../storage/chunk.js";
import { OverlayBlockBackend } from "../storage/overlay.js";
import { VivariumError } from "../util/errors.js";
import type { Drive } from "./board.js";
import type { BoardState } from "./board-state.js";
import type { ConsolePort, MachineWires } from "./machine.js";
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
 * The disk in a slot: from the state, or `given` where its contents are not part of it.
 *
 * @throws VivariumError `machine/drives`, `bad-state`
 */
export function driveOf(
  drive: BoardState["drives"][number],
  index: number,
  state: MachineState,
  given: Drive | undefined,
): Drive {
  const { serial, byteLength, readOnly, captured } = drive;
  if (captured) {
    const contents = state.drives[index] ?? null;
    if (contents === null) throw badState("drives", `drive${index}: its contents are missing`);
    checkMap(`drive${index}`, contents, byteLength);
    return { backend: OverlayBlockBackend.of(contents, readOnly), serial };
  }
  const fits = given !== undefined && given.backend.byteLength === byteLength && given.backend.readOnly === readOnly;
  if (!fits) {
    const wanted = `a ${readOnly ? "read-only" : "writable"} disk of ${byteLength} bytes`;
    const found = given === undefined ? "none" : `one of ${given.backend.byteLength} bytes`;
    throw new VivariumError("machine/drives", `disk${index}: expected ${wanted}, got ${found}`, { index, byteLength });
  }
  return { backend: given.backend, serial };
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
  for (const [index, chunk] of chunks.entries()) {
    if (chunk !== null && chunk.byteLength !== chunkByteLength(byteLength, index)) {
      throw badState(what, `${what}: chunk ${index} has ${chunk.byteLength} bytes`);
    }
  }
}

function badState(path: string, message: string): VivariumError {
  return new VivariumError("bad-state", message, { path });
}
