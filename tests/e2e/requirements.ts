/** What the end-to-end tests need of the machine they run on. In CI it must be there. */

import { existsSync } from "node:fs";
import type { TestContext } from "vitest";

const isCi = process.env.CI !== undefined && process.env.CI !== "" && process.env.CI !== "false";

/** A file that a Debian package brings. */
export interface PackagedFile {
  readonly path: string;
  readonly debianPackage: string;
}

const OPENSBI = "/usr/lib/riscv64-linux-gnu/opensbi/generic";
const U_BOOT = "/usr/lib/u-boot";

export const FW_JUMP_ELF: PackagedFile = { path: `${OPENSBI}/fw_jump.elf`, debianPackage: "opensbi" };
export const FW_JUMP_BIN: PackagedFile = { path: `${OPENSBI}/fw_jump.bin`, debianPackage: "opensbi" };
export const FW_DYNAMIC_BIN: PackagedFile = { path: `${OPENSBI}/fw_dynamic.bin`, debianPackage: "opensbi" };
/** U-Boot for M-mode. */
export const U_BOOT_M: PackagedFile = { path: `${U_BOOT}/qemu-riscv64/u-boot.bin`, debianPackage: "u-boot-qemu" };
/** U-Boot for S-mode, which needs SBI below it. */
export const U_BOOT_S: PackagedFile = { path: `${U_BOOT}/qemu-riscv64_smode/u-boot.bin`, debianPackage: "u-boot-qemu" };
/** Debian's apt, which builds the default image. */
export const APT: PackagedFile = { path: "/usr/bin/apt-get", debianPackage: "apt" };

export const QEMU: PackagedFile = { path: "/usr/bin/qemu-system-riscv64", debianPackage: "qemu-system-misc" };
/** Logs in to guests. */
export const SSH: PackagedFile = { path: "/usr/bin/ssh", debianPackage: "openssh-client" };
/** Reads our captures. */
export const TCPDUMP: PackagedFile = { path: "/usr/bin/tcpdump", debianPackage: "tcpdump" };

/** For tests that are defined or not. @returns true in CI, where what is missing makes them fail */
export function isThere({ path }: PackagedFile): boolean {
  return isCi || existsSync(path);
}

/**
 * Skips the test where a file is missing, saying which package has it.
 *
 * @throws Error in CI
 */
export function needs(context: TestContext, ...files: readonly PackagedFile[]): void {
  for (const { path, debianPackage } of files) {
    if (existsSync(path)) continue;
    const reason = `${path} is missing: install Debian's ${debianPackage}`;
    if (isCi) throw new Error(reason);
    context.skip(reason);
  }
}
