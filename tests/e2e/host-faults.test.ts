/** A host whose disk is full, or whose files change under the machine: the guest sees I/O errors, and both go on. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { VIV } from "../platform/viv-process.js";
import { defaultImage, testEnvironment } from "./default-image.js";
import { needs, type PackagedFile } from "./requirements.js";

const QEMU_IMG: PackagedFile = { path: "/usr/bin/qemu-img", debianPackage: "qemu-utils" };
const directory = mkdtempSync(join(tmpdir(), "viv-faults-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** Runs a program whose files may have no more than 4 MiB, as if the disk were full then: setrlimit(2), RLIMIT_FSIZE. */
const FULL = 'ulimit -f 4096; exec "$0" "$@"';

test.for(["raw", "qcow2"])(
  "a host without room for a %s disk is an I/O error of the guest's and one line of the operator's; what was synced stays",
  { timeout: 120_000 },
  async (format, context) => {
    await defaultImage(context);
    needs(context, QEMU_IMG);
    const disk = join(directory, `full.${format}`);
    spawnSync(QEMU_IMG.path, ["create", "-q", "-f", format, disk, "64M"]);
    const script =
      "yes first | head -c 65536 | dd of=/dev/vda bs=64k conv=fsync 2> /dev/null; echo first $?;" +
      "yes more | head -c 33554432 | dd of=/dev/vda bs=1M seek=1 conv=fsync; echo more $?;" +
      "yes last | head -c 65536 | dd of=/dev/vda bs=64k seek=1 conv=fsync 2> /dev/null;" +
      "echo 3 > /proc/sys/vm/drop_caches; head -c 6 /dev/vda; echo alive";
    const args = ["-c", FULL, process.execPath, VIV, "run", "--drive", disk, "--exec", script];
    const { status, stdout, stderr } = spawnSync("bash", args, { encoding: "utf8", env: testEnvironment() });
    expect(stdout).toBe("first 0\nmore 1\nfirst\nalive\n");
    expect(stderr).toContain("Input/output error");
    expect(stderr.match(/^viv: .*$/gm)).toEqual(["viv: disk0: a request failed: EFBIG: file too large, write"]);
    expect(status).toBe(0);

    const raw = join(directory, "full.copy");
    spawnSync(QEMU_IMG.path, ["convert", "-f", format, "-O", "raw", disk, raw]);
    expect(readFileSync(raw).subarray(0, 65_536).toString()).toBe("first\n".repeat(10_923).slice(0, 65_536));
    if (format === "raw") return;
    const check = spawnSync(QEMU_IMG.path, ["check", "--output=json", disk], { encoding: "utf8" });
    // 3: clusters are lost to it, which harms nothing.
    expect([0, 3]).toContain(check.status);
    expect(check.stdout).not.toContain('"corruptions"');
  },
);

test("a host without room for an export names the file that was to be written, and keeps nothing of it", {
  timeout: 120_000,
}, async (context) => {
  await defaultImage(context);
  const [machine, stream] = [join(directory, "full.viv"), join(directory, "full.stream")];
  const env = testEnvironment();
  const saved = spawnSync(process.execPath, [VIV, "run", "--save", machine, "--exec", "true"], { env });
  expect(saved.status).toBe(0);
  const args = ["-c", FULL, process.execPath, VIV, "export", machine, stream];
  const { status, stderr } = spawnSync("bash", args, { encoding: "utf8", env });
  expect({ status, stderr }).toEqual({ status: 2, stderr: `viv: ${stream}: cannot be written (EFBIG)\n` });
  expect(existsSync(stream)).toBe(false);
});

test("a disk whose file becomes shorter meanwhile is an I/O error where there is nothing any more, and no more than that", {
  timeout: 120_000,
}, async (context) => {
  await defaultImage(context);
  const disk = join(directory, "cut.img");
  spawnSync("truncate", ["--size", "16M", disk]);
  const script =
    "echo up; read line; dd if=/dev/vda bs=4k skip=2048 count=1 iflag=direct; echo $?;" +
    "dd if=/dev/vda bs=4k count=1 2> /dev/null | wc -c";
  const child = spawn(process.execPath, [VIV, "run", "--drive", disk, "--exec", script], { env: testEnvironment() });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    if (stdout !== "up\n") return;
    truncateSync(disk, 4 << 20);
    child.stdin.end("\n");
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  await new Promise((resolve) => child.on("close", resolve));
  expect(stdout).toBe("up\n1\n4096\n");
  expect(stderr.match(/^viv: .*$/gm)).toEqual([
    "viv: disk0: a request failed: the file has become shorter than 16777216 bytes",
  ]);
});
