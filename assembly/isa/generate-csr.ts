import { type Csr, csrs, isReadOnly } from "./csrs.js";

/**
 * Text of generated/csr.ts: `readCsr` and `writeCsr` by number.
 *
 * A table of bytes turns the sparse numbers into dense ones first, for asc makes a jump table only of dense cases.
 */
export function generateCsrs(): string {
  const views = csrs.filter((csr) => csr.kind === "computed" || csr.kind === "indexed");
  const readers = new Set(views.map((csr) => `read_${viewName(csr)}`));
  const writers = new Set(views.filter((csr) => !isReadOnly(csr)).map((csr) => `write_${viewName(csr)}`));
  const index = new Array<number>(4096).fill(0);
  csrs.forEach((csr, n) => {
    index[csr.number] = n + 1;
  });
  return `import { Hart } from "./hart";
import {
${[...readers, ...writers].map((name) => `  ${name},`).join("\n")}
} from "../hart/csr-views";

/** Row of a CSR number, from 1; 0 when there is no such register. */
@inline function row(number: u32): u32 {
  return load<u8>(ROWS + <usize>(number & 0xfff));
}

export function csrExists(number: u32): bool {
  return row(number) != 0;
}

/** The value of a register that exists. */
export function readCsr(h: Hart, number: u32): u64 {
  switch (row(number)) {
${csrs.map((csr, n) => `    case ${n + 1}: // ${csr.name}\n      return ${readExpression(csr)};`).join("\n")}
    default:
      return 0;
  }
}

/** Writes a register that exists; what its fields cannot hold is ignored. */
export function writeCsr(h: Hart, number: u32, value: u64): void {
  switch (row(number)) {
${csrs
  .map((csr, n) => [n + 1, csr.name, writeStatement(csr)] as const)
  .filter(([, , statement]) => statement !== "")
  .map(([n, name, statement]) => `    case ${n}: // ${name}\n      ${statement}\n      break;`)
  .join("\n")}
    default:
  }
}

const ROWS: usize = memory.data<u8>([
${chunk(index, 32)
  .map((line) => `  ${line.join(", ")},`)
  .join("\n")}
]);
`;
}

/** Text of generated/csr-numbers.ts, which the host imports too. */
export function generateCsrNumbers(): string {
  const constants = csrs.map(
    (csr) => `export const CSR_${csr.name.toUpperCase()}: u32 = 0x${csr.number.toString(16)};`,
  );
  return `\n${constants.join("\n")}\n`;
}

function viewName(csr: Csr): string {
  return csr.kind === "indexed" ? csr.family : csr.name;
}

function readExpression(csr: Csr): string {
  switch (csr.kind) {
    case "stored":
      return `h.${csr.name}`;
    case "constant":
      return `0x${csr.value.toString(16)}`;
    case "computed":
      return `read_${csr.name}(h)`;
    case "indexed":
      return `read_${csr.family}(h, ${csr.index})`;
  }
}

function writeStatement(csr: Csr): string {
  if (isReadOnly(csr)) return "";
  switch (csr.kind) {
    case "stored":
      return csr.writable === 0xffff_ffff_ffff_ffffn
        ? `h.${csr.name} = value;`
        : `h.${csr.name} = value & 0x${csr.writable.toString(16)};`;
    case "constant":
      return "";
    case "computed":
      return `write_${csr.name}(h, value);`;
    case "indexed":
      return `write_${csr.family}(h, ${csr.index}, value);`;
  }
}

function chunk<T>(items: readonly T[], length: number): T[][] {
  const chunks: T[][] = [];
  for (let n = 0; n < items.length; n += length) chunks.push(items.slice(n, n + length));
  return chunks;
}
