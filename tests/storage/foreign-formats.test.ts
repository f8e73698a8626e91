/** VMDK and VHDX images that QEMU has written. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openDisk } from "../../host/platform/node/drives.js";
import { needsQemuImg, qemuImg } from "./qemu-img.js";

const directory = mkdtempSync(join(tmpdir(), "viv-formats-"));
afterAll(() => rmSync(directory, { recursive: true }));

const MIB = 1 << 20;
let count = 0;
const path = (suffix: string) => join(directory, `${count++}-${suffix}`);

/** Contents with holes, with what compresses and with what does not. */
function source(byteLength: number): { readonly file: string; readonly contents: Buffer } {
  const contents = Buffer.alloc(byteLength);
  let state = 7;
  for (let index = 0; index < byteLength; index++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    const part = (index >> 16) % 4;
    contents[index] = part === 0 ? 0 : part === 1 ? state >>> 24 : index >> 9;
  }
  const file = path("source.raw");
  writeFileSync(file, contents);
  return { file, contents };
}

const VARIANTS: readonly (readonly [format: string, options: string])[] = [
  ["vmdk", "subformat=monolithicSparse"],
  ["vmdk", "subformat=streamOptimized"],
  ["vmdk", "subformat=monolithicFlat"],
  ["vmdk", "subformat=twoGbMaxExtentSparse"],
  ["vmdk", "subformat=twoGbMaxExtentFlat"],
  ["vmdk", "subformat=monolithicSparse,zeroed_grain=on"],
  ["vhdx", "subformat=dynamic"],
  ["vhdx", "subformat=fixed"],
  ["vhdx", "subformat=dynamic,block_size=1M"],
];

test.each(VARIANTS)(
  "%s, %s: what QEMU has written is read, and nothing is written",
  async (format, options, ...rest) => {
    const { file, contents } = source(5 * MIB + 65536);
    const image = path(`disk.${format}`);
    qemuImg("convert", "-f", "raw", "-O", format, "-o", options, file, image);
    const disk = await openDisk(image, { readOnly: true });
    const read = new Uint8Array(disk.byteLength);
    await disk.read(0, read);
    expect(Buffer.compare(Buffer.from(read).subarray(0, contents.length), contents)).toBe(0);
    const part = new Uint8Array(70_144);
    await disk.read(MIB - 512, part);
    expect(Buffer.compare(part, contents.subarray(MIB - 512, MIB - 512 + part.length))).toBe(0);
    await expect(disk.write(0, new Uint8Array(512))).rejects.toThrow("read-only");
    await disk.close();
    expect(rest).toEqual([]);
  },
);

describe("what cannot be read is refused", () => {
  test("vmdk: an extent elsewhere", async (context) => {
    needsQemuImg(context);
    const image = path("evil.vmdk");
    writeFileSync(image, '# Disk DescriptorFile\nparentCID=ffffffff\nRW 8 FLAT "/etc/passwd" 0\n');
    await expect(openDisk(image)).rejects.toThrow("which is not in the directory of the image");
  });

  test("vmdk: a parent image", async (context) => {
    needsQemuImg(context);
    const base = path("base.vmdk");
    const image = path("child.vmdk");
    qemuImg("create", "-q", "-f", "vmdk", base, "4M");
    qemuImg("create", "-q", "-f", "vmdk", "-b", base, "-F", "vmdk", image);
    await expect(openDisk(image)).rejects.toThrow("lies over a parent image, which is not supported for VMDK");
  });

  test("vhdx: an image whose writer was killed is read right, or refused if its log has to be replayed", async (context) => {
    needsQemuImg(context);
    const image = path("killed.vhdx");
    qemuImg("create", "-q", "-f", "vhdx", image, "4M");
    spawnSync("qemu-io", ["-f", "vhdx", "-c", "write -P 7 0 64k", "-c", "flush", "-c", "sigraise 9", image]);
    const disk = await openDisk(image, { readOnly: true }).catch((error: Error) => error);
    if (disk instanceof Error) {
      expect(disk.message).toContain("expected one whose log has been replayed");
      return;
    }
    const bytes = new Uint8Array(65_536);
    await disk.read(0, bytes);
    expect(bytes.every((byte) => byte === 7)).toBe(true);
    await disk.close();
  });

  test("vhdx: an image whose log waits to be replayed", async (context) => {
    needsQemuImg(context);
    const image = path("open.vhdx");
    qemuImg("create", "-q", "-f", "vhdx", image, "4M");
    // A log's GUID in both headers, and their checksums again: what a writer leaves that does not close the image.
    const bytes = readFileSync(image);
    for (const start of [64 << 10, 128 << 10]) {
      const header = bytes.subarray(start, start + 4096);
      header.fill(0x5a, 48, 64);
      header.writeUInt32LE(0, 4);
      header.writeUInt32LE(crc32c(header), 4);
    }
    writeFileSync(image, bytes);
    await expect(openDisk(image)).rejects.toThrow("was not closed");
  });
});

function crc32c(bytes: Uint8Array): number {
  const crc = bytes.reduce((sum, byte) => {
    let rest = sum ^ byte;
    for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ (rest & 1 ? 0x82f63b78 : 0);
    return rest;
  }, -1);
  return ~crc >>> 0;
}
