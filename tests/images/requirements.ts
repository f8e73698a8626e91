/** What the tests of images need of the machine. In CI it must be there, so nothing is skipped. */

import { spawnSync } from "node:child_process";

const isCi = process.env.CI !== undefined && process.env.CI !== "" && process.env.CI !== "false";

function runs(program: string): boolean {
  return isCi || spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0;
}

/** Debian's apt, by which images are built. */
export const hasApt = runs("apt-get");
/** Debian's package qemu-system-misc. */
export const hasQemu = runs("qemu-system-riscv64");
