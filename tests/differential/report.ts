import { disassemble } from "../../assembly/isa/disassemble.js";
import { fName, xName } from "../../assembly/isa/registers.js";
import type { Observation } from "./compare.js";
import type { Result } from "./image.js";
import { INITIAL_CSRS, PTE_COUNT } from "./layout.js";
import type { Mismatch } from "./machines.js";
import { isNop, type Program } from "./program.js";

/** Offsets in the data window shown at most. */
const DATA_SHOWN = 8;

/** A mismatch for people: the program, what it began with, and both register files with `*` where they differ. */
export function reportOf(mismatch: Mismatch): string {
  const { program, engine, ours, theirs, differences } = mismatch;
  return [
    `seed ${program.seed}: ${program.title}${engine === "off" ? "" : ", translated"}`,
    "",
    ...listing(program),
    "",
    ...beginning(program),
    "",
    "             ours             QEMU               ours             QEMU",
    ...registers(program, ours, theirs),
    "",
    ...differences.filter(({ place }) => place !== "x" && place !== "f" && place !== "data").map(line),
    ...differences
      .filter(({ place }) => place === "data")
      .slice(0, DATA_SHOWN)
      .map(line),
  ].join("\n");
}

/** Units that do nothing are left out: of a program made smaller, most. */
function listing(program: Program): string[] {
  return program.units
    .filter((unit) => !isNop(unit))
    .flatMap((unit) => {
      const lines: string[] = [];
      const view = new DataView(unit.bytes.buffer, unit.bytes.byteOffset, unit.bytes.length);
      for (let offset = 0; offset < unit.bytes.length; ) {
        const isWide = (view.getUint16(offset, true) & 3) === 3;
        const bits = isWide ? view.getUint32(offset, true) : view.getUint16(offset, true);
        const pc = program.block.codeBase! + BigInt(unit.offset + offset);
        lines.push(
          `${hex(pc)}  ${bits
            .toString(16)
            .padStart(isWide ? 8 : 4, "0")
            .padEnd(8)}  ${disassemble(bits, BigInt.asUintN(64, pc))}`,
        );
        offset += isWide ? 4 : 2;
      }
      return lines;
    });
}

/** What the program began with, but for floating-point registers, which are hard to read anyway. */
function beginning(program: Program): string[] {
  const names = ["mstatus", ...INITIAL_CSRS, "fcsr"];
  const ptes = Array.from({ length: PTE_COUNT }, (_, n) => `pte${n}`);
  const x = Array.from({ length: 31 }, (_, n) => `x${n + 1}`);
  const show = (label: (name: string) => string) => (name: string) => `${label(name)}=${hex(program.block[name]!, 0)}`;
  return [
    `began with  ${names.map(show((name) => name)).join(" ")}`,
    `page table  ${ptes.map(show((name) => name.slice(3))).join(" ")}`,
    `registers   ${x.map(show((name) => xName(Number(name.slice(1))))).join(" ")}`,
  ];
}

function registers(program: Program, ours: Result, theirs: Result): string[] {
  return ours.x.map((_, n) => {
    const x = cell(xName(n), ours.x[n]!, theirs.x[n]!);
    const f = cell(fName(n), ours.f[n]!, theirs.f[n]!);
    const began = ours.f[n] === program.block[`f${n}`] ? "" : `  began with ${hex(program.block[`f${n}`]!)}`;
    return `${x}   ${f}${began}`;
  });
}

function cell(name: string, ours: bigint, theirs: bigint): string {
  return `${ours === theirs ? " " : "*"} ${name.padEnd(6)} ${hex(ours)} ${ours === theirs ? "=".padEnd(16) : hex(theirs)}`;
}

function line({ place, index, ours, theirs, trap }: Observation): string {
  const of = trap ? ` (cause ${hex(trap.cause, 0)} at ${hex(trap.epc, 0)})` : "";
  return `* ${place} ${index}: ${hex(ours, 0)}, QEMU ${hex(theirs, 0)}${of}`;
}

function hex(value: bigint, digits = 16): string {
  return BigInt.asUintN(64, value).toString(16).padStart(digits, "0");
}
