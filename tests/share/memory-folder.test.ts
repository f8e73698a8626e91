import { expect, test } from "vitest";
import { MemoryFolder } from "../../host/share/memory-folder.js";
import { S_IFIFO, S_IFMT } from "../../host/share/shared-folder.js";
import { errnoOf, OURS, READ_WRITE, sharedFolderContract } from "../contracts/shared-folder-contract.js";

const nowNs = () => BigInt(Date.now()) * 1_000_000n;

sharedFolderContract("memory", async () => ({ folder: new MemoryFolder({ nowNs }) }));

test("memory folder: it holds as much as it was given, and what is removed makes room", async () => {
  const root = new MemoryFolder({ nowNs, capacity: 1 << 20 }).root();
  const file = await root.createFile("file", READ_WRITE, OURS);
  expect(await errnoOf(() => file.change({ byteLength: 1 << 30 }))).toBe(27);
  await file.write(0, new Uint8Array(1 << 19));
  const other = await root.createFile("other", READ_WRITE, OURS);
  await other.write(0, new Uint8Array(1 << 19));
  expect(await errnoOf(() => other.write(1 << 19, Uint8Array.of(1)))).toBe(28);
  await root.removeFile("file");
  expect(await other.write(1 << 19, Uint8Array.of(1))).toBe(1);
});

test("memory folder: it keeps owners, and files that are neither regular, directory nor link", async () => {
  const root = new MemoryFolder({ nowNs }).root();
  await root.makeSpecial("pipe", S_IFIFO, 0n, { permissions: 0o600, uid: 7, gid: 8 });
  expect(await root.find("pipe")).toMatchObject({ mode: S_IFIFO | 0o600, uid: 7, gid: 8 });
  await root.change("pipe", { uid: 9 });
  expect(await root.find("pipe")).toMatchObject({ uid: 9, gid: 8 });
  expect(((await root.find("pipe"))!.mode & S_IFMT) === S_IFIFO).toBe(true);
  expect(await errnoOf(() => root.openFile("pipe", READ_WRITE))).toBe(6);
});
