/**
 * One row of the ISA manual's "Instruction Set Listings", parsed.
 *
 * A row's bits are written from the most significant down: `0000000 rs2 rs1 000 rd 0110011`. A token is a run of
 * fixed bits, a named field, or an immediate that names the bits it carries: `imm[12|10:5]`.
 */

/** Widths in bits of the named fields. `f` names (fd, fs1 ...) are floating-point registers. */
const FIELD_WIDTHS: Readonly<Record<string, number>> = {
  rd: 5,
  rs1: 5,
  rs2: 5,
  fd: 5,
  fs1: 5,
  fs2: 5,
  fs3: 5,
  rm: 3,
  aq: 1,
  rl: 1,
  csr: 12,
  uimm5: 5,
  shamt5: 5,
  shamt6: 6,
  fm: 4,
  pred: 4,
  succ: 4,
  "rd'": 3,
  "rs1'": 3,
  "rs2'": 3,
  "fd'": 3,
  "fs2'": 3,
  "rd!0": 5,
  "rs1!0": 5,
  "rs2!0": 5,
};

/** Where `width` bits of an operand stand in the encoding: from bit `from` up; `to` is their lowest place in the operand. */
export interface Slice {
  readonly field: string;
  readonly from: number;
  readonly to: number;
  readonly width: number;
}

export interface Encoding {
  /** 32 or 16. */
  readonly bitLength: number;
  /** Unsigned; the bits that identify the instruction. */
  readonly mask: number;
  readonly match: number;
  readonly slices: readonly Slice[];
  /** Whether the immediate is sign-extended from its highest bit. */
  readonly signedImmediate: boolean;
  /** Whether an immediate of 0 is reserved. */
  readonly nonzeroImmediate: boolean;
}

const IMMEDIATE = /^(nz)?(u)?imm\[(.+)\]$/;

/** @throws Error naming the row when it does not cover exactly `bitLength` bits or has an unknown field */
export function parseEncoding(bits: string, bitLength: number): Encoding {
  let high = bitLength - 1;
  let mask = 0;
  let match = 0;
  let signedImmediate = false;
  let nonzeroImmediate = false;
  const slices: Slice[] = [];
  for (const token of bits.trim().split(/\s+/)) {
    const immediate = IMMEDIATE.exec(token);
    if (/^[01]+$/.test(token)) {
      const low = high - token.length + 1;
      mask = (mask | ((2 ** token.length - 1) << low)) >>> 0;
      match = (match | (Number.parseInt(token, 2) << low)) >>> 0;
      high = low - 1;
    } else if (immediate) {
      signedImmediate = immediate[2] === undefined;
      nonzeroImmediate ||= immediate[1] !== undefined;
      for (const range of immediate[3]!.split("|")) {
        const [top, bottom = top] = range.split(":").map(Number) as [number, number?];
        const width = top - bottom + 1;
        slices.push({ field: "imm", from: high - width + 1, to: bottom, width });
        high -= width;
      }
    } else {
      const width = FIELD_WIDTHS[token];
      if (width === undefined) throw new Error(`"${bits}": unknown field "${token}"`);
      slices.push({ field: token, from: high - width + 1, to: 0, width });
      high -= width;
    }
  }
  if (high !== -1) throw new Error(`"${bits}": covers ${bitLength - 1 - high} of ${bitLength} bits`);
  return { bitLength, mask, match, slices, signedImmediate, nonzeroImmediate };
}

/** The operand without its constraints: `rd!0` and `rd'` are both `rd`. */
export function operandName(field: string): string {
  return field.replace(/['!].*$/, "");
}

/** The value of the immediate that `word` carries, sign-extended where the row says so; 0 when it has none. */
export function immediateOf(encoding: Encoding, word: number): number {
  let value = 0;
  let top = 0;
  for (const slice of encoding.slices) {
    if (slice.field !== "imm") continue;
    value |= ((word >>> slice.from) & (2 ** slice.width - 1)) << slice.to;
    top = Math.max(top, slice.to + slice.width);
  }
  if (!encoding.signedImmediate || top === 0) return value >>> 0;
  return top === 32 ? value | 0 : (value << (32 - top)) >> (32 - top);
}
