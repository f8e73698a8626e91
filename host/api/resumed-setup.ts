/** What a machine that goes on is made of: one out of a file, or a fork. */
import type { BoardState } from "../machine/board-state.js";
import { outsideSlots } from "../snapshot/outside-disks.js";
import { VivariumError } from "../util/errors.js";
import type { Connections, MachineSetup } from "./messages.js";

/**
 * A machine as its state says, connected again.
 *
 * @throws VivariumError `machine/networks`, `machine/shares`, `machine/drives` or `machine/sockets` for what it does not have
 */
export function setupOfBoard(board: BoardState, connections: Connections): MachineSetup {
  refuseUnknown(board, connections);
  const {
    memoryByteLength,
    hartCount,
    clock,
    virtio,
    drives,
    ports,
    networks,
    shares,
    socketCids,
    balloonCount,
    inputs,
  } = board;
  const outside = outsideSlots(board);
  return {
    guest: { kind: "saved" },
    memoryByteLength,
    hartCount,
    clock,
    virtio,
    drives: drives.map(({ readOnly, captured, serial }, slot) => {
      const source = captured ? "" : (connections.drives[outside.indexOf(slot)] ?? "");
      return { source, readOnly, overlay: captured, serial };
    }),
    ports,
    networks,
    shares: shares.map(
      (tag) =>
        connections.shares.find((share) => share.tag === tag) ?? {
          tag,
          directory: null,
          readOnly: true,
          mountPoint: null,
        },
    ),
    sockets: socketCids.map((cid, index) => ({ cid, path: connections.sockets[index] ?? null })),
    balloonByteLength: balloonCount === 0 ? null : 0,
    inputs,
    translate: connections.translate,
  };
}

function refuseUnknown(board: BoardState, connections: Connections): void {
  const { networks, shares, socketCids } = board;
  if (connections.networkCount > networks.length) {
    const message = `${connections.networkCount} networks; this machine has ${networks.length} network devices`;
    throw new VivariumError("machine/networks", message, { count: networks.length });
  }
  const unknown = connections.shares.find(({ tag }) => !shares.includes(tag));
  if (unknown !== undefined) {
    throw new VivariumError("machine/shares", `this machine has no folder ${unknown.tag}`, { tag: unknown.tag });
  }
  const { length: outsideCount } = outsideSlots(board);
  if (connections.drives.length > outsideCount) {
    const message = `${connections.drives.length} drives; this machine has ${outsideCount} disks outside of its file`;
    throw new VivariumError("machine/drives", message, { count: outsideCount });
  }
  if (connections.sockets.length > socketCids.length) {
    const message = `${connections.sockets.length} sockets; this machine has ${socketCids.length} socket devices`;
    throw new VivariumError("machine/sockets", message, { count: socketCids.length });
  }
}

/**
 * Two machines that write one disk would destroy what is on it.
 *
 * @throws VivariumError `machine/drives`
 */
export function refuseSharedDrives(setup: MachineSetup): void {
  const shared = setup.drives.findIndex(({ overlay, readOnly }) => !overlay && !readOnly);
  if (shared < 0) return;
  const message = `disk${shared}: a fork cannot write the same file; give it to \`create\` with \`overlay: true\``;
  throw new VivariumError("machine/drives", message, { drive: `disk${shared}` });
}
