import { MAX_HARTS, MAX_RAM_BYTE_LENGTH, PAGE_BYTE_LENGTH } from "../../assembly/shared/layout.js";
import { TAG_BYTE_LENGTH_MAX } from "../devices/virtio/9p.js";
import { DEFAULT_MTU } from "../devices/virtio/net.js";
import { MAC_BYTE_LENGTH } from "../devices/virtio/net-filter.js";
import { VSOCK_CID_MAX, VSOCK_CID_MIN } from "../devices/virtio/vsock.js";
import { SECTOR_BYTE_LENGTH } from "../storage/block-backend.js";
import { isCapturable } from "../storage/captured-disk.js";
import { utf8 } from "../util/bytes.js";
import { VivariumError } from "../util/errors.js";
import { bytes, choice, flag, list, optional, type StateOf, schema, struct, text, u32, uint } from "../util/schema.js";
import { defaultMac } from "./board.js";
import type { HtifAddresses } from "./boot.js";
import type { MachineOptions } from "./machine-options.js";
import { RAM_BASE } from "./memory-map.js";
import { assignVirtioSlots, VIRTIO_SLOTS, type VirtioSlots } from "./virtio-slots.js";

const PORT_COUNT_MAX = 64;
const PORT_NAME_LENGTH_MAX = 64;
const SERIAL_LENGTH_MAX = 20;
const MTU_MIN = 68;
const MTU_MAX = 65535;

/** What a machine is made of, as far as it cannot change while it runs: what its state needs around it to be loaded. */
export const boardSchema = schema(
  "board",
  3,
  {
    hartCount: uint("harts", MAX_HARTS),
    memoryByteLength: uint("RAM", MAX_RAM_BYTE_LENGTH),
    clock: choice("what guest time follows", ["host", "virtual"]),
    virtio: choice("which interface of virtio's the guest finds", ["modern", "legacy"]),
    firmware: choice("who answers environment calls from S-mode", ["machine", "guest"]),
    htif: optional(
      struct("host-target interface of a bare program", {
        tohost: uint("physical address", Number.MAX_SAFE_INTEGER),
        fromhost: optional(uint("physical address", Number.MAX_SAFE_INTEGER)),
      }),
    ),
    ports: list("virtio-console ports, by name", text("name", PORT_NAME_LENGTH_MAX), PORT_COUNT_MAX),
    drives: list(
      "virtio disks, by slot",
      struct("disk", {
        byteLength: uint("length", Number.MAX_SAFE_INTEGER),
        readOnly: flag("whether the guest cannot write it"),
        serial: text("what the guest reads as its serial number", SERIAL_LENGTH_MAX),
        captured: flag("whether its contents are part of the machine's state"),
      }),
      VIRTIO_SLOTS.drive.length,
    ),
    entropySourceCount: uint("virtio entropy sources", VIRTIO_SLOTS.rng.length),
    networks: list(
      "virtio network devices, in the order of their slots",
      struct("network device", {
        mac: bytes("the device's own address", MAC_BYTE_LENGTH),
        mtu: uint("largest payload of an Ethernet frame", MTU_MAX),
      }),
      VIRTIO_SLOTS.net.length,
    ),
    shares: list("mount tags of shared folders, by slot", text("tag", TAG_BYTE_LENGTH_MAX), VIRTIO_SLOTS.share.length),
    socketCids: list("the guest's addresses for sockets", u32("address"), VIRTIO_SLOTS.socket.length),
    balloonCount: uint("balloons", VIRTIO_SLOTS.balloon.length),
    inputs: list("keyboards and tablets", choice("kind", ["keyboard", "tablet"]), VIRTIO_SLOTS.input.length),
  },
  {
    1: (old) => ({
      ...old,
      entropySourceCount: 1,
      networks: [],
      shares: [],
      socketCids: [],
      balloonCount: 0,
      inputs: [],
    }),
    2: (old) => ({ ...old, virtio: "modern" }),
  },
);
export type BoardState = StateOf<typeof boardSchema.fields>;

/** What is told of a machine's devices before it is made, or afterwards by its board. */
interface DeviceLists {
  readonly ports?: readonly unknown[];
  readonly drives: readonly unknown[];
  readonly entropySourceCount?: number;
  readonly networks?: readonly unknown[];
  readonly shares?: readonly unknown[];
  readonly socketCids?: readonly unknown[];
  readonly balloonCount?: number;
  readonly inputs?: readonly unknown[];
}

/**
 * Where the virtio devices go.
 *
 * @throws VivariumError `machine/drives` and the like, when there are more devices of a kind than slots for them
 */
export function slotsOf(devices: DeviceLists): VirtioSlots {
  const { ports = [], drives, networks = [], shares = [], socketCids = [], inputs = [] } = devices;
  return assignVirtioSlots({
    drive: drives.length,
    rng: devices.entropySourceCount ?? 1,
    console: ports.length === 0 ? 0 : 1,
    net: networks.length,
    share: shares.length,
    socket: socketCids.length,
    balloon: devices.balloonCount ?? 0,
    input: inputs.length,
  });
}

/** The board of a machine that is made. */
export function boardOf(options: MachineOptions, htif: HtifAddresses | null): BoardState {
  const { networks = [], shares = [], inputs = [] } = options;
  return {
    hartCount: options.hartCount,
    memoryByteLength: options.memoryByteLength,
    clock: options.clock,
    virtio: options.virtio ?? "modern",
    firmware: options.boot.kind === "linux" ? "machine" : "guest",
    htif,
    ports: (options.ports ?? []).map(({ name }) => name),
    drives: options.drives.map(({ backend, serial }) => ({
      byteLength: backend.byteLength,
      readOnly: backend.readOnly,
      serial: serial ?? "",
      captured: isCapturable(backend),
    })),
    entropySourceCount: options.entropySourceCount ?? 1,
    networks: networks.map(({ mac, mtu }, index) => ({ mac: mac ?? defaultMac(index), mtu: mtu ?? DEFAULT_MTU })),
    shares: shares.map(({ tag }) => tag),
    socketCids: options.socketCids ?? [],
    balloonCount: options.balloonCount ?? 0,
    inputs: inputs.map(({ kind }) => kind),
  };
}

/** @throws VivariumError `bad-state` for a board that no machine can have */
export function checkBoard(board: BoardState): void {
  const { hartCount, memoryByteLength, htif, ports, drives } = board;
  if (hartCount < 1) throw badBoard("hartCount", `expected 1 to ${MAX_HARTS}, got ${hartCount}`);
  if (memoryByteLength < PAGE_BYTE_LENGTH || memoryByteLength % PAGE_BYTE_LENGTH !== 0) {
    throw badBoard("memoryByteLength", `expected a multiple of ${PAGE_BYTE_LENGTH}, got ${memoryByteLength}`);
  }
  for (const address of htif === null ? [] : [htif.tohost, htif.fromhost ?? htif.tohost]) {
    if (!isInRam(address, memoryByteLength)) throw badBoard("htif", `0x${address.toString(16)} is not in memory`);
  }
  if (new Set(ports).size !== ports.length) throw badBoard("ports", "two ports have one name");
  for (const [index, { byteLength }] of drives.entries()) {
    if (byteLength === 0 || byteLength % SECTOR_BYTE_LENGTH !== 0) {
      throw badBoard(`drives[${index}]`, `expected a multiple of ${SECTOR_BYTE_LENGTH} bytes, got ${byteLength}`);
    }
  }
  checkConnections(board);
}

function checkConnections({ networks, shares, socketCids }: BoardState): void {
  for (const [index, { mac, mtu }] of networks.entries()) {
    if (mac.length !== MAC_BYTE_LENGTH) throw badBoard(`networks[${index}].mac`, `${mac.length} bytes`);
    if (mtu < MTU_MIN) throw badBoard(`networks[${index}].mtu`, `expected ${MTU_MIN} to ${MTU_MAX}, got ${mtu}`);
  }
  for (const [index, tag] of shares.entries()) {
    const { length } = utf8(tag);
    if (length === 0 || length > TAG_BYTE_LENGTH_MAX) throw badBoard(`shares[${index}]`, `a tag of ${length} bytes`);
  }
  if (new Set(shares).size !== shares.length) throw badBoard("shares", "two folders have one tag");
  for (const [index, cid] of socketCids.entries()) {
    if (cid < VSOCK_CID_MIN || cid > VSOCK_CID_MAX) {
      throw badBoard(`socketCids[${index}]`, `expected ${VSOCK_CID_MIN} to ${VSOCK_CID_MAX}, got ${cid}`);
    }
  }
}

const DOUBLEWORD = 8;

function isInRam(address: number, memoryByteLength: number): boolean {
  return address >= RAM_BASE && address + DOUBLEWORD <= RAM_BASE + memoryByteLength;
}

function badBoard(field: string, problem: string): VivariumError {
  return new VivariumError("bad-state", `board.${field}: ${problem}`, { path: `board.${field}` });
}
