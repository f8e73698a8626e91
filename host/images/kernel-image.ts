/**
 * Recognizes the RISC-V boot image, the only form in which a kernel can be copied to memory and jumped to.
 *
 * Linux, Documentation/arch/riscv/boot-image-header.rst, little endian:
 *
 *     0x08  u64  text offset, from the start of RAM
 *     0x10  u64  effective image size, with the memory it clears
 *     0x38  u32  magic 2, "RSC\x05"
 */

import { dataView } from "../util/bytes.js";
import { VivariumError } from "../util/errors.js";

const HEADER_LENGTH = 64;
const OFFSET_OF_MAGIC2 = 0x38;
const MAGIC2 = 0x05435352;

/** @throws VivariumError "image/kernel" when `kernel` is anything else: `name` is what the message calls it */
export function requireKernelImage(kernel: Uint8Array, name: string): void {
  const header = dataView(kernel);
  if (kernel.length >= HEADER_LENGTH && header.getUint32(OFFSET_OF_MAGIC2, true) === MAGIC2) return;
  throw new VivariumError("image/kernel", `${name}: expected an uncompressed RISC-V Linux Image`, { name });
}
