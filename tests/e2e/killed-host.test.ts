/**
 * The host program is killed while the guest writes: what the guest had synced is there afterwards, and its file system
 * is whole. VIV_KILL_ROUNDS asks for more rounds than the few that fit into every run.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { VIV } from "../platform/viv-process.js";
import { defaultImage, testEnvironment } from "./default-image.js";
import { needs, type PackagedFile } from "./requirements.js";

const ROUNDS = Number(process.env.VIV_KILL_ROUNDS ?? 2);
const ROUND_TIMEOUT_MS = 60_000;
const MKE2FS: PackagedFile = { path: "/sbin/mke2fs", debianPackage: "e2fsprogs" };
const E2FSCK: PackagedFile = { path: "/sbin/e2fsck", debianPackage: "e2fsprogs" };
const QEMU_IMG: PackagedFile = { path: "/usr/bin/qemu-img", debianPackage: "qemu-utils" };

const directory = mkdtempSync(join(tmpdir(), "viv-killed-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** Mounts the disk, compares the files from..to, and writes new ones, each synced before it is told of. */
function script(from: number, to: number): string {
  return `
mount -t ext4 /dev/vda /mnt || exit 9
i=${from}
while [ $i -lt ${to} ]; do
  yes $i | head -c 20000 | cmp -s - /mnt/f$i || echo "lost $i"
  i=$((i + 1))
done
echo checked
while :; do
  yes $i | head -c 20000 | dd of=/mnt/f$i bs=4k conv=fsync 2> /dev/null && echo "synced $i"
  rm -f /mnt/f$((i - 12))
  i=$((i + 1))
done`;
}

/** Runs the guest until it has synced so many files, and a moment longer. @returns what it said */
async function killAfter(disk: string, from: number, to: number, files: number, momentMs: number): Promise<string> {
  const child = spawn(process.execPath, [VIV, "run", "--drive", disk, "--exec", script(from, to)], {
    env: testEnvironment(),
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  const timeout = setTimeout(() => child.kill("SIGKILL"), ROUND_TIMEOUT_MS);
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    const isEnough = output.split("synced").length > files;
    if (isEnough) setTimeout(() => child.kill("SIGKILL"), momentMs);
  });
  await new Promise((resolve) => child.on("close", resolve));
  clearTimeout(timeout);
  return output;
}

test.for(["raw", "qcow2"])(
  "a host program killed while the guest writes to a %s disk loses nothing that was synced",
  { timeout: 10_000 + ROUNDS * ROUND_TIMEOUT_MS },
  async (format, context) => {
    await defaultImage(context);
    needs(context, MKE2FS, E2FSCK, QEMU_IMG);
    const raw = join(directory, "disk.img");
    const disk = join(directory, `disk-of.${format}`);
    run("truncate", "--size", "64M", raw);
    run(MKE2FS.path, "-q", "-F", "-t", "ext4", raw);
    run(QEMU_IMG.path, "convert", "-f", "raw", "-O", format, raw, disk);
    let next = 0;
    for (let round = 0; round < ROUNDS; round++) {
      // Of what was written before, the last 12 files are there.
      const output = await killAfter(disk, Math.max(0, next - 11), next, 3 + ((round * 7) % 20), (round * 13) % 40);
      expect(output, `round ${round}`).toContain("checked");
      expect(output, `round ${round}`).not.toContain("lost");
      const synced = [...output.matchAll(/^synced (\d+)$/gm)].map(([, number]) => Number(number));
      expect(synced.length).toBeGreaterThanOrEqual(3);
      next = synced.at(-1)! + 1;
      if (format === "qcow2") expect(check(disk)).not.toContain('"corruptions"');
    }
    run(QEMU_IMG.path, "convert", "-f", format, "-O", "raw", disk, raw);
    // 0: clean, 1: the journal was replayed.
    expect(spawnSync(E2FSCK.path, ["-p", raw]).status).toBeLessThanOrEqual(1);
    expect(spawnSync(E2FSCK.path, ["-fn", raw]).status).toBe(0);
  },
);

function check(disk: string): string {
  return spawnSync(QEMU_IMG.path, ["check", "--output=json", disk], { encoding: "utf8" }).stdout;
}

function run(program: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`);
}
