import { assemble } from "../../assembly/isa/assemble.js";
import { encode, encodeCompressed } from "../../assembly/isa/encode.js";
import type { CompressedInstruction, Instruction } from "../../assembly/isa/instruction.js";
import type { Random } from "./random.js";
import type { Setting } from "./setting.js";

/** A unit of a program before it is known where it and the units behind it lie. */
export interface Draft {
  readonly byteLength: number;
  /**
   * @param here its offset in the program's code
   * @param offsetOf of the unit `ahead` units further on; the last one when that is beyond it
   */
  emit(here: number, offsetOf: (ahead: number) => number): Uint8Array;
}

/** What drafting takes into account. */
export interface Context {
  readonly random: Random;
  readonly setting: Setting;
  /** Rows of the instruction table that both machines implement. */
  readonly rows: readonly Instruction[];
  /** Whether a draft may have left the mode the program began in. */
  hasDropped: boolean;
}

/** Instructions that are the same wherever they lie, in assembly language. */
export function textDraft(text: string): Draft {
  const { bytes } = assemble(text, 0n);
  return { byteLength: bytes.length, emit: () => bytes };
}

export function wordDraft(row: Instruction | CompressedInstruction, operands: Readonly<Record<string, number>>): Draft {
  const isCompressed = row.encoding.bitLength === 16;
  return bitsDraft((isCompressed ? encodeCompressed : encode)(row.mnemonic, operands), isCompressed ? 2 : 4);
}

export function bitsDraft(bits: number, byteLength: number): Draft {
  const bytes = littleEndian(bits, byteLength);
  return { byteLength, emit: () => bytes };
}

/** A jump or branch to a unit a little further on. */
export function forwardDraft(
  random: Random,
  row: Instruction | CompressedInstruction,
  operands: Readonly<Record<string, number>>,
): Draft {
  const ahead = random.between(1, 6);
  const byteLength = row.encoding.bitLength / 8;
  return {
    byteLength,
    emit(here, offsetOf) {
      // The program's last unit is never far, but a short branch may not reach a distant one.
      for (let n = ahead; n > 1; n--) {
        try {
          return wordDraft(row, { ...operands, imm: offsetOf(n) - here }).emit(here, offsetOf);
        } catch (error) {
          if (!(error instanceof RangeError)) throw error;
        }
      }
      return wordDraft(row, { ...operands, imm: offsetOf(1) - here }).emit(here, offsetOf);
    },
  };
}

export function sequenceDraft(drafts: readonly Draft[]): Draft {
  const byteLength = drafts.reduce((sum, draft) => sum + draft.byteLength, 0);
  return {
    byteLength,
    emit(here, offsetOf) {
      const bytes = new Uint8Array(byteLength);
      let offset = 0;
      for (const draft of drafts) {
        bytes.set(draft.emit(here + offset, offsetOf), offset);
        offset += draft.byteLength;
      }
      return bytes;
    },
  };
}

function littleEndian(bits: number, byteLength: number): Uint8Array {
  return Uint8Array.from({ length: byteLength }, (_, n) => (bits >>> (8 * n)) & 0xff);
}
