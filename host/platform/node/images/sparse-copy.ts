import { constants } from "node:fs";
import { copyFile, type FileHandle, open } from "node:fs/promises";

const BLOCK_BYTE_LENGTH = 1 << 16;
const ZEROES = Buffer.alloc(BLOCK_BYTE_LENGTH);

/**
 * Copies a file so that what is nothing but zeroes takes no room: shared with the original where the file system can.
 *
 * @throws NodeJS.ErrnoException when one cannot be read or the other not be written
 */
export async function copySparse(source: string, target: string): Promise<void> {
  try {
    await copyFile(source, target, constants.COPYFILE_FICLONE_FORCE);
  } catch {
    await copyBlocks(source, target);
  }
}

async function copyBlocks(source: string, target: string): Promise<void> {
  const from = await open(source);
  try {
    const to = await open(target, "w");
    try {
      await copyOpened(from, to);
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}

async function copyOpened(from: FileHandle, to: FileHandle): Promise<void> {
  const buffer = Buffer.alloc(BLOCK_BYTE_LENGTH);
  let offset = 0;
  for (;;) {
    const { bytesRead } = await from.read(buffer, 0, BLOCK_BYTE_LENGTH, offset);
    if (bytesRead === 0) break;
    const block = buffer.subarray(0, bytesRead);
    for (let done = 0; done < bytesRead && !block.equals(ZEROES.subarray(0, bytesRead)); ) {
      done += (await to.write(block, done, bytesRead - done, offset + done)).bytesWritten;
    }
    offset += bytesRead;
  }
  await to.truncate(offset);
}
