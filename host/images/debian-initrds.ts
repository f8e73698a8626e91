/** The initial RAM disks of `debian`: that of the guest which installs it, and the image's own. */

import { readAppletNames } from "./busybox.js";
import { type CpioEntry, directory, file, symlink, writeCpio } from "./cpio.js";
import { debianFiles } from "./debian.js";
import { type DebianMiniParts, kernelModules } from "./debian-mini.js";
import { BOOT_INIT, INSTALL_INIT, type PackagePlace } from "./debian-scripts.js";

const LIBRARIES = "usr/lib/riscv64-linux-gnu";

/** A program that is not busybox's, with what it needs to run: path in the system, and contents. */
export type ForeignFiles = readonly { readonly path: string; readonly content: Uint8Array }[];

/** Where mke2fs and what it needs stand in their packages, by name of the package. */
export const MKE2FS_FILES: Readonly<Record<string, readonly string[]>> = {
  e2fsprogs: ["usr/sbin/mke2fs", "etc/mke2fs.conf"],
  libext2fs2t64: [`${LIBRARIES}/libext2fs.so.2`, `${LIBRARIES}/libe2p.so.2`],
  "libcom-err2": [`${LIBRARIES}/libcom_err.so.2`],
  libblkid1: [`${LIBRARIES}/libblkid.so.1`],
  libuuid1: [`${LIBRARIES}/libuuid.so.1`],
  libc6: [`${LIBRARIES}/libc.so.6`, "usr/lib/ld-linux-riscv64-lp64d.so.1"],
};

/** The packages in the order in which they are installed, and where each is on the drive. */
export interface InstallPlan {
  /** The files of what dpkg needs to run, as tar archives. */
  readonly trees: readonly NamedPlace[];
  /** The packages of the same. */
  readonly core: readonly NamedPlace[];
  readonly rest: readonly NamedPlace[];
}

export interface NamedPlace extends PackagePlace {
  readonly name: string;
}

/** What the installing guest starts from. */
export function buildInstallInitrd(
  parts: DebianMiniParts,
  mke2fs: ForeignFiles,
  plan: InstallPlan,
  mirror: string,
  suite: string,
): Uint8Array {
  const list = (places: readonly NamedPlace[]) =>
    places.map(({ sector, sectorCount, name }) => `${sector} ${sectorCount} ${name}\n`).join("");
  return writeCpio([
    ...baseSystem(parts, INSTALL_INIT, ["mke2fs"]),
    directory(LIBRARIES),
    ...mke2fs.map(({ path, content }): CpioEntry => {
      return { kind: "file", path: path.replace("usr/sbin/", "usr/bin/"), mode: 0o755, content };
    }),
    ...["install", "install/files"].map(directory),
    file("install/trees", 0o644, list(plan.trees)),
    file("install/core", 0o644, list(plan.core)),
    file("install/rest", 0o644, list(plan.rest)),
    ...debianFiles(mirror, suite).map((entry) => ({ ...entry, path: `install/files/${entry.path}` })),
  ]);
}

/** What the finished image starts from. */
export function buildBootInitrd(parts: DebianMiniParts): Uint8Array {
  return writeCpio(baseSystem(parts, BOOT_INIT, []));
}

/** @param without names of busybox's programs whose place another takes */
function baseSystem(parts: DebianMiniParts, init: string, without: readonly string[]): CpioEntry[] {
  const { busybox } = parts;
  const left = new Set(["busybox", ...without]);
  return [
    ...["dev", "etc", "proc", "run", "sys", "tmp", "usr", "usr/bin", "usr/lib", "root"].map(directory),
    symlink("bin", "usr/bin"),
    symlink("sbin", "usr/bin"),
    symlink("lib", "usr/lib"),
    symlink("usr/sbin", "bin"),
    // The kernel opens it for process 1 before that can mount anything.
    { kind: "character-device", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
    file("init", 0o755, init),
    { kind: "file", path: "usr/bin/busybox", mode: 0o755, content: busybox },
    ...readAppletNames(busybox)
      .filter((name) => !left.has(name))
      .map((name) => symlink(`usr/bin/${name}`, "busybox")),
    ...kernelModules(parts),
  ];
}
