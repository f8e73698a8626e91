import { type Encoding, parseEncoding } from "./notation.js";

/**
 * What kind of meaning an instruction has: the shape of its function in `semantics/`.
 *
 * | kind     | the function                                                                    |
 * |----------|---------------------------------------------------------------------------------|
 * | integer  | generic over the target; no trap, no pc                                         |
 * | relative | the same, and uses `t.pc_()`                                                    |
 * | branch   | generic; gives the condition. The target is pc + imm                            |
 * | jump     | generic; sets the link register, gives the target                               |
 * | memory   | generic; may trap                                                               |
 * | atomic   | generic; may trap                                                               |
 * | float    | generic; may trap                                                               |
 * | plain    | a plain function of hart and instruction; may trap                              |
 * | system   | a plain function of hart and instruction; anything may have changed after it    |
 */
export type Kind = "integer" | "relative" | "branch" | "jump" | "memory" | "atomic" | "float" | "plain" | "system";

export interface Instruction {
  readonly mnemonic: string;
  /** The listing row as written. */
  readonly bits: string;
  readonly extension: string;
  readonly kind: Kind;
  /** The file in semantics/ that holds its function, without ending. */
  readonly file: string;
  readonly encoding: Encoding;
}

export interface CompressedInstruction {
  readonly mnemonic: string;
  readonly bits: string;
  readonly encoding: Encoding;
  /** The 32-bit instruction it stands for, such as `addi rd', x2, imm`. */
  readonly expansion: string;
}

/** Parses listing rows, one a line: a mnemonic, then its bits. */
export function instructions(extension: string, kind: Kind, file: string, rows: string): Instruction[] {
  return lines(rows).map((line) => {
    const [mnemonic, bits] = splitOnce(line, /\s+/);
    return { mnemonic, bits, extension, kind, file, encoding: parseEncoding(bits, 32) };
  });
}

/** Parses compressed rows: a mnemonic, its 16 bits, `=>`, the instruction it stands for. */
export function compressedInstructions(rows: string): CompressedInstruction[] {
  return lines(rows).map((line) => {
    const [head, expansion] = splitOnce(line, /\s*=>\s*/);
    const [mnemonic, bits] = splitOnce(head, /\s+/);
    return { mnemonic, bits, expansion, encoding: parseEncoding(bits, 16) };
  });
}

function lines(rows: string): string[] {
  return rows
    .trim()
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

function splitOnce(text: string, separator: RegExp): [string, string] {
  const found = separator.exec(text);
  if (!found) throw new Error(`"${text}": expected two parts`);
  return [text.slice(0, found.index), text.slice(found.index + found[0].length).trim()];
}
