/** Debian's kernel on several harts and with disks. */

import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { viv } from "../platform/viv-process.js";
import { defaultImage, testEnvironment } from "./default-image.js";

const directory = mkdtempSync(join(tmpdir(), "viv-drives-"));
afterAll(() => rmSync(directory, { recursive: true }));

const MIB = 1 << 20;

function disk(name: string, contents: Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, contents);
  return path;
}

/** Bytes that differ from sector to sector. */
function pattern(byteLength: number): Uint8Array {
  return Uint8Array.from({ length: byteLength }, (_, index) => (index * 7 + (index >> 9)) & 0xff);
}

test("harts: Linux brings up all four and spreads its work over them", async (context) => {
  await defaultImage(context);
  const result = await viv(
    [
      ...["run", "--harts", "4", "--exec"],
      "grep -c ^processor /proc/cpuinfo;" +
        "for n in 1 2 3 4; do taskset $((1 << (n - 1))) sh -c 'dd if=/dev/zero bs=1k count=512 2> /dev/null | sha256sum' & done;" +
        "wait; grep '^cpu[0-3] ' /proc/stat",
    ],
    { env: testEnvironment() },
  );
  expect(result).toMatchObject({ status: 0, stderr: "" });
  const [count, ...lines] = result.stdout.trimEnd().split("\n");
  expect(count).toBe("4");
  const hash = createHash("sha256")
    .update(new Uint8Array(512 * 1024))
    .digest("hex");
  expect(lines.slice(0, 4)).toEqual(Array(4).fill(`${hash}  -`));
  // user, nice, system: ticks that each processor has worked.
  for (const line of lines.slice(4)) {
    const [, user, , system] = line.split(" ").map(Number);
    expect(user! + system!, line).toBeGreaterThan(0);
  }
});

test("drives: what the guest writes is in the file, what it reads is from the file, and a read-only one stays as it is", async (context) => {
  await defaultImage(context);
  const source = pattern(2 * MIB);
  const target = disk("target", new Uint8Array(3 * MIB));
  const readOnly = disk("source", source);
  const result = await viv(
    [
      ...["run", "--drive", target, "--drive", `${readOnly},readonly`, "--exec"],
      "cat /sys/block/vda/size /sys/block/vdb/size /sys/block/vda/ro /sys/block/vdb/ro;" +
        "dd if=/dev/vdb of=/dev/vda bs=64k seek=8 conv=notrunc,fsync 2> /dev/null;" +
        "dd if=/dev/zero of=/dev/vdb count=1; cat /sys/block/vd[ab]/serial",
    ],
    { env: testEnvironment() },
  );
  expect(result.stdout).toBe(`${(3 * MIB) / 512}\n${(2 * MIB) / 512}\n0\n1\ndisk0disk1`);
  expect(result.stderr).toMatch(/dd: .*\/dev\/vdb.*: (Operation not permitted|Read-only file system)/);
  expect(readFileSync(readOnly).equals(source)).toBe(true);
  const written = readFileSync(target);
  expect(written.length).toBe(3 * MIB);
  expect(written.subarray(MIB / 2, MIB / 2 + source.length).equals(source)).toBe(true);
  expect(written.subarray(0, MIB / 2).every((byte) => byte === 0)).toBe(true);
  expect(written.subarray(MIB / 2 + source.length).every((byte) => byte === 0)).toBe(true);
});

test("drives: by the legacy interface Linux uses console, disk and network, here and in a machine that goes on from a file", async (context) => {
  await defaultImage(context);
  const source = pattern(2 * MIB);
  const lab = join(directory, "legacy.viv");
  // A keyboard has no legacy interface.
  const devices = ["--drive", `${disk("legacy", source)},snapshot`, "--net", "user", "--input", "keyboard"];
  const options = ["--virtio", "legacy", ...devices];
  const look =
    "sha256sum < /dev/vda; cut -c 33 /sys/bus/virtio/devices/*/features | sort -u; ip addr show eth0 | grep -c 10.0.2.15;" +
    "cat /sys/class/input/event0/device/name";
  const sum = createHash("sha256").update(source).digest("hex");
  const seen = { status: 0, stderr: "", stdout: `${sum}  -\n0\n1\n1\nVivarium keyboard\n` };
  const env = testEnvironment();
  expect(await viv(["run", "--save", lab, ...options, "--exec", look], { env })).toEqual(seen);
  const goesOn = `echo 3 > /proc/sys/vm/drop_caches; ${look}`;
  expect(await viv(["open", lab, "--net", "user", "--exec", goesOn], { env })).toEqual(seen);
});
