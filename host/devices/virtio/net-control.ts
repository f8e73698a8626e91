/**
 * Commands of a network driver to its device. Virtio 1.2 section 5.1.6.5.
 *
 *     class u8 | command u8 | data, then for the device to write: ack u8 (OK 0, ERR 1)
 *
 * | class | command | data                                                                     |
 * |-------|---------|--------------------------------------------------------------------------|
 * | 0     | 0 ... 5 | u8: promiscuous, all multicast, all unicast, no multicast, no unicast,   |
 * |       |         | no broadcast, on or off                                                  |
 * | 1     | 0       | two tables of addresses, unicast and multicast: entries u32, then them   |
 * | 1     | 1       | the device's address                                                     |
 * | 3     | 0       | none: the driver has announced itself                                    |
 * | 5     | 0       | u64: feature bits of the unfinished work that frames to it may carry     |
 */
import { dataView } from "../../util/bytes.js";
import { MAC_BYTE_LENGTH, type NetFilter, type NetFilterFlag } from "./net-filter.js";
import type { Virtqueue } from "./virtqueue.js";

export const CONTROL_RX = 0;
export const CONTROL_MAC = 1;
export const CONTROL_MAC_TABLE_SET = 0;
export const CONTROL_MAC_ADDR_SET = 1;
export const CONTROL_ANNOUNCE = 3;
export const CONTROL_ANNOUNCE_ACK = 0;
export const CONTROL_GUEST_OFFLOADS = 5;
export const CONTROL_GUEST_OFFLOADS_SET = 0;
export const CONTROL_OK = 0;
export const CONTROL_ERR = 1;

/** The flags that class CONTROL_RX sets, by command. */
export const CONTROL_RX_FLAGS: readonly NetFilterFlag[] = [
  "promiscuous",
  "allMulticast",
  "allUnicast",
  "noMulticast",
  "noUnicast",
  "noBroadcast",
];

const HEADER_BYTE_LENGTH = 2;
/** Longer commands are not read: two tables of more addresses than any driver has. */
const COMMAND_BYTE_LENGTH_MAX = 1 << 16;

/** What a command changes besides the filter. */
export interface NetControlTarget {
  setMac(address: Uint8Array): void;
  /** @returns whether the device can do that */
  setOffloads(offloads: bigint): boolean;
  announced(): void;
}

export class NetControl {
  readonly #filter: NetFilter;
  readonly #target: NetControlTarget;

  constructor(filter: NetFilter, target: NetControlTarget) {
    this.#filter = filter;
    this.#target = target;
  }

  /** Does every command that is available, and says of each whether it could. */
  serve(queue: Virtqueue): void {
    for (const { head, readable, writable } of queue.chains()) {
      const { byteLength } = readable;
      const isSound = byteLength >= HEADER_BYTE_LENGTH && byteLength <= COMMAND_BYTE_LENGTH_MAX;
      const isDone = isSound && this.#perform(readable.bytes(0, byteLength));
      const ack = Uint8Array.of(isDone ? CONTROL_OK : CONTROL_ERR).subarray(0, writable.byteLength);
      writable.write(0, ack);
      queue.push({ head, readable, writable }, ack.length);
    }
    queue.notify();
  }

  #perform(command: Uint8Array): boolean {
    const data = command.subarray(HEADER_BYTE_LENGTH);
    switch (command[0]) {
      case CONTROL_RX:
        return this.#setFlag(command[1]!, data);
      case CONTROL_MAC:
        return this.#performMac(command[1]!, data);
      case CONTROL_ANNOUNCE:
        if (command[1] !== CONTROL_ANNOUNCE_ACK) return false;
        this.#target.announced();
        return true;
      case CONTROL_GUEST_OFFLOADS:
        if (command[1] !== CONTROL_GUEST_OFFLOADS_SET || data.length < 8) return false;
        return this.#target.setOffloads(dataView(data).getBigUint64(0, true));
      default:
        return false;
    }
  }

  #setFlag(command: number, data: Uint8Array): boolean {
    const flag = CONTROL_RX_FLAGS[command];
    if (flag === undefined || data.length < 1) return false;
    this.#filter.set(flag, data[0] !== 0);
    return true;
  }

  #performMac(command: number, data: Uint8Array): boolean {
    if (command === CONTROL_MAC_ADDR_SET) {
      if (data.length !== MAC_BYTE_LENGTH) return false;
      this.#target.setMac(data);
      return true;
    }
    if (command !== CONTROL_MAC_TABLE_SET) return false;
    const unicast = readTable(data);
    const multicast = unicast === null ? null : readTable(data.subarray(4 + unicast.length));
    if (unicast === null || multicast === null) return false;
    this.#filter.setTables(unicast, multicast);
    return true;
  }
}

/** The addresses of a table at the start of `data`; null when it is cut off. */
function readTable(data: Uint8Array): Uint8Array | null {
  if (data.length < 4) return null;
  const end = 4 + MAC_BYTE_LENGTH * dataView(data).getUint32(0, true);
  return end > data.length ? null : data.subarray(4, end);
}
