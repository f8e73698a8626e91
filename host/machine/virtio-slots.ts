/** Which virtio-mmio slot holds what: the one place that decides it. */
import { VivariumError } from "../util/errors.js";

/** virtio-mmio windows of QEMU's board. They are always there; one without a device reads DeviceID 0. */
export const QEMU_VIRTIO_SLOT_COUNT = 8;

/**
 * The slots of each kind of device, in the order in which devices take them. A slot from 8 on exists only with a device
 * in it. Slots end before 28, whose interrupt would be QEMU's first PCI interrupt.
 */
export const VIRTIO_SLOTS = {
  drive: [0, 1, 2, 3, 4, 5],
  rng: [6, 18, 19],
  console: [7],
  net: [8, 9, 10, 11],
  share: [12, 13, 14, 15, 16, 17],
  socket: [20, 21],
  balloon: [22, 23],
  input: [24, 25, 26, 27],
} as const satisfies Readonly<Record<string, readonly number[]>>;

export type VirtioUse = keyof typeof VIRTIO_SLOTS;

/** What devices of each kind are called in messages. */
const PLURALS: Readonly<Record<VirtioUse, string>> = {
  drive: "drives",
  rng: "entropy sources",
  console: "consoles",
  net: "network devices",
  share: "shared folders",
  socket: "socket devices",
  balloon: "balloons",
  input: "input devices",
};

/** How many devices of each kind a machine has. */
export type VirtioCounts = Readonly<Partial<Record<VirtioUse, number>>>;

/** The slots of each kind that are in use. */
export type VirtioSlots = Readonly<Record<VirtioUse, readonly number[]>>;

/** @throws VivariumError `machine/drives` and the like, when there are more devices of a kind than slots for them */
export function assignVirtioSlots(counts: VirtioCounts): VirtioSlots {
  const assign = (use: VirtioUse): readonly number[] => {
    const slots: readonly number[] = VIRTIO_SLOTS[use];
    const count = counts[use] ?? 0;
    if (count <= slots.length) return slots.slice(0, count);
    throw new VivariumError(
      `machine/${PLURALS[use].replace(" ", "-")}`,
      `${count} ${PLURALS[use]}; a machine has at most ${slots.length}`,
      { count },
    );
  };
  const uses = Object.keys(VIRTIO_SLOTS) as VirtioUse[];
  return Object.fromEntries(uses.map((use) => [use, assign(use)])) as VirtioSlots;
}
