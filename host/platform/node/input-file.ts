import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { GIB } from "../../control/byte-length.js";
import { VivariumError } from "../../util/errors.js";

/** A file that the guest is made of. */
export interface InputFile {
  /** The option that named it, as messages show it. */
  readonly option: string;
  readonly file: string;
  /** What the file should hold, as messages show it: "a kernel (Image or ELF)". */
  readonly expected: string;
}

/** No machine has more memory; whether a file fits into this one depends on what is in it. */
const BYTE_LENGTH_LIMIT = 4 * GIB - 1;

/**
 * Reads a file whole. Pipes are read to their end, so that a shell's process substitution works.
 *
 * @throws VivariumError `file/unusable`
 */
export async function readInputFile(input: InputFile): Promise<Uint8Array> {
  const handle = await openInput(input);
  try {
    const stat = await handle.stat();
    if (stat.isDirectory()) throw badFile(input, `is a directory; expected ${input.expected}`);
    if (!stat.isFile() && !stat.isFIFO()) throw badFile(input, `is a device; expected ${input.expected}`);
    if (stat.size > BYTE_LENGTH_LIMIT) throw tooLarge(input);
    const chunks: Uint8Array[] = [];
    let byteLength = 0;
    for await (const chunk of handle.createReadStream({ autoClose: false })) {
      chunks.push(chunk as Uint8Array);
      byteLength += (chunk as Uint8Array).length;
      if (byteLength > BYTE_LENGTH_LIMIT) throw tooLarge(input);
    }
    if (byteLength === 0) throw badFile(input, `is empty; expected ${input.expected}`);
    return Buffer.concat(chunks);
  } finally {
    await handle.close();
  }
}

async function openInput(input: InputFile) {
  try {
    return await open(input.file, constants.O_RDONLY);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    switch (code) {
      case "ENOENT":
      case "ENOTDIR":
        throw badFile(input, `does not exist; expected ${input.expected}`);
      case "EACCES":
        throw badFile(input, `may not be read; expected ${input.expected}`);
      default:
        throw badFile(input, `cannot be opened (${code ?? String(error)}); expected ${input.expected}`);
    }
  }
}

function tooLarge(input: InputFile): VivariumError {
  return badFile(input, `is larger than any machine's memory; expected ${input.expected}`);
}

function badFile(input: InputFile, problem: string): VivariumError {
  return new VivariumError("file/unusable", `${input.option}: ${input.file} ${problem}`, { file: input.file });
}
