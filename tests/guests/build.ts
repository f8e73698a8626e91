/** Programs for guests of tests, compiled with Debian's cross compiler: one C file each. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { PackagedFile } from "../e2e/requirements.js";

export const GUEST_COMPILER: PackagedFile = {
  path: "/usr/bin/riscv64-linux-gnu-gcc",
  debianPackage: "gcc-riscv64-linux-gnu",
};
export const GUEST_LIBRARY: PackagedFile = {
  path: "/usr/riscv64-linux-gnu/lib/libc.a",
  debianPackage: "libc6-dev-riscv64-cross",
};

/** Compiles NAME.c of this directory to `directory`/NAME. */
export function buildGuestProgram(name: string, directory: string): void {
  const source = join(import.meta.dirname, `${name}.c`);
  execFileSync(GUEST_COMPILER.path, ["-O1", "-static", "-Wall", "-o", join(directory, name), source]);
}
