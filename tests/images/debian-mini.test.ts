import { expect, test } from "vitest";
import { buildDebianMiniInitrd, DEBIAN_MINI_COMMAND_LINE } from "../../host/images/debian-mini.js";
import { INIT_SCRIPT } from "../../host/images/init-script.js";
import { COMMAND_LINE_MAX_BYTES } from "../../host/images/manifest.js";
import { type ReadEntry, readCpio } from "./read-cpio.js";

const APPLETS = ["[", "[[", "ash", "busybox", "cat", "modprobe", "mount", "poweroff", "sh", "time"];
const BUSYBOX = Buffer.from(`ELF\0${APPLETS.map((name) => `${name}\0`).join("")}\0`);
const MODULE = Buffer.from("module");

const entries = readCpio(
  buildDebianMiniInitrd({
    kernelRelease: "6.12.0-riscv64",
    busybox: BUSYBOX,
    modules: [
      { name: "crc16", depends: [], aliases: [], path: "kernel/lib/crc16.ko", content: MODULE },
      { name: "ext4", depends: ["crc16"], aliases: ["fs-ext4"], path: "kernel/fs/ext4/ext4.ko", content: MODULE },
    ],
  }),
);
const byPath = new Map(entries.map((entry) => [entry.path, entry]));
const textOf = (path: string): string => Buffer.from(byPath.get(path)!.content).toString();
const isDirectory = (entry: ReadEntry): boolean => (entry.mode & 0o170000) === 0o040000;

test("debian-mini: every entry stands once, after the directory it is in", () => {
  const directories = new Set<string>();
  const seen = new Set<string>();
  for (const entry of entries) {
    const parent = entry.path.split("/").slice(0, -1).join("/");
    if (parent !== "") expect(directories).toContain(parent);
    expect(seen).not.toContain(entry.path);
    seen.add(entry.path);
    if (isDirectory(entry)) directories.add(entry.path);
  }
});

test("debian-mini: the init script is there for the kernel to run, and a console for it to speak on", () => {
  expect(textOf("init")).toBe(INIT_SCRIPT);
  expect(byPath.get("init")!.mode).toBe(0o100755);
  const { mode, deviceMajor, deviceMinor } = byPath.get("dev/console")!;
  // Linux, Documentation/admin-guide/devices.txt: 5 char, 1 = /dev/console.
  expect([mode, deviceMajor, deviceMinor]).toEqual([0o020600, 5, 1]);
});

test("debian-mini: each of busybox's programs is a link to it, but those that end the machine", () => {
  expect(Buffer.from(byPath.get("usr/bin/busybox")!.content)).toEqual(BUSYBOX);
  for (const name of APPLETS.filter((applet) => !["busybox", "poweroff"].includes(applet))) {
    expect(byPath.get(`usr/bin/${name}`)!.mode).toBe(0o120777);
    expect(textOf(`usr/bin/${name}`)).toBe("busybox");
  }
  for (const name of ["poweroff", "reboot", "halt"]) expect(byPath.get(`usr/bin/${name}`)!.mode).toBe(0o100755);
});

test("debian-mini: the modules stand where modprobe looks for them, with its tables", () => {
  const root = "usr/lib/modules/6.12.0-riscv64";
  expect(textOf(`${root}/kernel/fs/ext4/ext4.ko`)).toBe("module");
  expect(textOf(`${root}/modules.dep`)).toBe("kernel/lib/crc16.ko:\nkernel/fs/ext4/ext4.ko: kernel/lib/crc16.ko\n");
  expect(textOf(`${root}/modules.alias`)).toBe("alias fs-ext4 ext4\n");
});

test("debian-mini: the command line leaves room for the words of a mode and an operator's own", () => {
  expect(DEBIAN_MINI_COMMAND_LINE.length).toBeLessThan(COMMAND_LINE_MAX_BYTES / 2);
});
