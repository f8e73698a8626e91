import { mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { closeDrives, openDrives } from "../../host/platform/node/drives.js";
import { FileBlockBackend } from "../../host/platform/node/file-block-backend.js";
import { blockBackendContract } from "../contracts/block-backend-contract.js";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "viv-drive-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

function disk(name: string, byteLength: number): string {
  const file = join(directory, name);
  writeFileSync(file, new Uint8Array(byteLength).fill(0x55));
  return file;
}

let count = 0;
blockBackendContract("file", {
  create: async (contents, { readOnly }) => {
    const file = join(directory, `contract-${count++}.img`);
    writeFileSync(file, contents);
    return FileBlockBackend.open("disk0", file, readOnly);
  },
});

test("file disk: what is written is in the file, at its offset", async () => {
  const file = disk("written.img", 4096);
  const backend = await FileBlockBackend.open("disk0", file, false);
  await backend.write(1024, new Uint8Array(512).fill(0xaa));
  await backend.flush();
  await backend.close();
  const contents = readFileSync(file);
  expect(contents.length).toBe(4096);
  expect(contents.subarray(1024, 1536).every((byte) => byte === 0xaa)).toBe(true);
  expect(contents.filter((byte) => byte === 0x55).length).toBe(4096 - 512);
});

test("file disk: zeroes longer than one write are all zero, and nothing beyond them", async () => {
  const file = disk("zeroes.img", 1024 * 1024);
  const backend = await FileBlockBackend.open("disk0", file, false);
  await backend.writeZeroes(512, 1024 * 1024 - 1024, true);
  await backend.close();
  const contents = readFileSync(file);
  expect(contents.filter((byte) => byte !== 0).length).toBe(1024);
  expect(contents[511]).toBe(0x55);
  expect(contents[1024 * 1024 - 512]).toBe(0x55);
});

test("file disk: a read-only disk refuses every change", async () => {
  const backend = await FileBlockBackend.open("disk0", disk("readonly.img", 1024), true);
  await expect(backend.write(0, new Uint8Array(512))).rejects.toThrow("read-only");
  await expect(backend.writeZeroes(0, 512, false)).rejects.toThrow("read-only");
  await expect(backend.discard(0, 512)).rejects.toThrow("read-only");
  await backend.flush();
  await backend.close();
});

test("file disk: a file cut short behind our back fails the read", async () => {
  const file = disk("cut.img", 4096);
  const backend = await FileBlockBackend.open("disk0", file, false);
  truncateSync(file, 1024);
  await expect(backend.read(2048, new Uint8Array(512))).rejects.toThrow("shorter than 4096 bytes");
  await backend.close();
});

test("file disk: what cannot be a disk is refused by the drive's name", async () => {
  const open = (file: string) => FileBlockBackend.open("disk0", file, false);
  await expect(open(disk("odd.img", 1000))).rejects.toThrow("disk0: 1000 bytes is not a multiple of 512");
  await expect(open(disk("none.img", 0))).rejects.toThrow("none.img is empty; expected a multiple of 512 bytes");
  await expect(open(directory)).rejects.toThrow(`disk0: ${directory} is a directory; expected a raw disk image`);
  await expect(open("/dev/null")).rejects.toThrow("disk0: /dev/null is no regular file; expected a raw disk image");
  await expect(open(join(directory, "absent"))).rejects.toThrow("absent does not exist; expected a raw disk image");
});

test("drives: one file is not two disks when one of them writes, under another name either", async () => {
  const file = disk("shared.img", 1024);
  const link = join(directory, "link.img");
  symlinkSync(file, link);
  const request = (name: string, readOnly: boolean) => ({ file: name, readOnly });
  await expect(openDrives([request(file, false), request(link, true)])).rejects.toThrow(
    `disk1: ${link} is disk0 already; expected another file, or both readonly`,
  );
  await expect(openDrives([request(file, true), request(file, false)])).rejects.toThrow("is disk0 already");
  const both = await openDrives([request(file, true), request(link, true)]);
  expect(both).toHaveLength(2);
  await closeDrives(both);
});
