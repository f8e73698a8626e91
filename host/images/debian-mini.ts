/** The recipe of the default guest: Debian's kernel and busybox, and the little around them that makes a system. */

import { buildAgentProgram } from "../guest-agent/program.js";
import { readAppletNames } from "./busybox.js";
import { type CpioEntry, directory, file, symlink, writeCpio } from "./cpio.js";
import { DHCP_SCRIPT, INIT_SCRIPT, POWER_SCRIPT } from "./init-script.js";
import { withoutSignature } from "./module-info.js";
import { formatModulesAlias, formatModulesDep, type KernelModule } from "./modules.js";

/** To be counted up with every change that makes another image of the same packages. */
export const DEBIAN_MINI_RECIPE_VERSION = 16;
/** With less its kernel finds no room for its tables, or for what its initial RAM disk unpacks to. */
export const DEBIAN_MINI_MEMORY_MIB = 128;
/** The release that the packages are taken from. */
export const DEBIAN_SUITE = "trixie";
/** The package that always depends on the release's newest kernel package. */
export const KERNEL_META_PACKAGE = "linux-image-riscv64";
/** What that kernel package's name begins with. */
export const KERNEL_PACKAGE_PREFIX = "linux-image-6.12.";
export const BUSYBOX_PACKAGE = "busybox-static";

/** The modules of the image; what they depend on comes with them. The virtio console is built into the kernel. */
export const DEBIAN_MINI_MODULES = [
  "virtio_mmio",
  "virtio_blk",
  "virtio_rng",
  "virtio_net",
  "virtio_balloon",
  "vmw_vsock_virtio_transport",
  "virtio_input",
  "evdev", // which gives programs the events of virtio_input
  "9p",
  "9pnet_virtio",
  "ext4",
  "crc32c_generic", // ext4's checksum, which it asks for by name when it mounts
] as const;

/**
 * Why each word stands there. The millions are what a boot to the first command gets longer by without that word, in
 * instructions as QEMU counts them (-icount shift=0, 512 MiB, one hart): 270 with all, 1,040 with none.
 *
 * - `quiet`: warnings and less are not printed; errors and panics are. It stands first, because the words are obeyed in
 *   their order and a console prints what there is when it is named.
 * - `earlycon=sbi`: the firmware's console, so that an early panic is seen. `console=ttyS0`: the board's UART, which
 *   takes over when the kernel drives it.
 * - `panic=-1`: a kernel that panics restarts at once. It would otherwise spin forever, and nobody outside could tell.
 *   The machine sees a restart that the guest's `reboot` command would also ask for; the text of the panic, "Kernel
 *   panic - not syncing", stands on the console before it.
 * - `cryptomgr.notests`: no self-tests of the kernel's ciphers, 510 million.
 * - `initcall_blacklist`, functions of the kernel's start that are not called:
 *   - `jent_mod_init`, 170 million: tests the entropy source of the ciphers' own generator. The system's random numbers
 *     do not depend on it.
 *   - `trace_eval_init`, 80 million: replaces the names of constants in the formats of trace events.
 *   - `load_system_certificate_list`, 24 million: the keys by which modules are checked; ours have no signatures.
 *
 * And two, so that a guest that waits sleeps (`init-script.ts` has more of the kind). Whatever wakes it once wakes it some
 * ten times: the kernel's scheduler looks a second later whether it has been fair, and each time the tick runs on once.
 *
 * - `nowatchdog`: nobody looks every four seconds whether the kernel is stuck. That is told by the steal of a busy host
 *   as well, which is no fault of the kernel.
 * - `psi=0`: no averages of pressure, which are computed for two seconds after each task that has run. /proc/pressure is
 *   not there; `psi=1` among an operator's own words brings it back.
 *
 * And one for balloons:
 *
 * - `init_on_alloc=0`: the kernel would fill with zeros what it takes for the balloon, and the host would have to give the
 *   machine that memory first: a balloon of 128 MiB made it 129 MiB larger. What programs are given is cleared anyway.
 */
export const DEBIAN_MINI_COMMAND_LINE = [
  "quiet",
  "earlycon=sbi",
  "console=ttyS0",
  "panic=-1",
  "cryptomgr.notests",
  "initcall_blacklist=jent_mod_init,trace_eval_init,load_system_certificate_list",
  "nowatchdog",
  "psi=0",
  "init_on_alloc=0",
].join(" ");

/** What the packages contribute to the initial RAM disk. */
export interface DebianMiniParts {
  /** What `uname -r` says: the directory of the modules is called so. */
  readonly kernelRelease: string;
  /** In load order, as `collectModules` returns them. */
  readonly modules: readonly KernelModule[];
  readonly busybox: Uint8Array;
}

/**
 * The initial RAM disk: an uncompressed archive. As gzip it would be 3 MB in place of 15, but boot 170 million
 * instructions later.
 */
export function buildDebianMiniInitrd(parts: DebianMiniParts): Uint8Array {
  return writeCpio([...baseSystem(), ...programs(parts.busybox), ...kernelModules(parts)]);
}

function baseSystem(): CpioEntry[] {
  return [
    ...["dev", "etc", "mnt", "proc", "run", "sys", "tmp", "usr", "usr/bin", "usr/lib", "var"].map(directory),
    { kind: "directory", path: "root", mode: 0o700 },
    symlink("bin", "usr/bin"),
    symlink("sbin", "usr/bin"),
    symlink("lib", "usr/lib"),
    symlink("usr/sbin", "bin"),
    symlink("var/run", "/run"),
    symlink("etc/mtab", "/proc/mounts"),
    // The kernel opens it for process 1 before that can mount anything.
    { kind: "character-device", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
    file("init", 0o755, INIT_SCRIPT),
    file("etc/fstab", 0o644, FSTAB),
    file("etc/passwd", 0o644, "root::0:0:root:/root:/bin/sh\n"),
    file("etc/group", 0o644, "root:x:0:\ntty:x:5:\n"),
    file("etc/hosts", 0o644, "127.0.0.1 localhost vivarium\n::1 localhost\n"),
    file("etc/profile", 0o644, PROFILE),
    file("etc/motd", 0o644, MOTD),
    ...["etc/udhcpc"].map(directory),
    file("etc/udhcpc/default.script", 0o755, DHCP_SCRIPT),
  ];
}

const FSTAB = `proc /proc proc nosuid,nodev,noexec 0 0
sysfs /sys sysfs nosuid,nodev,noexec 0 0
devpts /dev/pts devpts gid=5,mode=620 0 0
tmpfs /dev/shm tmpfs nosuid,nodev,mode=1777 0 0
tmpfs /run tmpfs nosuid,nodev,mode=755 0 0
tmpfs /tmp tmpfs nosuid,nodev,mode=1777 0 0
`;

/** What interactive shells begin with: ENV makes it so for those that are no login shells. */
const PROFILE = `export ENV=/etc/profile
PS1='\\u@\\h:\\w\\$ '
for command in poweroff reboot halt; do alias $command=/usr/bin/$command; done
unset command
`;

const MOTD = `
Debian's own riscv64 Linux, in a machine made of WebAssembly. "exit" switches it off.
`;

const POWER_COMMANDS = ["poweroff", "reboot", "halt"];

function programs(busybox: Uint8Array): CpioEntry[] {
  const replaced = new Set(["busybox", ...POWER_COMMANDS]);
  return [
    { kind: "file", path: "usr/bin/busybox", mode: 0o755, content: busybox },
    ...readAppletNames(busybox)
      .filter((name) => !replaced.has(name))
      .map((name) => symlink(`usr/bin/${name}`, "busybox")),
    { kind: "file", path: "usr/bin/viv-agent", mode: 0o755, content: buildAgentProgram() },
    ...POWER_COMMANDS.map((name) => file(`usr/bin/${name}`, 0o755, POWER_SCRIPT)),
  ];
}

/** The modules where `modprobe` looks for them, with the tables it reads. */
export function kernelModules({
  kernelRelease,
  modules,
}: Pick<DebianMiniParts, "kernelRelease" | "modules">): CpioEntry[] {
  const root = `usr/lib/modules/${kernelRelease}`;
  const directories = new Set(["usr/lib/modules", root]);
  for (const { path } of modules) {
    const parts = path.split("/").slice(0, -1);
    parts.forEach((_, index) => {
      directories.add(`${root}/${parts.slice(0, index + 1).join("/")}`);
    });
  }
  return [
    ...[...directories].map(directory),
    ...modules.map(
      ({ path, content }): CpioEntry => ({
        kind: "file",
        path: `${root}/${path}`,
        mode: 0o644,
        content: withoutSignature(content),
      }),
    ),
    file(`${root}/modules.dep`, 0o644, formatModulesDep(modules)),
    file(`${root}/modules.alias`, 0o644, formatModulesAlias(modules)),
  ];
}
