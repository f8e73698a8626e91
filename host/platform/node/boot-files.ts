import type { GuestSource } from "../../control/actions.js";
import type { Boot } from "../../machine/boot.js";
import { VivariumError } from "../../util/errors.js";
import { readInputFile } from "./input-file.js";

type FileSource = Exclude<GuestSource, { readonly kind: "image" }>;

const KERNEL = "a kernel (Linux Image or ELF for riscv64)";
const INITRD = "an initial RAM disk";
const FIRMWARE = "a firmware (ELF for riscv64 or raw)";
const PROGRAM = "a program (ELF for riscv64 or raw)";

/**
 * Reads the files a guest is made of.
 *
 * @throws VivariumError `file/unusable`
 */
export async function readBootFiles(guest: FileSource): Promise<Boot> {
  const read = (option: string, file: string, expected: string) => readInputFile({ option, file, expected });
  if (guest.kind === "bare") return { kind: "bare", program: await read("--bare", guest.program, PROGRAM) };
  const { commandLine } = guest;
  const initrd = guest.initrd === undefined ? {} : { initrd: await read("--initrd", guest.initrd, INITRD) };
  if (guest.kind === "linux") {
    return { kind: "linux", kernel: await read("--kernel", guest.kernel, KERNEL), ...initrd, commandLine };
  }
  const firmware = await readFirmware(guest.firmware);
  if (guest.kernel === undefined) return { kind: "firmware", firmware, commandLine };
  return { kind: "firmware", firmware, kernel: await read("--kernel", guest.kernel, KERNEL), ...initrd, commandLine };
}

/** @throws VivariumError `file/unusable` */
export async function readFirmware(file: string): Promise<Uint8Array> {
  return readInputFile({ option: "--bios", file, expected: FIRMWARE });
}

/**
 * The machine knows what it was given (`kernel`, `program`) but not which file that was: puts the option and the file
 * in front of its complaint.
 */
export function nameFile(error: unknown, guest: GuestSource): unknown {
  if (!(error instanceof VivariumError) || typeof error.data.what !== "string") return error;
  const { what } = error.data;
  const source = sourceOf(what, guest);
  if (source === null || !error.message.startsWith(`${what}: `)) return error;
  const remedy = error.code === "boot/too-large" ? "; expected a smaller one, or a larger --memory" : "";
  return new VivariumError(error.code, `${source}: ${error.message.slice(what.length + 2)}${remedy}`, error.data);
}

function sourceOf(what: string, guest: GuestSource): string | null {
  const named = (option: string, file: string | undefined) => (file === undefined ? null : `${option}: ${file}`);
  if (what === "firmware" && "firmware" in guest) return named("--bios", guest.firmware);
  if (what === "program" && guest.kind === "bare") return named("--bare", guest.program);
  if (guest.kind !== "linux" && guest.kind !== "firmware") return null;
  if (what === "kernel") return named("--kernel", guest.kernel);
  return what === "initrd" ? named("--initrd", guest.initrd) : null;
}
