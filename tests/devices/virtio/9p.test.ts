import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { Virtio9p } from "../../../host/devices/virtio/9p.js";
import { STATUS_NEEDS_RESET } from "../../../host/devices/virtio/mmio-registers.js";
import { MemoryFolder } from "../../../host/share/memory-folder.js";
import type { FolderDirectory, FolderFile, SharedFolder } from "../../../host/share/shared-folder.js";
import { VirtioBench, virtioDeviceContract } from "../../contracts/virtio-device-contract.js";
import { encode, NOTAG, Reply, raw, str, T, u8, u16, u32, u64 } from "../../share/p9-client.js";
import { FakeRam } from "../fake-ram.js";
import type { MockQueue } from "./mock-driver.js";

const nowNs = () => 1_700_000_000_000_000_000n;

/** A folder with a file "file" and a directory "d". */
function smallFolder(): MemoryFolder {
  const folder = new MemoryFolder({ nowNs, capacity: 1 << 22 });
  const ours = { permissions: 0o755, uid: 0, gid: 0 };
  const access = { read: true, write: true, append: false, truncate: false, sync: false };
  const root = folder.root() as {
    createFile: FolderDirectory["createFile"];
    makeDirectory: FolderDirectory["makeDirectory"];
  };
  (root.createFile("file", access, ours) as FolderFile).write(0, new TextEncoder().encode("content"));
  root.makeDirectory("d", ours);
  return folder;
}

/** The same, but every answer takes its time. @param onWaiting called with how many are waited for */
function slowFolder(onWaiting: (count: number) => void = () => {}): SharedFolder {
  let waiting = 0;
  const later = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(object, name) {
        const value = Reflect.get(object, name) as unknown;
        if (typeof value !== "function" || name === "close") return value;
        return async (...args: unknown[]) => {
          onWaiting(++waiting);
          await new Promise((resolve) => setImmediate(resolve));
          waiting--;
          const result: unknown = await value.apply(object, args);
          return typeof result === "object" && result !== null && "close" in result ? later(result) : result;
        };
      },
    });
  return later(smallFolder());
}

const VERSION = encode(T.version, NOTAG, [u32(8192), str("9P2000.L")]);
const ATTACH = encode(T.attach, 1, [u32(0), u32(0xffff_ffff), str("u"), str(""), u32(0)]);
const walk = (newFid: number, ...names: string[]) =>
  encode(T.walk, 2, [u32(0), u32(newFid), u16(names.length), ...names.map(str)]);

/** Requests that make sense one after the other. */
const SENSIBLE: readonly Uint8Array[] = [
  VERSION,
  ATTACH,
  walk(1, "file"),
  encode(T.lopen, 3, [u32(1), u32(2)]),
  encode(T.write, 4, [u32(1), u64(3), u32(3), raw(Uint8Array.of(1, 2, 3))]),
  encode(T.read, 5, [u32(1), u64(0), u32(100)]),
  encode(T.getattr, 6, [u32(1), u64(0x7ff)]),
  encode(T.setattr, 7, [u32(1), u32(0x1bf), u32(0o600), u32(1), u32(2), ...[50_000, 1, 2, 3, 4].map(u64)]),
  walk(2, "d"),
  encode(T.lopen, 8, [u32(2), u32(0)]),
  encode(T.readdir, 9, [u32(2), u64(0), u32(4000)]),
  walk(3),
  encode(T.lcreate, 10, [u32(3), str("new"), u32(0o102), u32(0o644), u32(0)]),
  encode(T.mkdir, 11, [u32(0), str("e"), u32(0o755), u32(0)]),
  encode(T.symlink, 12, [u32(0), str("l"), str("file"), u32(0)]),
  encode(T.link, 13, [u32(0), u32(1), str("h")]),
  encode(T.mknod, 14, [u32(0), str("p"), u32(0o010644), u32(0), u32(0), u32(0)]),
  encode(T.renameat, 15, [u32(0), str("d"), u32(0), str("dd")]),
  encode(T.rename, 16, [u32(1), u32(2), str("moved")]),
  encode(T.unlinkat, 17, [u32(0), str("l"), u32(0)]),
  encode(T.lock, 18, [u32(1), u8(1), u32(1), u64(0), u64(0), u32(7), str("guest")]),
  encode(T.getlock, 19, [u32(1), u8(1), u64(0), u64(0), u32(8), str("guest")]),
  encode(T.fsync, 20, [u32(1), u32(0)]),
  encode(T.statfs, 21, [u32(0)]),
  encode(T.flush, 22, [u16(5)]),
  encode(T.xattrwalk, 23, [u32(1), u32(9), str("user.x")]),
  encode(T.remove, 24, [u32(3)]),
  encode(T.clunk, 25, [u32(1)]),
];

let bench: VirtioBench;
let queue: MockQueue;

function begin(folder: SharedFolder, size = 64): Virtio9p {
  const device = new Virtio9p({ tag: "work", folder });
  bench = new VirtioBench(device, new FakeRam(1 << 22));
  [queue] = bench.driver.start(undefined, size) as [MockQueue];
  return device;
}

function call(message: Uint8Array, room = 8192): Reply {
  queue.send([message], [room]);
  const [used] = queue.takeUsed();
  return new Reply(Buffer.from(used!.bytes.subarray(0, used!.byteLength)));
}

describe("virtio-9p", () => {
  beforeEach(() => {
    begin(smallFolder());
  });

  test("the mount tag is in the configuration space", () => {
    expect(bench.driver.config(0, 2)).toBe(4);
    expect([2, 3, 4, 5].map((offset) => bench.driver.config(offset, 1))).toEqual([...Buffer.from("work")]);
  });

  test("a tag that no guest could mount is refused", () => {
    for (const tag of ["", "x".repeat(33)]) {
      expect(() => new Virtio9p({ tag, folder: smallFolder() })).toThrow("expected 1 to 32");
    }
  });

  test("requests are answered within the kick, and interrupt", () => {
    expect(call(VERSION).type).toBe(T.version + 1);
    expect(call(ATTACH).type).toBe(T.attach + 1);
    call(walk(1, "file"));
    call(encode(T.lopen, 3, [u32(1), u32(0)]));
    const reply = call(encode(T.read, 5, [u32(1), u64(0), u32(100)]));
    expect(reply.u32()).toBe(7);
    expect(reply.rest().toString()).toBe("content");
    expect(bench.driver.takeInterrupts()).toBe(1);
  });

  test("a request and its reply may be in many pieces", () => {
    call(VERSION);
    queue.add([ATTACH.subarray(0, 3), ATTACH.subarray(3, 8), ATTACH.subarray(8)], [1, 2, 3, 100]);
    queue.kick();
    const [used] = queue.takeUsed();
    expect(new Reply(Buffer.from(used!.bytes)).type).toBe(T.attach + 1);
    expect(used!.byteLength).toBe(20);
  });

  test("a driver that leaves no room for an answer breaks the device", () => {
    for (const [message, room] of [
      [VERSION, 10],
      [VERSION.subarray(0, 6), 100],
    ] as const) {
      begin(smallFolder());
      queue.send([message], [room]);
      expect(bench.driver.status & STATUS_NEEDS_RESET).toBe(STATUS_NEEDS_RESET);
    }
  });

  test("a reset forgets the session", () => {
    call(VERSION);
    call(ATTACH);
    [queue] = bench.driver.start(undefined, 64) as [MockQueue];
    expect(call(encode(T.clunk, 1, [u32(0)])).type).toBe(7);
  });
});

test("virtio-9p: with a folder that takes its time, sixteen requests at most wait at a time, and all are answered", async () => {
  let most = 0;
  const device = begin(
    slowFolder((count) => {
      most = Math.max(most, count);
    }),
    64,
  );
  for (const message of [VERSION, ATTACH, walk(1, "file"), encode(T.lopen, 3, [u32(1), u32(0)])]) {
    queue.send([message], [8192]);
    await device.drain();
  }
  queue.takeUsed();
  for (let tag = 0; tag < 30; tag++) queue.add([encode(T.read, tag, [u32(1), u64(0), u32(100)])], [200]);
  queue.kick();
  await device.drain();
  expect(most).toBe(16);
  const replies = queue.takeUsed().map(({ bytes }) => new Reply(Buffer.from(bytes)));
  expect(replies.map(({ tag }) => tag).sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, tag) => tag));
  for (const reply of replies) expect(reply.type).toBe(T.read + 1);
});

test("virtio-9p: an answer that comes after a reset reaches nobody", async () => {
  const device = begin(slowFolder());
  queue.send([VERSION], [8192]);
  queue.send([ATTACH], [8192]);
  const before = bench.ram.bytes.slice();
  bench.driver.negotiate(0n);
  before.set(bench.ram.bytes);
  await device.drain();
  expect(Buffer.from(bench.ram.bytes).equals(Buffer.from(before))).toBe(true);
});

test("virtio-9p: a driver that begins while all that an earlier one asked for still waits is answered", async () => {
  const device = begin(slowFolder());
  queue.send([VERSION], [8192]);
  for (let tag = 0; tag < 16; tag++) {
    queue.add([encode(T.attach, tag, [u32(tag), u32(0xffff_ffff), str("u"), str(""), u32(0)])], [200]);
  }
  queue.kick();
  [queue] = bench.driver.start(undefined, 64) as [MockQueue];
  queue.send([VERSION], [8192]);
  await device.drain();
  expect(queue.takeUsed().map(({ bytes }) => new Reply(Buffer.from(bytes)).type)).toEqual([T.version + 1]);
});

test("virtio-9p: sessions of any sensible and spoilt requests neither throw nor hang, and can be saved", async () => {
  const spoil = fc.record({
    message: fc.constantFrom(...SENSIBLE),
    at: fc.nat(60),
    bytes: fc.array(fc.constantFrom(0, 1, 2, 0x2e, 0x2f, 0x7f, 0x80, 0xff), { maxLength: 4 }),
    cut: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(20) }),
    room: fc.constantFrom(11, 20, 200, 8192),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(spoil, { maxLength: 40 }), fc.boolean(), async (steps, isSlow) => {
      const device = begin(isSlow ? slowFolder() : smallFolder(), 64);
      for (const message of SENSIBLE.slice(0, 4)) queue.send([message], [8192]);
      for (const { message, at, bytes, cut, room } of steps) {
        const spoilt = Uint8Array.from(message);
        if (at < spoilt.length - bytes.length) spoilt.set(bytes, at);
        const sent = spoilt.subarray(0, Math.max(7, spoilt.length - cut));
        queue.send([sent], [room]);
        if (isSlow) await device.drain();
        for (const used of queue.takeUsed()) {
          const reply = Buffer.from(used.bytes.subarray(0, used.byteLength));
          expect(reply.readUInt32LE()).toBe(reply.length);
        }
      }
      await device.drain();
      const state = device.save();
      const other = new Virtio9p({ tag: "work", folder: smallFolder() });
      other.load(state);
      expect(other.save().session.fids.length).toBe(state.session.fids.length);
    }),
    { numRuns: 300 },
  );
});

for (const [name, create] of [
  ["virtio-9p", smallFolder],
  ["virtio-9p, slow", slowFolder],
] as const) {
  virtioDeviceContract(name, 9, () => {
    const device = new Virtio9p({ tag: "work", folder: create() });
    return {
      device,
      eagerQueue: 0,
      examples: SENSIBLE.map((message) => ({ queue: 0, readable: [message], writable: [8, 500] })),
      settle: () => device.drain(),
    };
  });
}
