import type { DriveRequest } from "../../control/actions.js";
import type { BoardState } from "../../machine/board-state.js";
import { outsideSlots } from "../../snapshot/outside-disks.js";
import { VivariumError } from "../../util/errors.js";

/** Where a disk is that a machine's file does not have. */
export interface OutsideRequest {
  readonly slot: number;
  readonly request: DriveRequest;
}

/**
 * Gives each drive its slot in the machine that it is for, and opens it as the machine has it.
 *
 * @param drives in the order of the slots
 * @param isDiscarded whether the machine's file stays as it is
 * @throws VivariumError `machine/drives`
 */
export function fitOutside(
  board: BoardState,
  drives: readonly DriveRequest[],
  isDiscarded: boolean,
): readonly OutsideRequest[] {
  const slots = outsideSlots(board);
  if (drives.length > slots.length) {
    const has = slots.length === 0 ? "has all its disks in its file" : `has ${count(slots.length)} outside of its file`;
    throw new VivariumError("machine/drives", `--drive: ${count(drives.length)}; this machine ${has}`, {
      count: slots.length,
    });
  }
  return drives.map((request, index) => {
    const slot = slots[index]!;
    const { readOnly } = board.drives[slot]!;
    const refused = (problem: string) =>
      new VivariumError("machine/drives", `--drive ${request.file}: ${problem}`, { drive: `disk${slot}` });
    if (readOnly) return { slot, request: { ...request, readOnly } };
    if (request.readOnly) throw refused("the machine writes to this disk; expected it without readonly");
    if (isDiscarded && !request.snapshot) {
      throw refused("with --discard the machine's file would not go with this disk any more; expected snapshot, too");
    }
    return { slot, request };
  });
}

function count(drives: number): string {
  return drives === 1 ? "1 drive" : `${drives} drives`;
}
