import { beforeEach, describe, expect, test } from "vitest";
import { MemoryFolder } from "../../host/share/memory-folder.js";
import { Session } from "../../host/share/session.js";
import type { FileAttributes, FolderDirectory, FolderFile, SharedFolder } from "../../host/share/shared-folder.js";
import { encode, NOTAG, P9Client, Reply, RLERROR, raw, refused, str, T, u8, u16, u32, u64 } from "./p9-client.js";

const nowNs = () => 1_700_000_000_000_000_000n;
const [ENOENT, EBADF, EBUSY, EEXIST, ENOTDIR, EISDIR, EINVAL, EROFS] = [2, 9, 16, 17, 20, 21, 22, 30] as const;
const [ENAMETOOLONG, ENOTEMPTY, EPROTO, EMSGSIZE, EOPNOTSUPP] = [36, 39, 71, 90, 95] as const;
const [READ_LOCK, WRITE_LOCK, UNLOCK, SUCCESS, BLOCKED] = [0, 1, 2, 0, 1] as const;

let folder: MemoryFolder;
let client: P9Client;
beforeEach(async () => {
  folder = new MemoryFolder({ nowNs });
  client = new P9Client(new Session(folder));
  await client.begin();
});

/** Makes a file below the root, without leaving a fid. */
async function put(name: string, text: string): Promise<void> {
  await client.walk(0, 900);
  await client.create(900, name);
  await client.write(900, 0, text);
  await client.clunk(900);
}

/** A folder in which there is every name, and each is that of an empty directory. */
function endlessFolder(): SharedFolder {
  const root = folder.root() as FolderDirectory;
  const attributes = root.find(".") as FileAttributes;
  let identity = 1000n;
  const directory = Object.assign(Object.create(root) as FolderDirectory, {
    find: () => ({ ...attributes, identity: identity++ }),
    openDirectory: () => directory,
    rename: () => {},
    close: () => {},
  });
  return { readOnly: false, root: () => directory, statistics: () => folder.statistics() };
}

/** Walks by two names, of which the second is a number: one message that is changed each time, for speed. */
function manyWalks(session: Session, fid: number, first: string): (newFid: number, name: number) => Uint8Array {
  const message = Buffer.from(encode(T.walk, 1, [u32(fid), u32(0), u16(2), str(first), str("0000000")]));
  return (newFid, name) => {
    message.writeUInt32LE(newFid, 11);
    message.write(String(name).padStart(7, "0"), message.length - 7, "latin1");
    return session.serve(message, 4096) as Uint8Array;
  };
}

describe("9P: session", () => {
  test("version: the shorter message counts, and another protocol is unknown", async () => {
    const fresh = new P9Client(new Session(folder));
    const version = async (length: number, name: string) => {
      const reply = await fresh.call(T.version, [u32(length), str(name)], NOTAG);
      return [reply.u32(), reply.string()];
    };
    expect(await version(8192, "9P2000.L")).toEqual([8192, "9P2000.L"]);
    expect(await version(0xffff_ffff, "9P2000.L")).toEqual([1 << 19, "9P2000.L"]);
    expect(await version(8192, "9P2000.u")).toEqual([8192, "unknown"]);
    expect(await refused(version(100, "9P2000.L"))).toBe(EMSGSIZE);
  });

  test("before version nothing else is answered", async () => {
    expect(await refused(new P9Client(new Session(folder)).walk(0, 1))).toBe(EPROTO);
  });

  test("version anew forgets every fid", async () => {
    await client.walk(0, 1);
    await client.begin();
    expect(await refused(client.clunk(1))).toBe(EBADF);
  });

  test("messages that are cut, too long, or of no known type are refused, and the next is served", async () => {
    const session = new Session(folder);
    const errno = async (message: Uint8Array) => {
      const reply = new Reply(Buffer.from(await session.serve(message, 4096)));
      return [reply.type, reply.u32()];
    };
    const version = encode(T.version, NOTAG, [u32(8192), str("9P2000.L")]);
    expect(await errno(version.subarray(0, -1))).toEqual([RLERROR, EPROTO]);
    const lying = Buffer.from(version);
    lying.writeUInt16LE(60_000, 11);
    expect(await errno(lying)).toEqual([RLERROR, EPROTO]);
    for (const size of [0, 6, 0xffff_ffff]) {
      lying.writeUInt32LE(size);
      expect(await errno(lying)).toEqual([RLERROR, EPROTO]);
    }
    expect(await errno(encode(99, 1, []))).toEqual([RLERROR, EOPNOTSUPP]);
    await new P9Client(session).begin();
  });

  test("a reply never exceeds the message length agreed on, nor the room there is", async () => {
    await client.begin(4096);
    await put("file", "x".repeat(4000));
    await put("more", "x".repeat(4000));
    await client.walk(0, 1, "file");
    await client.open(1);
    expect((await client.read(1, 0, 0xffff_ffff)).length).toBe(4000);
    expect((await client.read(1, 0, 10)).length).toBe(10);
    const session = new Session(folder);
    await new P9Client(session).begin(1 << 16);
    await new P9Client(session).walk(0, 1, "file");
    await new P9Client(session).open(1);
    const reply = await session.serve(encode(T.read, 1, [u32(1), u64(0), u32(4000)]), 1000);
    expect(reply.length).toBe(1000);
  });
});

describe("9P: walking", () => {
  test("a walk answers each step, and stops where it gets no further", async () => {
    await client.mkdir(0, "a");
    await client.walk(0, 1, "a");
    await client.mkdir(1, "b");
    expect((await client.walk(0, 2, "a", "b")).length).toBe(2);
    expect((await client.walk(0, 3, "a", "none", "b")).length).toBe(1);
    expect(await refused(client.clunk(3))).toBe(EBADF);
    expect(await refused(client.walk(0, 3, "none"))).toBe(ENOENT);
    expect(await refused(client.walk(77, 3))).toBe(EBADF);
    expect(await refused(client.walk(0, 2, "a"))).toBe(EINVAL);
    expect(await refused(client.walk(0, 3, ...Array(17).fill("..")))).toBe(EINVAL);
    await put("file", "");
    expect((await client.walk(0, 4, "file", "x")).length).toBe(1);
    await client.walk(0, 5, "file");
    expect(await refused(client.walk(5, 6, "x"))).toBe(ENOTDIR);
  });

  test("above the root there is the root", async () => {
    const [root] = [await client.begin()];
    await client.mkdir(0, "a");
    for (const names of [[".."], ["..", ".."], ["a", "..", "..", ".."]]) {
      const qids = await client.walk(0, 1, ...names);
      expect(qids.at(-1)).toEqual(root);
      await client.clunk(1);
    }
    await client.walk(0, 1, "..", "..");
    expect((await client.walk(1, 2, "a")).length).toBe(1);
  });

  test("no name with a slash, NUL, or more than 255 bytes gets anywhere", async () => {
    await client.mkdir(0, "a");
    for (const name of ["a/..", "/etc", "../..", "a\0", "", "x".repeat(256), "a/"]) {
      expect(await refused(client.walk(0, 1, name)), JSON.stringify(name)).not.toBeNull();
      for (const make of [client.mkdir(0, name), client.call(T.symlink, [u32(0), str(name), str("x"), u32(0)])]) {
        expect(await refused(make), JSON.stringify(name)).not.toBeNull();
      }
      expect(await refused(client.call(T.renameat, [u32(0), str("a"), u32(0), str(name)]))).not.toBeNull();
      expect(await refused(client.call(T.renameat, [u32(0), str(name), u32(0), str("b")]))).not.toBeNull();
      expect(await refused(client.call(T.unlinkat, [u32(0), str(name), u32(0)]))).not.toBeNull();
      await client.walk(0, 9);
      expect(await refused(client.create(9, name))).not.toBeNull();
      await client.clunk(9);
    }
    for (const name of [".", ".."]) {
      expect(await refused(client.mkdir(0, name))).toBe(EEXIST);
      expect(await refused(client.call(T.renameat, [u32(0), str("a"), u32(0), str(name)]))).toBe(EBUSY);
      expect(await refused(client.call(T.unlinkat, [u32(0), str(name), u32(0x200)]))).toBe(EINVAL);
    }
    expect(folder.root().list()).toEqual(["a"]);
  });

  test("a link is not walked through", async () => {
    await client.mkdir(0, "a");
    await client.call(T.symlink, [u32(0), str("link"), str("a"), u32(0)]);
    expect((await client.walk(0, 1, "link"))[0]!.type).toBe(2);
    expect((await client.walk(0, 2, "link", "x")).length).toBe(1);
    expect(await refused(client.walk(1, 3, "x"))).not.toBeNull();
    expect(await refused(client.open(1))).toBe(40);
    expect((await client.call(T.readlink, [u32(1)])).string()).toBe("a");
  });
});

describe("9P: files", () => {
  test("a file that was removed goes on for who has it open, and for nobody else", async () => {
    await put("file", "content");
    await client.walk(0, 1, "file");
    await client.walk(0, 2, "file");
    await client.open(1, 2);
    await client.call(T.unlinkat, [u32(0), str("file"), u32(0)]);
    expect(await client.read(1, 0, 100)).toBe("content");
    await client.write(1, 7, "!");
    expect((await client.getattr(1)).byteLength).toBe(8n);
    // The same file by another fid, as Linux has one for the name and one that is open.
    expect((await client.getattr(2)).byteLength).toBe(8n);
    expect(await refused(client.open(2))).toBe(ENOENT);
    await put("file", "another");
    expect(await client.read(1, 0, 100)).toBe("content!");
    await client.clunk(1);
    expect(await refused(client.getattr(2))).toBe(ENOENT);
  });

  test("renaming takes along every fid at and below what is renamed", async () => {
    await client.mkdir(0, "a");
    await client.walk(0, 1, "a");
    await client.mkdir(1, "b");
    await client.walk(0, 2, "a", "b");
    await client.walk(2, 3);
    await client.create(3, "file");
    await client.write(3, 0, "moved along");
    await client.walk(2, 4, "file");
    await client.call(T.renameat, [u32(0), str("a"), u32(0), str("z")]);
    await client.open(4);
    expect(await client.read(4, 0, 100)).toBe("moved along");
    await client.mkdir(2, "new");
    expect((await client.walk(0, 5, "z", "b", "new")).length).toBe(3);
    expect((await client.walk(2, 6, "..", "..", "z")).length).toBe(3);
    await client.call(T.rename, [u32(4), u32(0), str("top")]);
    await client.walk(0, 7, "top");
    expect((await client.getattr(7)).byteLength).toBe(11n);
  });

  test("a directory renamed into one that somebody else has taken out of it meanwhile is there for who looks again", async () => {
    await client.mkdir(0, "a");
    await client.walk(0, 1, "a");
    await client.mkdir(1, "b");
    await client.walk(1, 2, "b");
    await client.mkdir(2, "kept open");
    const other = new P9Client(new Session(folder));
    await other.begin();
    await other.walk(0, 1, "a");
    await other.call(T.renameat, [u32(1), str("b"), u32(0), str("b")]);
    await client.call(T.renameat, [u32(0), str("a"), u32(2), str("a")]);
    expect([await refused(client.getattr(1)), await refused(client.walk(2, 3, "a"))]).toEqual([ENOENT, ENOENT]);
    expect((await client.walk(0, 4, "b", "a")).length).toBe(2);
  });

  test("what is replaced by renaming is gone for who had it", async () => {
    await put("old", "old");
    await put("new", "new!");
    await client.walk(0, 1, "old");
    await client.call(T.renameat, [u32(0), str("new"), u32(0), str("old")]);
    expect(await refused(client.getattr(1))).toBe(ENOENT);
    await client.walk(0, 2, "old");
    expect((await client.getattr(2)).byteLength).toBe(4n);
  });

  test("a fid is opened once, read only if it was opened for that, and a directory by listing only", async () => {
    await put("file", "x");
    await client.walk(0, 1, "file");
    expect(await refused(client.read(1, 0, 1))).toBe(EBADF);
    await client.open(1, 1);
    expect(await refused(client.open(1, 0))).toBe(EINVAL);
    expect(await refused(client.read(1, 0, 1))).toBe(EBADF);
    await client.walk(0, 2, "file");
    await client.open(2, 0);
    expect(await refused(client.write(2, 0, "x"))).toBe(EBADF);
    expect(await refused(client.readdir(2))).toBe(EBADF);
    await client.walk(0, 3);
    expect(await refused(client.open(3, 1))).toBe(EISDIR);
    await client.open(3, 0);
    expect(await refused(client.read(3, 0, 1))).toBe(EISDIR);
  });

  test("offsets that no file has are refused", async () => {
    await client.walk(0, 1);
    await client.create(1, "file");
    for (const offset of [1n << 63n, (1n << 64n) - 1n, 1n << 53n]) {
      expect(await refused(client.call(T.write, [u32(1), u64(offset), u32(1), raw(Uint8Array.of(1))]))).not.toBeNull();
      expect(await refused(client.call(T.read, [u32(1), u64(offset), u32(1)]))).not.toBeNull();
    }
    expect((await client.getattr(1)).byteLength).toBe(0n);
  });

  test("directories and files are removed as what they are", async () => {
    await client.mkdir(0, "d");
    await put("f", "");
    await client.walk(0, 1, "d");
    await client.mkdir(1, "sub");
    expect(await refused(client.call(T.unlinkat, [u32(0), str("d"), u32(0x200)]))).toBe(ENOTEMPTY);
    expect(await refused(client.call(T.unlinkat, [u32(0), str("d"), u32(0)]))).toBe(EISDIR);
    expect(await refused(client.call(T.unlinkat, [u32(0), str("f"), u32(0x200)]))).toBe(ENOTDIR);
    await client.call(T.unlinkat, [u32(1), str("sub"), u32(0x200)]);
    await client.call(T.remove, [u32(1)]);
    expect(await refused(client.clunk(1))).toBe(EBADF);
    expect(await refused(client.call(T.remove, [u32(0)]))).toBe(EBUSY);
    expect(folder.root().list()).toEqual(["f"]);
  });

  test("extended attributes are said not to be there", async () => {
    expect(await refused(client.call(T.xattrwalk, [u32(0), u32(1), str("user.x")]))).toBe(EOPNOTSUPP);
  });
});

describe("9P: directories", () => {
  test("reading goes on where it stopped, though entries come and go meanwhile", async () => {
    const names = Array.from({ length: 200 }, (_, index) => `file${index}`);
    for (const name of names) await put(name, "");
    await client.walk(0, 1);
    await client.open(1);
    const seen: string[] = [];
    let removed = 0;
    for (let offset = 0; ; ) {
      const entries = await client.readdir(1, offset, 400);
      if (entries.length === 0) break;
      seen.push(...entries.map(({ name }) => name));
      offset = entries.at(-1)!.offset;
      // Behind the reader, and in front of it.
      await client.call(T.unlinkat, [u32(0), str(names[removed]!), u32(0)]);
      await client.call(T.unlinkat, [u32(0), str(names[199 - removed]!), u32(0)]);
      removed++;
      await put(`new${removed}`, "");
    }
    expect(seen.slice(0, 2)).toEqual([".", ".."]);
    expect(new Set(seen).size).toBe(seen.length);
    // Everything that was there all the time.
    for (const name of names.slice(removed, 200 - removed)) expect(seen).toContain(name);
  });

  test("reading from the start again sees what is there now", async () => {
    await client.walk(0, 1);
    await client.open(1);
    expect((await client.readdir(1)).map(({ name }) => name)).toEqual([".", ".."]);
    await put("new", "");
    expect((await client.readdir(1)).map(({ name }) => name)).toEqual([".", "..", "new"]);
  });

  test("entries have the kinds and identities of their files", async () => {
    await put("file", "");
    await client.mkdir(0, "directory");
    await client.call(T.symlink, [u32(0), str("link"), str("file"), u32(0)]);
    await client.walk(0, 1);
    await client.open(1);
    const found = new Map((await client.readdir(1)).map((entry) => [entry.name, entry]));
    // DT_REG, DT_DIR, DT_LNK of readdir(3).
    expect(["file", "directory", "link", ".", ".."].map((name) => found.get(name)!.type)).toEqual([8, 4, 10, 4, 4]);
    const [file] = await client.walk(0, 2, "file");
    expect(found.get("file")!.qid).toEqual(file);
  });
});

test("9P: entries of a long listing are whole, wherever they stand in it", async () => {
  for (let index = 0; index < 300; index++) await put(`file${index}`, "");
  await client.walk(0, 1);
  await client.open(1);
  const entries = await client.readdir(1);
  expect(entries.length).toBe(302);
  expect(new Set(entries.slice(2).map(({ type }) => type))).toEqual(new Set([8]));
  expect(entries.map(({ offset }) => offset)).toEqual(entries.map((_, index) => index + 1));
});

describe("9P: bounds", () => {
  const ENFILE = 23;

  test("open files", async () => {
    await put("file", "");
    for (let fid = 1; fid <= 4096; fid++) {
      await client.walk(0, fid, "file");
      await client.open(fid);
    }
    await client.walk(0, 5000, "file");
    expect(await refused(client.open(5000))).toBe(ENFILE);
    await client.clunk(17);
    await client.open(5000);
  });

  test("a directory can be renamed however many of its files are referred to", async () => {
    const session = new Session(endlessFolder());
    await new P9Client(session).begin();
    const walk = manyWalks(session, 0, "directory");
    for (let fid = 1; fid <= 150_000; fid++) walk(fid, fid);
    const rename = encode(T.renameat, 1, [u32(0), str("directory"), u32(0), str("other")]);
    expect((session.serve(rename, 4096) as Uint8Array)[4]).toBe(T.renameat + 1);
    expect(walk(150_001, 1)[4]).toBe(T.walk + 1);
  });

  test("fids, without which a walk fails; and places that a fid has left are forgotten", async () => {
    const session = new Session(endlessFolder());
    await new P9Client(session).begin();
    session.serve(encode(T.walk, 1, [u32(0), u32(1), u16(1), str("first")]), 4096);
    const walk = manyWalks(session, 1, "..");
    for (let count = 0; count < (1 << 18) + 10; count++) {
      if (walk(1, count)[4] !== T.walk + 1) throw new Error(`walk ${count} failed`);
    }
    for (let fid = 2; fid < 1 << 18; fid++) walk(fid, 0);
    expect(Buffer.from(walk(1 << 18, 0)).readUInt32LE(7)).toBe(ENFILE);
  });

  test("directories below each other", async () => {
    await client.walk(0, 1);
    let depth = 0;
    while ((await refused(client.mkdir(1, "d"))) === null && (await refused(client.walk(1, 1, "d"))) === null) depth++;
    expect(depth).toBe(250);
    expect(await refused(client.walk(1, 2, ".."))).toBeNull();
  });

  test("locks", async () => {
    await put("file", "");
    await client.walk(0, 1, "file");
    await client.open(1, 2);
    const lock = (start: number) =>
      client.call(T.lock, [u32(1), u8(1), u32(0), u64(start), u64(1), u32(1), str("guest")]);
    let start = 0;
    while ((await refused(lock(start))) === null) start += 2;
    expect(start / 2).toBeGreaterThan(1000);
    expect(start / 2).toBeLessThanOrEqual(1024);
  });
});

describe("9P: locks", () => {
  const lock = async (fid: number, kind: number, start: number, length: number, process: number) => {
    const fields = [u32(fid), u8(kind), u32(0), u64(start), u64(length), u32(process), str("guest")];
    return (await client.call(T.lock, fields)).u8();
  };

  test("a range that somebody else writes is blocked until it is given up", async () => {
    await put("file", "");
    await client.walk(0, 1, "file");
    await client.open(1, 2);
    expect(await lock(1, WRITE_LOCK, 10, 10, 1)).toBe(SUCCESS);
    expect(await lock(1, WRITE_LOCK, 0, 10, 2)).toBe(SUCCESS);
    expect(await lock(1, READ_LOCK, 19, 1, 2)).toBe(BLOCKED);
    expect(await lock(1, READ_LOCK, 0, 0, 2)).toBe(BLOCKED);
    const held = await client.call(T.getlock, [u32(1), u8(WRITE_LOCK), u64(5), u64(0), u32(3), str("guest")]);
    expect([held.u8(), held.u64(), held.u64(), held.u32(), held.string()]).toEqual([1, 10n, 10n, 1, "guest"]);
    expect(await lock(1, UNLOCK, 12, 2, 1)).toBe(SUCCESS);
    expect(await lock(1, READ_LOCK, 12, 2, 2)).toBe(SUCCESS);
    expect(await lock(1, READ_LOCK, 11, 2, 2)).toBe(BLOCKED);
  });

  test("machines that share a folder see each other's locks, and what one leaves behind is free", async () => {
    await put("file", "");
    await client.walk(0, 1, "file");
    await client.open(1, 2);
    expect(await lock(1, WRITE_LOCK, 0, 0, 1)).toBe(SUCCESS);
    const session = new Session(folder);
    const other = new P9Client(session);
    await other.begin();
    await other.walk(0, 1, "file");
    await other.open(1, 2);
    const take = async () => {
      const fields = [u32(1), u8(WRITE_LOCK), u32(0), u64(0), u64(0), u32(1), str("guest")];
      return (await other.call(T.lock, fields)).u8();
    };
    expect(await take()).toBe(BLOCKED);
    await client.begin();
    expect(await take()).toBe(SUCCESS);
  });
});

test("9P: nothing is changed in a read-only folder", async () => {
  await put("file", "x");
  await client.mkdir(0, "d");
  // The same files, read-only.
  const readOnly: SharedFolder = {
    readOnly: true,
    root: () => folder.root(),
    statistics: () => folder.statistics(),
  };
  client = new P9Client(new Session(readOnly));
  await client.begin();
  await client.walk(0, 1, "file");
  const changes = [
    () => client.open(1, 1),
    () => client.open(1, 2),
    () => client.open(1, 0o1000),
    () => client.create(0, "new"),
    () => client.mkdir(0, "new"),
    () => client.call(T.symlink, [u32(0), str("new"), str("x"), u32(0)]),
    () => client.call(T.mknod, [u32(0), str("new"), u32(0o100644), u32(0), u32(0), u32(0)]),
    () => client.call(T.link, [u32(0), u32(1), str("new")]),
    () => client.call(T.rename, [u32(1), u32(0), str("new")]),
    () => client.call(T.renameat, [u32(0), str("file"), u32(0), str("new")]),
    () => client.call(T.unlinkat, [u32(0), str("file"), u32(0)]),
    () => client.call(T.unlinkat, [u32(0), str("d"), u32(0x200)]),
    () => client.call(T.setattr, [u32(1), u32(1), u32(0o777), ...[0, 0].map(u32), ...[0, 0, 0, 0, 0].map(u64)]),
    () => client.call(T.remove, [u32(1)]),
  ];
  for (const change of changes) expect(await refused(change())).toBe(EROFS);
  expect(folder.root().list()).toEqual(["file", "d"]);
  await client.walk(0, 2, "file");
  await client.open(2);
  expect(await client.read(2, 0, 10)).toBe("x");
});

test("9P: what a session refers to survives being saved, renamed files and positions included", async () => {
  const session = new Session(folder);
  client = new P9Client(session);
  await client.begin();
  for (const name of ["a", "b", "c"]) await put(name, name);
  await client.walk(0, 1, "a");
  await client.open(1, 2);
  await client.call(T.renameat, [u32(0), str("a"), u32(0), str("z")]);
  await client.walk(0, 2, "b");
  await client.walk(0, 3);
  await client.open(3);
  const [first] = await client.readdir(3, 0, 40);
  await client.walk(0, 4, "c");
  await client.open(4);
  await client.call(T.unlinkat, [u32(0), str("c"), u32(0)]);
  const restored = new Session(folder);
  restored.load(session.save());
  expect(restored.save()).toEqual(session.save());
  client = new P9Client(restored);
  expect(await client.read(1, 0, 10)).toBe("a");
  await client.write(1, 0, "A");
  expect((await client.getattr(2)).byteLength).toBe(1n);
  expect((await client.readdir(3, first!.offset)).map(({ name }) => name)).not.toContain(first!.name);
  // Without a name it cannot be found again.
  expect(await refused(client.read(4, 0, 1))).toBe(ENOENT);
  await client.clunk(4);
});

describe("9P: a folder that takes its time", () => {
  /** Whose files are read when the test says so. */
  class SlowFolder implements SharedFolder {
    readonly readOnly = false;
    readonly waiting: (() => void)[] = [];
    closedCount = 0;
    async root(): Promise<FolderDirectory> {
      const directory = folder.root();
      const openFile: FolderDirectory["openFile"] = async (name, access) => {
        const file = await directory.openFile(name, access);
        const slow: FolderFile = {
          attributes: async () => file.attributes(),
          read: async (offset, into) => {
            await new Promise<void>((resolve) => this.waiting.push(resolve));
            return file.read(offset, into);
          },
          write: async (offset, from) => file.write(offset, from),
          change: async (change) => file.change(change),
          sync: async () => {},
          close: () => {
            this.closedCount++;
          },
        };
        return slow;
      };
      return new Proxy(directory, {
        get: (target, name) => {
          if (name === "openFile") return openFile;
          const value = Reflect.get(target, name) as unknown;
          return typeof value === "function" ? async (...args: unknown[]) => value.apply(target, args) : value;
        },
      });
    }
    async statistics() {
      return folder.statistics();
    }
  }

  let slow: SlowFolder;
  let session: Session;
  beforeEach(async () => {
    await put("file", "content");
    slow = new SlowFolder();
    session = new Session(slow);
    client = new P9Client(session);
    await client.begin();
    await client.walk(0, 1, "file");
    await client.open(1);
  });
  const settle = () => new Promise((resolve) => setTimeout(resolve, 5));

  test("a flush is answered after what it flushes", async () => {
    const answers: string[] = [];
    const read = client.call(T.read, [u32(1), u64(0), u32(10)], 50).then(() => answers.push("read"));
    const flush = client.call(T.flush, [u16(50)], 51).then(() => answers.push("flush"));
    await client.call(T.flush, [u16(49)], 52).then(() => answers.push("other flush"));
    await settle();
    expect(answers).toEqual(["other flush"]);
    slow.waiting.shift()!();
    await Promise.all([read, flush]);
    expect(answers).toEqual(["other flush", "read", "flush"]);
  });

  test("a fid may be given up, and the session reset, while one of its reads waits", async () => {
    const read = refused(client.read(1, 0, 10));
    await settle();
    await client.clunk(1);
    expect(slow.closedCount).toBe(1);
    const other = client.begin();
    slow.waiting.shift()!();
    expect(await read).toBeNull();
    await other;
  });

  test("of two that create at the same time one succeeds, and nothing stays open", async () => {
    await client.walk(0, 2);
    const results = await Promise.all(["x", "y"].map((name) => refused(client.create(2, name))));
    expect(results.filter((each) => each === null).length).toBe(1);
    const made = session.save().fids.find(({ fid }) => fid === 2);
    expect(made?.path).toBe(results[0] === null ? "/x" : "/y");
  });

  test("a lock that is granted after its client has gone is nobody's", async () => {
    const fields = [u32(1), u8(WRITE_LOCK), u32(0), u64(0), u64(0), u32(1), str("guest")];
    const late = refused(client.call(T.lock, fields));
    session.reset();
    expect(await late).toBe(EBADF);
    const other = new P9Client(new Session(slow));
    await other.begin();
    await other.walk(0, 1, "file");
    await other.open(1);
    expect((await other.call(T.lock, fields)).u8()).toBe(SUCCESS);
  });

  test("a restored file that is given up while it is opened again does not stay open", async () => {
    const restored = new Session(slow);
    restored.load(session.save());
    client = new P9Client(restored);
    const before = slow.closedCount;
    const read = refused(client.read(1, 0, 1));
    await client.clunk(1);
    expect(await read).toBe(EBADF);
    expect(slow.closedCount).toBe(before + 1);
  });
});

test("9P: a file that is made deeper than a client may go is closed again", async () => {
  const depthMax = 250;
  const opened: FolderFile[] = [];
  const closed: unknown[] = [];
  const watched = (directory: FolderDirectory): FolderDirectory =>
    Object.assign(Object.create(directory) as FolderDirectory, {
      find: (name: string) => directory.find(name),
      makeDirectory: (...args: Parameters<FolderDirectory["makeDirectory"]>) => directory.makeDirectory(...args),
      openDirectory: async (name: string) => watched(await directory.openDirectory(name)),
      createFile: async (...args: Parameters<FolderDirectory["createFile"]>) => {
        const file = await directory.createFile(...args);
        opened.push(file);
        file.close = () => closed.push(file);
        return file;
      },
      close: () => directory.close(),
    });
  const root = watched(await folder.root());
  client = new P9Client(new Session({ readOnly: false, root: () => root, statistics: () => folder.statistics() }));
  await client.begin();
  await client.walk(0, 1);
  for (let depth = 0; depth < depthMax; depth++) {
    await client.mkdir(1, "d");
    await client.walk(1, 1, "d");
  }
  expect(await refused(client.create(1, "file"))).toBe(ENAMETOOLONG);
  expect(opened.length).toBe(1);
  expect(closed).toEqual(opened);
});
