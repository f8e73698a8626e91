/** The formats a kernel comes in. */
import { VivariumError } from "../util/errors.js";
import { isElf, parseElf } from "./elf.js";
import { type Placement, placeElf, placeRaw, type RamExtent } from "./placement.js";

/** Kernels start at multiples of this: the span of a leaf PTE at level 1. */
export const KERNEL_ALIGNMENT = 0x20_0000;

/** Linux, Documentation/arch/riscv/boot-image-header.rst; all fields are little-endian. */
const HEADER_BYTE_LENGTH = 64;
const HEADER_IMAGE_BYTE_LENGTH = 16;
const HEADER_MAGIC = 48;
const HEADER_MAGIC2 = 56;
/** "RISCV\0\0\0" */
const IMAGE_MAGIC = 0x5643534952n;
/** "RSC\x05" */
const IMAGE_MAGIC2 = 0x05435352;

/** Files that hold a kernel, but compressed: their first bytes, at an offset, and what to call them. */
const COMPRESSED: readonly { offset: number; magic: readonly number[]; name: string }[] = [
  { offset: 0, magic: [0x1f, 0x8b], name: "gzip-compressed" },
  { offset: 0, magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a], name: "xz-compressed" },
  { offset: 0, magic: [0x28, 0xb5, 0x2f, 0xfd], name: "zstd-compressed" },
  // "zimg" after the "MZ" of an EFI program: a kernel that only EFI unpacks.
  { offset: 4, magic: [0x7a, 0x69, 0x6d, 0x67], name: "a compressed EFI image (vmlinuz.efi)" },
];

/**
 * Places a kernel: a RISC-V Linux Image or a flat binary at `base`, an ELF file where it asks to be.
 *
 * @param base  multiple of KERNEL_ALIGNMENT
 * @param isRaw whether a file that is neither an Image nor an ELF is taken as a flat binary
 * @throws VivariumError when it is none of these, or does not fit
 */
export function placeKernel(bytes: Uint8Array, ram: RamExtent, base: number, isRaw: boolean): Placement {
  const what = "kernel";
  const compressed = COMPRESSED.find(({ offset, magic }) => magic.every((byte, at) => bytes[offset + at] === byte));
  if (compressed !== undefined) {
    throw new VivariumError(
      "boot/compressed-kernel",
      `${what}: the file is ${compressed.name}; unpack it to a Linux Image or an ELF first`,
      { what },
    );
  }
  if (isElf(bytes)) return placeElf(parseElf(bytes, what), what, ram, base);
  const imageByteLength = linuxImageByteLength(bytes);
  if (imageByteLength !== null) return placeRaw(bytes, what, ram, base, Math.max(bytes.length, imageByteLength));
  if (isRaw || bytes.length === 0) return placeRaw(bytes, what, ram, base, bytes.length);
  throw new VivariumError("boot/not-a-kernel", `${what}: neither a RISC-V Linux Image nor an ELF file`, { what });
}

/** Bytes of memory that a Linux Image needs, or null when the file is none. */
function linuxImageByteLength(bytes: Uint8Array): number | null {
  if (bytes.length < HEADER_BYTE_LENGTH) return null;
  const header = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTE_LENGTH);
  // The first magic number is deprecated in favour of the second; either will do.
  const isImage =
    header.getBigUint64(HEADER_MAGIC, true) === IMAGE_MAGIC || header.getUint32(HEADER_MAGIC2, true) === IMAGE_MAGIC2;
  return isImage ? Number(header.getBigUint64(HEADER_IMAGE_BYTE_LENGTH, true)) : null;
}
