/** Disks of several formats under Debian's own driver. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { viv } from "../platform/viv-process.js";
import { defaultImage, testEnvironment } from "./default-image.js";
import { needs, type PackagedFile } from "./requirements.js";

const QEMU_IMG: PackagedFile = { path: "/usr/bin/qemu-img", debianPackage: "qemu-utils" };
const MIB = 1 << 20;

const directory = mkdtempSync(join(tmpdir(), "viv-formats-e2e-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** Bytes that differ from sector to sector. */
function pattern(byteLength: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: byteLength }, (_, index) => (index * 7 + (index >> 9)) & 0xff));
}

function qemuImg(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(QEMU_IMG.path, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`qemu-img ${args.join(" ")}: ${stderr}`);
  return stdout;
}

test("a guest writes a qcow2 image through two queues, a snapshot of a raw one, and reads one from a web server", async (context) => {
  await defaultImage(context);
  needs(context, QEMU_IMG);
  const source = pattern(2 * MIB);
  const server = createServer((request, response) => {
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "")!.map(Number);
    const range = `bytes ${start}-${end}/${source.length}`;
    response.writeHead(206, { etag: '"1"', "content-range": range }).end(source.subarray(start!, end! + 1));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/source.img`;
  const image = join(directory, "target.qcow2");
  qemuImg("create", "-q", "-f", "qcow2", image, "64M");
  const raw = join(directory, "kept.img");
  writeFileSync(raw, new Uint8Array(MIB).fill(0x55));

  const result = await viv(
    [
      ...["run", "--harts", "2", "--drive", `${image},serial=first,iops=2000`],
      ...["--drive", `${raw},snapshot`, "--drive", url, "--exec"],
      "ls /sys/block/vda/mq | wc -l; cat /sys/block/vda/serial; cat /sys/block/vd[abc]/ro;" +
        "cat /sys/block/vda/queue/physical_block_size;" +
        "for hart in 1 2; do taskset $hart dd if=/dev/vdc of=/dev/vda bs=64k seek=$((hart * 100)) conv=fsync 2> /dev/null & done; wait;" +
        "blkdiscard -f -o 20M -l 4M /dev/vda; dd if=/dev/zero of=/dev/vdb bs=64k 2> /dev/null; sync; head -c 4096 /dev/vdb | sha256sum",
    ],
    { env: testEnvironment() },
  );
  server.close();
  expect(result.stderr).toBe("");
  const zeros = createHash("sha256").update(new Uint8Array(4096)).digest("hex");
  expect(result.stdout).toBe(`2\nfirst0\n0\n1\n4096\n${zeros}  -\n`);
  expect(readFileSync(raw).every((byte) => byte === 0x55)).toBe(true);
  expect(qemuImg("check", image)).toContain("No errors were found");
  const written = join(directory, "written.raw");
  qemuImg("convert", "-O", "raw", image, written);
  const contents = readFileSync(written);
  for (const start of [100 * 65536, 200 * 65536]) {
    expect(contents.subarray(start, start + source.length).equals(source)).toBe(true);
  }
  // The copies and the tables; the rest of the 64 MiB has never been stored.
  expect(statSync(image).size).toBeLessThan(6 * MIB);
});
