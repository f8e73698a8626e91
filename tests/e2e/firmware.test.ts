/** Other people's M-mode firmware below Debian's kernel, and boot loaders. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { commandLineFor } from "../../host/images/command-line.js";
import { viv } from "../platform/viv-process.js";
import { defaultImage, testEnvironment } from "./default-image.js";
import { FW_DYNAMIC_BIN, FW_JUMP_BIN, FW_JUMP_ELF, needs, U_BOOT_M, U_BOOT_S } from "./requirements.js";
import { VivConsole } from "./viv-console.js";

const directory = mkdtempSync(join(tmpdir(), "viv-firmware-"));
afterAll(() => rmSync(directory, { recursive: true }));

const MIB = 1 << 20;
const SECTOR = 512;

function file(name: string, contents: Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, contents);
  return path;
}

test("OpenSBI: fw_jump boots the default image, which runs a command on two harts", async (context) => {
  await defaultImage(context);
  needs(context, FW_JUMP_ELF);
  const command = "dmesg | grep -o 'SBI implementation ID=.*'; grep -c ^processor /proc/cpuinfo; exit 5";
  const result = await viv(["run", "--bios", FW_JUMP_ELF.path, "--harts", "2", "--exec", command], {
    env: testEnvironment(),
  });
  // SBI specification, "SBI Implementation IDs": 1 is OpenSBI.
  expect(result.stdout).toMatch(/^SBI implementation ID=0x1 Version=0x\d+\n2\n$/);
  expect(result.status).toBe(5);
});

test("OpenSBI: fw_dynamic starts a kernel, initrd and command line given as files", async (context) => {
  const image = await defaultImage(context);
  needs(context, FW_DYNAMIC_BIN);
  const console = new VivConsole([
    ...["run", "--bios", FW_DYNAMIC_BIN.path],
    ...["--kernel", file("kernel", image.kernel), "--initrd", file("initrd", image.initrd)],
    ...["--append", commandLineFor(image.commandLine, { kind: "interactive", columns: 90, rows: 20 })],
  ]);
  await console.expect("OpenSBI v");
  await console.expect("root@vivarium:~# ");
  console.type("stty size; poweroff -f\n");
  await console.expect("\r\n20 90\r\n");
  expect(await console.ended()).toMatchObject({ status: 0, stderr: "" });
});

test("OpenSBI: an image of fw_payload's shape starts the kernel that is in it", async (context) => {
  const image = await defaultImage(context);
  needs(context, FW_JUMP_BIN);
  // Both fw_jump and fw_payload go on 2 MiB above their start.
  const below = Buffer.concat([readFileSync(FW_JUMP_BIN.path), new Uint8Array(2 * MIB)]).subarray(0, 2 * MIB);
  const firmware = file("fw_payload", Buffer.concat([below, image.kernel]));
  const console = new VivConsole(["run", "--bios", firmware]);
  await console.expect("OpenSBI v");
  await console.expect("Linux version 6.");
  // There is no command line that would name a root file system.
  await console.expect("Kernel panic - not syncing: VFS: Unable to mount root fs");
  expect((await console.ended()).status).toBe(3);
});

/** Brings U-Boot to its prompt. */
async function startUBoot(args: readonly string[]): Promise<VivConsole> {
  const console = new VivConsole(["run", ...args]);
  await console.expect("U-Boot 20");
  await console.expect("Hit any key to stop autoboot");
  console.type(" ");
  await console.expect("=> ");
  return console;
}

async function askUBootForItsVersion(args: readonly string[]): Promise<void> {
  const console = await startUBoot(args);
  console.type("version\n");
  await console.expect("\r\nU-Boot 20");
  await console.expect("\n=> ");
  console.type("poweroff\n");
  expect(await console.ended()).toMatchObject({ status: 0, stderr: "" });
}

test("U-Boot: in M-mode it comes to its prompt, answers, and switches the machine off", async (context) => {
  needs(context, U_BOOT_M);
  await askUBootForItsVersion(["--bios", U_BOOT_M.path]);
});

test("U-Boot: so it does in S-mode above OpenSBI", async (context) => {
  needs(context, U_BOOT_S, FW_JUMP_ELF);
  await askUBootForItsVersion(["--bios", FW_JUMP_ELF.path, "--kernel", U_BOOT_S.path]);
});

test("U-Boot: it reads kernel and initrd from two disks and boots them", async (context) => {
  const image = await defaultImage(context);
  needs(context, U_BOOT_S, FW_JUMP_ELF);
  const kernel = onSectors(image.kernel);
  const initrd = onSectors(image.initrd);
  const console = await startUBoot([
    ...["--bios", FW_JUMP_ELF.path, "--kernel", U_BOOT_S.path],
    ...["--drive", `${file("kernel-disk", kernel)},readonly`, "--drive", `${file("initrd-disk", initrd)},readonly`],
  ]);
  const hex = (value: number): string => value.toString(16);
  for (const command of [
    "virtio scan",
    "virtio dev 0",
    `virtio read 84000000 0 ${hex(kernel.length / SECTOR)}`,
    "virtio dev 1",
    `virtio read 8c000000 0 ${hex(initrd.length / SECTOR)}`,
    `setenv bootargs ${commandLineFor(image.commandLine, { kind: "interactive" })}`,
    // In place: neither the device tree nor the initrd is moved.
    "setenv fdt_high 0xffffffffffffffff",
    "setenv initrd_high 0xffffffffffffffff",
  ]) {
    console.type(`${command}\n`);
    await console.expect("\n=> ");
  }
  console.type(`booti 84000000 8c000000:${hex(image.initrd.length)} $fdtcontroladdr\n`);
  await console.expect("Starting kernel");
  await console.expect("root@vivarium:~# ");
  console.type("uname -m; poweroff -f\n");
  await console.expect("\r\nriscv64\r\n");
  expect(await console.ended()).toMatchObject({ status: 0, stderr: "" });
});

/** The contents of a disk that begins with `bytes`. */
function onSectors(bytes: Uint8Array): Uint8Array {
  const disk = new Uint8Array(Math.ceil(bytes.length / SECTOR) * SECTOR);
  disk.set(bytes);
  return disk;
}
