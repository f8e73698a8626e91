import { MAX_HARTS, MAX_RAM_BYTE_LENGTH, PAGE_BYTE_LENGTH } from "../../assembly/shared/layout.js";
import { SECTOR_BYTE_LENGTH } from "../storage/block-backend.js";
import { VivariumError } from "../util/errors.js";
import { choice, flag, list, optional, type StateOf, schema, struct, text, uint } from "../util/schema.js";
import { RAM_BASE, RNG_SLOT } from "./memory-map.js";

const PORT_COUNT_MAX = 64;
const PORT_NAME_LENGTH_MAX = 64;
const SERIAL_LENGTH_MAX = 20;

/** What a machine is made of, as far as it cannot change while it runs: what its state needs around it to be loaded. */
export const boardSchema = schema("board", 1, {
  hartCount: uint("harts", MAX_HARTS),
  memoryByteLength: uint("RAM", MAX_RAM_BYTE_LENGTH),
  clock: choice("what guest time follows", ["host", "virtual"]),
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
    RNG_SLOT,
  ),
});
export type BoardState = StateOf<typeof boardSchema.fields>;

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
}

const DOUBLEWORD = 8;

function isInRam(address: number, memoryByteLength: number): boolean {
  return address >= RAM_BASE && address + DOUBLEWORD <= RAM_BASE + memoryByteLength;
}

function badBoard(field: string, problem: string): VivariumError {
  return new VivariumError("bad-state", `board.${field}: ${problem}`, { path: `board.${field}` });
}
