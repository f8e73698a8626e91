/**
 * Reads what a Linux kernel module says about itself: the NUL-separated `key=value` texts of its .modinfo section.
 *
 * ELF-64 object file format 1.5; little endian only, as riscv64 Linux is.
 */

import { dataView } from "../util/bytes.js";
import { VivariumError } from "../util/errors.js";
import { decodeAscii } from "./text.js";

/** Names of modules are spelled with "_", as the kernel does, whatever their files are called. */
export interface ModuleInfo {
  readonly name: string;
  /** Modules that must be loaded before it. */
  readonly depends: readonly string[];
  /** Patterns of the devices and services it is for. */
  readonly aliases: readonly string[];
}

const ELF_MAGIC = 0x464c457f;
const EI_CLASS = 4;
const ELFCLASS64 = 2;
const EI_DATA = 5;
const ELFDATA2LSB = 1;
const ELF_HEADER_LENGTH = 64;
const E_SHOFF = 0x28;
const E_SHENTSIZE = 0x3a;
const E_SHNUM = 0x3c;
const E_SHSTRNDX = 0x3e;
const SH_NAME = 0x00;
const SH_OFFSET = 0x18;
const SH_SIZE = 0x20;
const SECTION_HEADER_LENGTH = 64;

/** "virtio-rng" and "virtio_rng" are one module. */
export function normalizeModuleName(name: string): string {
  return name.replaceAll("-", "_");
}

/** @throws VivariumError "image/module" when `module` is not a kernel module: `file` is what the message calls it */
export function readModuleInfo(module: Uint8Array, file: string): ModuleInfo {
  const section = findSection(module, ".modinfo");
  if (section === null) {
    throw new VivariumError("image/module", `${file}: expected a 64-bit ELF file with a .modinfo section`, { file });
  }
  const entries = decodeAscii(section).split("\0");
  const valuesOf = (key: string): string[] =>
    entries.filter((entry) => entry.startsWith(`${key}=`)).map((entry) => entry.slice(key.length + 1));
  const name = valuesOf("name")[0];
  if (name === undefined) {
    throw new VivariumError("image/module", `${file}: its .modinfo section does not name the module`, { file });
  }
  return {
    name: normalizeModuleName(name),
    depends: valuesOf("depends")
      .flatMap((list) => list.split(","))
      .filter((dependency) => dependency !== "")
      .map(normalizeModuleName),
    aliases: valuesOf("alias"),
  };
}

/** What a signed module ends with; Linux, include/linux/module_signature.h. Before it stands a `struct module_signature`. */
const SIGNATURE_MARK = "~Module signature appended~\n";
const SIGNATURE_INFO_LENGTH = 12;
/** Big endian, in that struct. */
const SIGNATURE_LENGTH_OFFSET = 8;

/**
 * A module without the signature that may be appended to it; the ELF file is as it was.
 *
 * To check one costs the guest 120 instructions for each byte of the module, a billion for ext4. Whether the module is
 * Debian's has been checked by then, with the package that it comes from.
 */
export function withoutSignature(module: Uint8Array): Uint8Array {
  const infoOffset = module.length - SIGNATURE_MARK.length - SIGNATURE_INFO_LENGTH;
  if (infoOffset < 0 || decodeAscii(module.subarray(-SIGNATURE_MARK.length)) !== SIGNATURE_MARK) return module;
  const info = dataView(module.subarray(infoOffset));
  return module.subarray(0, Math.max(infoOffset - info.getUint32(SIGNATURE_LENGTH_OFFSET), 0));
}

/** The content of the first section of that name, or null when there is none or the file is no such ELF file. */
function findSection(file: Uint8Array, name: string): Uint8Array | null {
  if (file.length < ELF_HEADER_LENGTH) return null;
  const view = dataView(file);
  if (view.getUint32(0, true) !== ELF_MAGIC) return null;
  if (view.getUint8(EI_CLASS) !== ELFCLASS64 || view.getUint8(EI_DATA) !== ELFDATA2LSB) return null;

  const tableOffset = Number(view.getBigUint64(E_SHOFF, true));
  const entryLength = view.getUint16(E_SHENTSIZE, true);
  const count = view.getUint16(E_SHNUM, true);
  if (entryLength < SECTION_HEADER_LENGTH || tableOffset + count * entryLength > file.length) return null;
  const content = (index: number): Uint8Array => {
    const header = tableOffset + index * entryLength;
    const start = Number(view.getBigUint64(header + SH_OFFSET, true));
    return file.subarray(start, start + Number(view.getBigUint64(header + SH_SIZE, true)));
  };

  const namesIndex = view.getUint16(E_SHSTRNDX, true);
  if (namesIndex >= count) return null;
  const names = content(namesIndex);
  for (let index = 0; index < count; index++) {
    const start = view.getUint32(tableOffset + index * entryLength + SH_NAME, true);
    const found = names.subarray(start, start + name.length + 1);
    if (decodeAscii(found) === `${name}\0`) return content(index);
  }
  return null;
}
