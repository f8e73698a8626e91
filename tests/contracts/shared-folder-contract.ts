import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FolderError } from "../../host/share/errno.js";
import {
  type Creation,
  type FileAccess,
  type FolderDirectory,
  PERMISSION_MASK,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  type SharedFolder,
} from "../../host/share/shared-folder.js";

/** A folder with the test's hands on it. */
export interface FolderSubject {
  readonly folder: SharedFolder;
  /** What it cannot keep. */
  readonly lacks?: readonly ("links" | "permissions" | "times" | "hard-links")[];
  dispose?(): Promise<void> | void;
}

export const READ: FileAccess = { read: true, write: false, append: false, truncate: false, sync: false };
export const READ_WRITE: FileAccess = { ...READ, write: true };
export const OURS: Creation = { permissions: 0o644, uid: 0, gid: 0 };

/** Linux's numbers, from errno(3). */
const ENOENT = 2;
const EEXIST = 17;
const ENOTDIR = 20;
const EISDIR = 21;
const EINVAL = 22;
const ENOTEMPTY = 39;
const ELOOP = 40;

/** The error number with which something is refused. */
export async function errnoOf(operation: () => unknown): Promise<number | null> {
  try {
    await operation();
    return null;
  } catch (error) {
    if (!(error instanceof FolderError)) throw error;
    return error.errno;
  }
}

const bytesOf = (text: string) => new TextEncoder().encode(text);

/** Makes a file with this content. */
export async function put(directory: FolderDirectory, name: string, text: string): Promise<void> {
  const file = await directory.createFile(name, READ_WRITE, OURS);
  if (text.length > 0) await file.write(0, bytesOf(text));
  file.close();
}

/** What is in a file. */
export async function get(directory: FolderDirectory, name: string): Promise<string> {
  const file = await directory.openFile(name, READ);
  try {
    const bytes = new Uint8Array(4096);
    return new TextDecoder().decode(bytes.subarray(0, await file.read(0, bytes)));
  } finally {
    file.close();
  }
}

/** What every shared folder must do. @param create an empty folder */
export function sharedFolderContract(name: string, create: () => Promise<FolderSubject>): void {
  describe(`${name}: shared folder contract`, () => {
    let subject: FolderSubject;
    let root: FolderDirectory;
    beforeEach(async () => {
      subject = await create();
      root = await subject.folder.root();
    });
    afterEach(async () => {
      root.close();
      await subject.dispose?.();
    });
    const lacks = (what: NonNullable<FolderSubject["lacks"]>[number]) => subject.lacks?.includes(what) === true;

    test("an empty folder is a directory with nothing in it", async () => {
      expect(((await root.find("."))!.mode & S_IFMT) === S_IFDIR).toBe(true);
      expect(await root.list()).toEqual([]);
      expect(await root.find("nothing")).toBeNull();
    });

    test("a file has the content that was written, at any offset, with a gap of zeros", async () => {
      const file = await root.createFile("file", READ_WRITE, OURS);
      expect(await file.write(0, bytesOf("abc"))).toBe(3);
      expect(await file.write(6, bytesOf("xyz"))).toBe(3);
      const into = new Uint8Array(16);
      expect(await file.read(1, into)).toBe(8);
      expect([...into.subarray(0, 8)]).toEqual([98, 99, 0, 0, 0, 120, 121, 122]);
      expect(await file.read(9, into)).toBe(0);
      expect(await file.read(1_000_000, into)).toBe(0);
      const { byteLength, mode } = await file.attributes();
      expect([byteLength, mode & S_IFMT]).toEqual([9, S_IFREG]);
      expect((await root.find("file"))!.byteLength).toBe(9);
      file.close();
    });

    test("a large write arrives whole", async () => {
      const file = await root.createFile("file", READ_WRITE, OURS);
      const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 7 + (index >> 8)) & 0xff);
      for (let done = 0; done < bytes.length; ) done += await file.write(done, bytes.subarray(done));
      const into = new Uint8Array(400_000);
      let length = 0;
      for (let count = 1; count > 0; length += count) count = await file.read(length, into.subarray(length));
      expect(Buffer.from(into.subarray(0, length)).equals(bytes)).toBe(true);
      file.close();
    });

    test("appending writes to the end whatever the offset", async () => {
      await put(root, "file", "one");
      const file = await root.openFile("file", { ...READ_WRITE, append: true });
      await file.write(0, bytesOf("two"));
      file.close();
      expect(await get(root, "file")).toBe("onetwo");
    });

    test("opening to truncate empties a file, and a length can be set", async () => {
      await put(root, "file", "content");
      (await root.openFile("file", { ...READ_WRITE, truncate: true })).close();
      expect((await root.find("file"))!.byteLength).toBe(0);
      await root.change("file", { byteLength: 5 });
      expect(await get(root, "file")).toBe("\0\0\0\0\0");
      const file = await root.openFile("file", READ_WRITE);
      await file.change({ byteLength: 2 });
      expect((await file.attributes()).byteLength).toBe(2);
      file.close();
    });

    test("a file that has been removed is there as long as it is open", async () => {
      const file = await root.createFile("file", READ_WRITE, OURS);
      await file.write(0, bytesOf("still"));
      await root.removeFile("file");
      expect(await root.find("file")).toBeNull();
      const into = new Uint8Array(5);
      expect(await file.read(0, into)).toBe(5);
      await file.write(5, bytesOf(" here"));
      expect((await file.attributes()).byteLength).toBe(10);
      file.close();
    });

    test("directories hold what is made in them, under its name only", async () => {
      await root.makeDirectory("a", { ...OURS, permissions: 0o755 });
      const a = await root.openDirectory("a");
      await a.makeDirectory("b", { ...OURS, permissions: 0o755 });
      await put(a, "file", "in a");
      expect([...(await a.list())].sort()).toEqual(["b", "file"]);
      expect([...(await root.list())]).toEqual(["a"]);
      expect(await get(a, "file")).toBe("in a");
      a.close();
    });

    test("names may be anything but a slash and NUL: spaces, other letters, 255 bytes", async () => {
      const utf8 = Buffer.from("žluťoučký 馬").toString("latin1");
      const names = [" ", "-rf", "a b", "\\", "*", utf8, "x".repeat(255)];
      for (const each of names) await put(root, each, each.slice(0, 3));
      expect([...(await root.list())].sort()).toEqual([...names].sort());
      for (const each of names) expect((await root.find(each))!.byteLength).toBe(Buffer.from(each.slice(0, 3)).length);
    });

    test("refusals have Linux's numbers", async () => {
      await put(root, "file", "");
      await root.makeDirectory("full", { ...OURS, permissions: 0o755 });
      const full = await root.openDirectory("full");
      await put(full, "file", "");
      expect(await errnoOf(() => root.openFile("none", READ))).toBe(ENOENT);
      expect(await errnoOf(() => root.openFile("full", READ))).toBe(EISDIR);
      expect(await errnoOf(() => root.openDirectory("none"))).toBe(ENOENT);
      expect(await errnoOf(() => root.openDirectory("file"))).toBe(ENOTDIR);
      expect(await errnoOf(() => root.createFile("file", READ_WRITE, OURS))).toBe(EEXIST);
      expect(await errnoOf(() => root.makeDirectory("file", OURS))).toBe(EEXIST);
      expect(await errnoOf(() => root.removeFile("none"))).toBe(ENOENT);
      expect(await errnoOf(() => root.removeFile("full"))).toBe(EISDIR);
      expect(await errnoOf(() => root.removeDirectory("full"))).toBe(ENOTEMPTY);
      expect(await errnoOf(() => root.removeDirectory("file"))).toBe(ENOTDIR);
      expect(await errnoOf(() => root.rename("none", root, "other"))).toBe(ENOENT);
      expect(await errnoOf(() => root.rename("file", root, "full"))).toBe(EISDIR);
      expect(await errnoOf(() => root.readLink("file"))).toBe(EINVAL);
      full.close();
    });

    test("rename moves files and whole directories, and replaces what is there", async () => {
      for (const each of ["from", "to"]) await root.makeDirectory(each, { ...OURS, permissions: 0o755 });
      const [from, to] = [await root.openDirectory("from"), await root.openDirectory("to")];
      await put(from, "file", "new");
      await put(to, "file", "old");
      await from.rename("file", to, "file");
      expect(await from.list()).toEqual([]);
      expect(await get(to, "file")).toBe("new");
      await root.rename("to", from, "moved");
      const moved = await from.openDirectory("moved");
      expect(await get(moved, "file")).toBe("new");
      expect(await errnoOf(() => root.rename("from", moved, "into-itself"))).toBe(EINVAL);
      for (const each of [from, to, moved]) each.close();
    });

    test("permissions are kept as they are given, whatever this process masks", async ({ skip }) => {
      if (lacks("permissions")) skip("this folder keeps no permissions");
      (await root.createFile("file", READ_WRITE, { ...OURS, permissions: 0o666 })).close();
      await root.makeDirectory("directory", { ...OURS, permissions: 0o1777 });
      const permissions = async (each: string) => (await root.find(each))!.mode & PERMISSION_MASK;
      expect(await permissions("file")).toBe(0o666);
      expect(await permissions("directory")).toBe(0o1777);
      await root.change("file", { permissions: 0o640 });
      await root.change("directory", { permissions: 0o700 });
      await root.change(".", { permissions: 0o750 });
      expect(await Promise.all(["file", "directory", "."].map(permissions))).toEqual([0o640, 0o700, 0o750]);
    });

    test("times can be set, one by one, to the microsecond", async ({ skip }) => {
      if (lacks("times")) skip("this folder keeps no times");
      await put(root, "file", "");
      await root.change("file", { accessed: 1_000_000_007_123_456_000n, modified: 1_700_000_000_999_999_000n });
      let found = (await root.find("file"))!;
      expect([found.accessedNs, found.modifiedNs]).toEqual([1_000_000_007_123_456_000n, 1_700_000_000_999_999_000n]);
      await root.change("file", { modified: 5_000_001_000n });
      found = (await root.find("file"))!;
      expect([found.accessedNs, found.modifiedNs]).toEqual([1_000_000_007_123_456_000n, 5_000_001_000n]);
      await put(root, "before", "");
      await root.change("file", { modified: "now" });
      found = (await root.find("file"))!;
      const before = (await root.find("before"))!.modifiedNs;
      expect(found.modifiedNs - before).toBeGreaterThan(-20_000_000n);
      expect(found.modifiedNs - before).toBeLessThan(5_000_000_000n);
    });

    test("symbolic links are kept as they are and never followed", async ({ skip }) => {
      if (lacks("links")) skip("this folder has no links");
      await put(root, "file", "behind");
      await root.makeDirectory("directory", { ...OURS, permissions: 0o755 });
      const targets = ["file", "directory", "/etc/passwd", "..", "nowhere/at all", "\xc3\xbf\xff"];
      for (const [index, target] of targets.entries()) await root.makeLink(`link${index}`, target, OURS);
      for (const [index, target] of targets.entries()) {
        expect(await root.readLink(`link${index}`)).toBe(target);
        expect((await root.find(`link${index}`))!.mode & S_IFMT).toBe(S_IFLNK);
        expect(await errnoOf(() => root.openFile(`link${index}`, READ))).toBe(ELOOP);
        expect([ELOOP, ENOTDIR]).toContain(await errnoOf(() => root.openDirectory(`link${index}`)));
      }
      await root.removeFile("link1");
      expect(await root.find("directory")).not.toBeNull();
    });

    test("a file can have several names", async ({ skip }) => {
      if (lacks("hard-links")) skip("this folder has one name a file");
      await put(root, "one", "both");
      await root.addName("two", root, "one");
      const [one, two] = [(await root.find("one"))!, (await root.find("two"))!];
      expect(one.identity).toBe(two.identity);
      expect(two.linkCount).toBe(2);
      await root.removeFile("one");
      expect(await get(root, "two")).toBe("both");
      expect(await errnoOf(() => root.addName("two", root, "two"))).toBe(EEXIST);
    });

    test("different files have different identities, which renaming does not change", async () => {
      await put(root, "one", "");
      await put(root, "two", "");
      const one = (await root.find("one"))!.identity;
      expect((await root.find("two"))!.identity).not.toBe(one);
      await root.rename("one", root, "three");
      expect((await root.find("three"))!.identity).toBe(one);
    });

    test("its statistics are those of a file system", async () => {
      const { blockByteLength, blocks, freeBlocks, availableBlocks } = await subject.folder.statistics();
      expect(blockByteLength).toBeGreaterThan(0);
      expect(freeBlocks).toBeLessThanOrEqual(blocks);
      expect(availableBlocks).toBeLessThanOrEqual(freeBlocks);
    });

    test("what is written and synced is there", async () => {
      const file = await root.createFile("file", READ_WRITE, OURS);
      await file.write(0, bytesOf("stable"));
      await file.sync(true);
      await file.sync(false);
      file.close();
      expect(await get(root, "file")).toBe("stable");
    });
  });
}
