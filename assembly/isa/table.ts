import type { Instruction } from "./instruction.js";
import { rv64a } from "./rv64a.js";
import { rv64d, rv64f } from "./rv64fd.js";
import { rv64i } from "./rv64i.js";
import { rv64m } from "./rv64m.js";
import { privileged, zicbo, zicsr, zifencei, zihintpause } from "./system.js";
import { zba, zbb, zbc, zbkb, zbkx, zbs, zicond } from "./zb.js";

export { rv64c as compressedTable } from "./rv64c.js";

/** Every 32-bit instruction of the machine. The position of a row is its operation number, less the first one. */
export const instructionTable: readonly Instruction[] = [
  ...rv64i,
  ...rv64m,
  ...rv64a,
  ...rv64f,
  ...rv64d,
  ...zba,
  ...zbb,
  ...zbc,
  ...zbkb,
  ...zbkx,
  ...zbs,
  ...zicond,
  ...zicsr,
  ...zifencei,
  ...zihintpause,
  ...privileged,
  ...zicbo,
];
