import { beforeEach, describe, expect, test } from "vitest";
import {
  VIRTIO_BLK_F_CONFIG_WCE,
  VIRTIO_BLK_F_DISCARD,
  VIRTIO_BLK_F_FLUSH,
  VIRTIO_BLK_F_MQ,
  VIRTIO_BLK_F_RO,
  VIRTIO_BLK_F_WRITE_ZEROES,
  VirtioBlk,
} from "../../../host/devices/virtio/blk.js";
import {
  DRIVER_FEATURES,
  INTERRUPT_USED_BUFFER,
  STATUS,
  STATUS_NEEDS_RESET,
} from "../../../host/devices/virtio/mmio-registers.js";
import { VirtioMmioTransport } from "../../../host/devices/virtio/mmio-transport.js";
import { featureSet, hasFeature } from "../../../host/devices/virtio/virtio-device.js";
import type { BlockBackend } from "../../../host/storage/block-backend.js";
import { MemoryBlockBackend } from "../../../host/storage/memory.js";
import { VirtioBench, virtioDeviceContract } from "../../contracts/virtio-device-contract.js";
import { FakeRam } from "../fake-ram.js";
import { type MockQueue, RING_FEATURES, type UsedBuffer } from "./mock-driver.js";

const IN = 0;
const OUT = 1;
const FLUSH = 4;
const GET_ID = 8;
const DISCARD = 11;
const WRITE_ZEROES = 13;
const OK = 0;
const IOERR = 1;
const UNSUPP = 2;

const SECTOR = 512;
const DISK_BYTE_LENGTH = 64 * SECTOR;

type Operation = { readonly name: string; readonly resolve: () => void; readonly reject: () => void };

/** A disk in memory whose operations end when the test says so, and which writes down what it is asked. */
class ManualBackend implements BlockBackend {
  readonly readOnly: boolean;
  readonly #disk: MemoryBlockBackend;
  readonly operations: Operation[] = [];

  constructor(contents: Uint8Array, readOnly = false) {
    this.readOnly = readOnly;
    this.#disk = new MemoryBlockBackend(contents);
  }

  get byteLength(): number {
    return this.#disk.byteLength;
  }

  get names(): string[] {
    return this.operations.map(({ name }) => name);
  }

  read = (offset: number, into: Uint8Array) =>
    this.#later(`read ${offset / SECTOR}`, () => this.#disk.read(offset, into));
  write = (offset: number, from: Uint8Array) =>
    this.#later(`write ${offset / SECTOR}`, () => this.#disk.write(offset, from));
  writeZeroes = (offset: number, byteLength: number, unmap: boolean) =>
    this.#later(`zeroes ${offset / SECTOR} ${byteLength / SECTOR} ${unmap}`, () =>
      this.#disk.writeZeroes(offset, byteLength, unmap),
    );
  discard = (offset: number, byteLength: number) =>
    this.#later(`discard ${offset / SECTOR} ${byteLength / SECTOR}`, () => this.#disk.discard(offset, byteLength));
  flush = () => this.#later("flush", () => this.#disk.flush());
  close = () => this.#disk.close();

  /** Ends the pending operation of this name. */
  async finish(name: string, how: "resolve" | "reject" = "resolve"): Promise<void> {
    const index = this.operations.findIndex((operation) => operation.name === name);
    if (index < 0) throw new Error(`${name} is not pending; pending are: ${this.names.join(", ")}`);
    const [operation] = this.operations.splice(index, 1);
    operation![how]();
    await settled();
  }

  #later(name: string, run: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.operations.push({ name, resolve: () => resolve(run()), reject: () => reject(new Error("bad sector")) });
    });
  }
}

/** Lets every promise that can go on go on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function header(type: number, sector: number | bigint = 0): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setBigUint64(8, BigInt(sector), true);
  return bytes;
}

function range(sector: number | bigint, count: number, flags = 0): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(sector), true);
  view.setUint32(8, count, true);
  view.setUint32(12, flags, true);
  return bytes;
}

const sectors = (count: number, fill: number) => new Uint8Array(count * SECTOR).fill(fill);
const statusOf = ({ bytes }: UsedBuffer) => bytes.at(-1);

let contents: Uint8Array;
let blk: VirtioBlk;
let bench: VirtioBench;
let queue: MockQueue;

function start(device: VirtioBlk, features?: bigint): void {
  blk = device;
  bench = new VirtioBench(blk);
  [queue] = bench.driver.start(features ?? bench.driver.offeredFeatures(), 64) as [MockQueue];
}

/** Makes one request and waits for its answer. */
async function ask(readable: readonly Uint8Array[], writable: readonly number[]): Promise<UsedBuffer> {
  queue.send(readable, writable);
  await blk.drain();
  const used = queue.takeUsed();
  expect(used.length).toBe(1);
  return used[0]!;
}

beforeEach(() => {
  contents = Uint8Array.from({ length: DISK_BYTE_LENGTH }, (_, index) => (index >> 9) + 1);
  start(new VirtioBlk(new MemoryBlockBackend(contents), { serial: "serial-1" }));
});

describe("virtio-blk: configuration", () => {
  test("it shows capacity, block size, segments and limits", () => {
    const { driver } = bench;
    expect([driver.config(0, 4), driver.config(4, 4)]).toEqual([64, 0]);
    expect([driver.config(12, 4), driver.config(20, 4), driver.config(34, 2)]).toEqual([254, 512, 1]);
    expect([driver.config(24, 1), driver.config(25, 1), driver.config(26, 2), driver.config(28, 4)]).toEqual([
      3, 0, 8, 0,
    ]);
    expect([driver.config(36, 4), driver.config(40, 4), driver.config(44, 4)]).toEqual([1 << 21, 16, 1]);
    expect([driver.config(48, 4), driver.config(52, 4), driver.config(56, 1)]).toEqual([1 << 21, 16, 1]);
    expect(driver.config(60, 4)).toBe(0);
  });

  test("a disk that can be written offers discards and zeroes, a read-only one says so instead", () => {
    const writable = new VirtioBlk(new MemoryBlockBackend(contents)).features;
    const readOnly = new VirtioBlk(new MemoryBlockBackend(contents, { readOnly: true })).features;
    for (const feature of [VIRTIO_BLK_F_DISCARD, VIRTIO_BLK_F_WRITE_ZEROES]) {
      expect([hasFeature(writable, feature), hasFeature(readOnly, feature)]).toEqual([true, false]);
    }
    expect([hasFeature(writable, VIRTIO_BLK_F_RO), hasFeature(readOnly, VIRTIO_BLK_F_RO)]).toEqual([false, true]);
  });

  test("a serial longer than GET_ID can answer is refused", () => {
    expect(() => new VirtioBlk(new MemoryBlockBackend(contents), { serial: "x".repeat(21) })).toThrow(
      "at most 20 bytes",
    );
  });
});

describe("virtio-blk: reads at once", () => {
  class CountingBackend extends MemoryBlockBackend {
    readonly reads: number[] = [];

    override async read(offset: number, into: Uint8Array): Promise<void> {
      this.reads.push(offset / SECTOR);
      await super.read(offset, into);
    }
  }

  test("what the backend has at once is there when the kick is over, with its interrupt", () => {
    start(new VirtioBlk(new CountingBackend(contents), { inOrder: false }));
    queue.send([header(IN, 5)], [SECTOR, 1]);
    const [used] = queue.takeUsed();
    expect(used?.bytes).toEqual(Uint8Array.of(...sectors(1, 6), OK));
    expect(used?.byteLength).toBe(SECTOR + 1);
    expect(bench.driver.takeInterrupts()).toBe(INTERRUPT_USED_BUFFER);
    expect(blk.traffic).toMatchObject({ reads: 1, readByteLength: SECTOR });
  });

  test("where requests complete in order, a run does not depend on what the backend has at once", async () => {
    start(new VirtioBlk(new CountingBackend(contents), { inOrder: true }));
    queue.send([header(IN, 5)], [SECTOR, 1]);
    expect(queue.takeUsed()).toEqual([]);
    await blk.drain();
    expect(queue.takeUsed().length).toBe(1);
  });

  test("a read does not overtake the write before it", async () => {
    start(new VirtioBlk(new CountingBackend(contents), { inOrder: false }));
    queue.add([header(OUT, 5), sectors(1, 0xab)], [1]);
    queue.add([header(IN, 5)], [SECTOR, 1]);
    queue.kick();
    expect(queue.takeUsed()).toEqual([]);
    await blk.drain();
    expect(queue.takeUsed().map(({ bytes }) => bytes.length)).toEqual([1, SECTOR + 1]);
  });

  test("a kick reads a quarter of a mebibyte at once, and the rest later", async () => {
    const backend = new CountingBackend(new Uint8Array(1 << 20));
    blk = new VirtioBlk(backend, { inOrder: false });
    bench = new VirtioBench(blk, new FakeRam(8 << 20));
    [queue] = bench.driver.start() as [MockQueue];
    for (const sector of [0, 512]) queue.add([header(IN, sector)], [200 << 10, 1]);
    queue.kick();
    expect(queue.takeUsed().length).toBe(1);
    await blk.drain();
    expect(queue.takeUsed().length).toBe(1);
    expect(backend.reads).toEqual([512]);
  });

  test("a backend that cannot answer at once is asked for later, and tells of its failure then", async () => {
    class Failing extends CountingBackend {
      override tryRead(): boolean {
        throw new Error("bad sector");
      }
      override async read(): Promise<void> {
        throw new Error("bad sector");
      }
    }
    const failures: unknown[] = [];
    start(new VirtioBlk(new Failing(contents), { inOrder: false, onFailure: (error) => failures.push(error) }));
    expect(statusOf(await ask([header(IN, 5)], [SECTOR, 1]))).toBe(IOERR);
    expect(failures.length).toBe(1);
  });
});

describe("virtio-blk: requests", () => {
  test("IN reads sectors", async () => {
    const used = await ask([header(IN, 5)], [2 * SECTOR, 1]);
    expect(used.bytes).toEqual(Uint8Array.of(...sectors(1, 6), ...sectors(1, 7), OK));
    expect(used.byteLength).toBe(2 * SECTOR + 1);
    expect(bench.driver.takeInterrupts()).toBe(INTERRUPT_USED_BUFFER);
  });

  test("OUT writes sectors", async () => {
    const used = await ask([header(OUT, 62), sectors(2, 0xaa)], [1]);
    expect([statusOf(used), used.byteLength]).toEqual([OK, 1]);
    expect(contents.subarray(62 * SECTOR)).toEqual(sectors(2, 0xaa));
    expect(contents[62 * SECTOR - 1]).toBe(62);
  });

  test("header, data and status may be split in any way", async () => {
    const out = [header(OUT, 1), sectors(1, 0x55)].flatMap((part) => [...part]);
    const pieces = [out.slice(0, 3), out.slice(3, 17), out.slice(17, 200), out.slice(200)].map((p) =>
      Uint8Array.from(p),
    );
    expect(statusOf(await ask(pieces, [1]))).toBe(OK);
    const used = await ask([header(IN, 1).subarray(0, 8), header(IN, 1).subarray(8)], [1, 100, 411, 1]);
    expect(used.bytes).toEqual(Uint8Array.of(...sectors(1, 0x55), OK));
  });

  test("requests larger than one piece of work are whole", async () => {
    const large = new Uint8Array(5 * (1 << 19));
    for (let index = 0; index < large.length; index++) large[index] = (index * 31) >> 7;
    blk = new VirtioBlk(new MemoryBlockBackend(new Uint8Array(large.length)));
    bench = new VirtioBench(blk, new FakeRam(8 << 20));
    [queue] = bench.driver.start() as [MockQueue];
    expect(statusOf(await ask([header(OUT, 0), large], [1]))).toBe(OK);
    const used = await ask([header(IN, 0)], [large.length, 1]);
    expect(Buffer.compare(used.bytes.subarray(0, -1), large)).toBe(0);
  });

  test("GET_ID answers the serial, padded with zeroes, as far as there is room", async () => {
    const used = await ask([header(GET_ID)], [20, 1]);
    expect(Buffer.from(used.bytes).toString("latin1")).toBe(`serial-1${"\0".repeat(13)}`);
    expect(used.byteLength).toBe(21);
    const short = await ask([header(GET_ID)], [3, 1]);
    expect(Buffer.from(short.bytes).toString("latin1")).toBe("ser\0");
  });

  test("DISCARD and WRITE_ZEROES take several ranges", async () => {
    expect(statusOf(await ask([header(WRITE_ZEROES), range(1, 2), range(9, 1, 1)], [1]))).toBe(OK);
    const zeroed = Array.from({ length: 64 }, (_, sector) => sector).filter(
      (sector) => contents[sector * SECTOR] === 0,
    );
    expect(zeroed).toEqual([1, 2, 9]);
    expect(statusOf(await ask([header(DISCARD), range(0, 64)], [1]))).toBe(OK);
  });

  test("FLUSH succeeds", async () => {
    expect(statusOf(await ask([header(FLUSH)], [1]))).toBe(OK);
  });

  test.each([
    ["IN beyond the end", [header(IN, 64)], [SECTOR, 1]],
    ["IN across the end", [header(IN, 63)], [2 * SECTOR, 1]],
    ["IN at a sector beyond 2^53", [header(IN, 0xffff_ffff_ffff_ffffn)], [SECTOR, 1]],
    ["IN of part of a sector", [header(IN, 0)], [100, 1]],
    ["OUT across the end", [header(OUT, 63), sectors(2, 0)], [1]],
    ["OUT of part of a sector", [header(OUT, 0), new Uint8Array(10)], [1]],
    ["DISCARD without a range", [header(DISCARD)], [1]],
    ["DISCARD with part of a range", [header(DISCARD), new Uint8Array(15)], [1]],
    ["DISCARD with too many ranges", [header(DISCARD), ...Array.from({ length: 17 }, () => range(0, 1))], [1]],
    ["WRITE_ZEROES across the end", [header(WRITE_ZEROES), range(60, 5)], [1]],
    ["WRITE_ZEROES of which one range is beyond the end", [header(WRITE_ZEROES), range(0, 1), range(64, 1)], [1]],
  ])("%s is an I/O error that the disk does not hear of", async (_what, readable, writable) => {
    start(new VirtioBlk(new ManualBackend(contents)));
    expect(statusOf(await ask(readable, writable))).toBe(IOERR);
  });

  test.each([
    ["an unknown type", [header(99)]],
    ["DISCARD with the unmap flag", [header(DISCARD), range(0, 1, 1)]],
    ["WRITE_ZEROES with an unknown flag", [header(WRITE_ZEROES), range(0, 1, 2)]],
  ])("%s is not supported", async (_what, readable) => {
    expect(statusOf(await ask(readable, [1]))).toBe(UNSUPP);
  });

  test("a failed IN claims no data", async () => {
    const used = await ask([header(IN, 64)], [SECTOR, 1]);
    expect(used.byteLength).toBe(0);
  });

  test.each([
    ["OUT", [header(OUT, 0), sectors(1, 0)]],
    ["WRITE_ZEROES", [header(WRITE_ZEROES), range(0, 1)]],
    ["DISCARD", [header(DISCARD), range(0, 1)]],
  ])("%s is an I/O error that a read-only disk does not hear of", async (_what, readable) => {
    start(new VirtioBlk(new ManualBackend(contents, true)));
    expect(statusOf(await ask(readable, [1]))).toBe(IOERR);
  });

  test.each([
    ["a header that is too short", [new Uint8Array(15)], [1]],
    ["no room for a status", [header(IN, 0)], []],
  ])("%s leaves the device in need of a reset", (_what, readable, writable) => {
    queue.send(readable, writable);
    expect(bench.driver.status & STATUS_NEEDS_RESET).toBe(STATUS_NEEDS_RESET);
    expect(bench.transport.fault).toBe("a block request without room for its header and status");
  });
});

describe("virtio-blk: several requests in flight", () => {
  let backend: ManualBackend;

  beforeEach(() => {
    backend = new ManualBackend(contents);
    start(new VirtioBlk(backend));
  });

  test("a kick only starts the work", () => {
    queue.send([header(IN, 0)], [SECTOR, 1]);
    queue.send([header(IN, 1)], [SECTOR, 1]);
    expect(queue.takeUsed()).toEqual([]);
    expect(backend.names).toEqual(["read 0", "read 1"]);
  });

  test("they complete in the order they were made, whichever ends first", async () => {
    const heads = [0, 1, 2].map((sector) => queue.send([header(IN, sector)], [SECTOR, 1]));
    await backend.finish("read 2");
    await backend.finish("read 1");
    expect(queue.takeUsed()).toEqual([]);
    expect(bench.line.level).toBe(false);
    await backend.finish("read 0");
    const used = queue.takeUsed();
    expect(used.map(({ head }) => head)).toEqual(heads);
    expect(used.map(({ bytes }) => bytes[0])).toEqual([1, 2, 3]);
    expect(bench.line.riseCount).toBe(1);
  });

  test("a flush waits for the writes before it, not for those after it", async () => {
    queue.send([header(OUT, 0), sectors(1, 9)], [1]);
    queue.send([header(FLUSH)], [1]);
    queue.send([header(OUT, 1), sectors(1, 9)], [1]);
    expect(backend.names).toEqual(["write 0", "write 1"]);
    await backend.finish("write 0");
    expect(backend.names).toEqual(["write 1", "flush"]);
    await backend.finish("flush");
    expect(queue.takeUsed().map(statusOf)).toEqual([OK, OK]);
  });

  test("what a write writes is settled when it is made", async () => {
    queue.send([header(OUT, 0), sectors(1, 9)], [1]);
    bench.ram.bytes.fill(0x77, 0x8000);
    await backend.finish("write 0");
    expect(contents[0]).toBe(9);
  });

  test("a backend's failure is an I/O error for that request alone", async () => {
    queue.send([header(IN, 0)], [SECTOR, 1]);
    queue.send([header(OUT, 1), sectors(1, 9)], [1]);
    queue.send([header(IN, 2)], [SECTOR, 1]);
    await backend.finish("read 0", "reject");
    await backend.finish("write 1", "reject");
    await backend.finish("read 2");
    expect(queue.takeUsed().map(statusOf)).toEqual([IOERR, IOERR, OK]);
    expect(bench.driver.status & STATUS_NEEDS_RESET).toBe(0);
  });

  test("at most 32 are given to the backend at a time; the others follow", async () => {
    bench = new VirtioBench(blk, new FakeRam(1 << 20));
    [queue] = bench.driver.start(bench.driver.offeredFeatures(), 128) as [MockQueue];
    for (let sector = 0; sector < 40; sector++) queue.add([header(IN, sector)], [SECTOR, 1]);
    queue.kick();
    expect(backend.operations.length).toBe(32);
    while (backend.operations.length > 0) await backend.finish(backend.names[0]!);
    expect(queue.takeUsed().map(({ bytes }) => bytes[0])).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
  });

  test("a reset drops them: nothing reaches the driver's memory any more", async () => {
    queue.send([header(IN, 0)], [SECTOR, 1]);
    queue.send([header(OUT, 1), sectors(1, 9)], [1]);
    bench.driver.write(STATUS, 0);
    const before = bench.ram.bytes.slice();
    await backend.finish("read 0");
    await backend.finish("write 1");
    expect(Buffer.compare(bench.ram.bytes, before)).toBe(0);
    expect(bench.line.level).toBe(false);
  });

  test("requests after a reset wait for what is left of before", async () => {
    queue.send([header(OUT, 0), sectors(1, 9)], [1]);
    [queue] = bench.driver.start(bench.driver.offeredFeatures()) as [MockQueue];
    queue.send([header(OUT, 0), sectors(1, 8)], [1]);
    expect(backend.names).toEqual(["write 0"]);
    await backend.finish("write 0");
    expect(queue.takeUsed()).toEqual([]);
    await backend.finish("write 0");
    expect(queue.takeUsed().map(statusOf)).toEqual([OK]);
    expect(contents[0]).toBe(8);
  });

  test("drain resolves when all of them have been answered", async () => {
    for (let sector = 0; sector < 20; sector++) queue.add([header(IN, sector)], [SECTOR, 1]);
    queue.kick();
    let isDrained = false;
    const drained = blk.drain().then(() => {
      isDrained = true;
    });
    while (backend.operations.length > 0) {
      expect(isDrained).toBe(false);
      await backend.finish(backend.names[0]!);
    }
    await drained;
    expect(queue.takeUsed().length).toBe(20);
  });

  test("while they are in flight the device cannot be saved", async () => {
    queue.send([header(FLUSH)], [1]);
    expect(() => bench.transport.save()).toThrow("virtio-blk: saved with 1 requests in flight");
    await backend.finish("flush");
    expect(bench.transport.save().device).toEqual({ writeback: true });
  });

  test.each([
    ["which did not accept FLUSH", RING_FEATURES, false, true],
    ["which accepted FLUSH", RING_FEATURES | featureSet(VIRTIO_BLK_F_FLUSH), false, false],
    ["which switched the cache off", RING_FEATURES | featureSet(VIRTIO_BLK_F_CONFIG_WCE), true, true],
  ])("a driver %s: writes are flushed one by one: %#", async (_what, features, switchOff, isFlushed) => {
    start(new VirtioBlk(backend), features);
    expect(bench.driver.config(32, 1)).toBe(1);
    if (switchOff) bench.transport.write(0x100 + 32, 0, 1);
    expect(bench.driver.config(32, 1)).toBe(switchOff ? 0 : 1);
    queue.send([header(OUT, 0), sectors(1, 9)], [1]);
    await backend.finish("write 0");
    expect(backend.names).toEqual(isFlushed ? ["flush"] : []);
    if (isFlushed) await backend.finish("flush");
    expect(queue.takeUsed().map(statusOf)).toEqual([OK]);
  });
});

describe("virtio-blk: several requests in flight, in any order", () => {
  let backend: ManualBackend;
  let failures: unknown[];

  beforeEach(() => {
    backend = new ManualBackend(contents);
    failures = [];
    start(new VirtioBlk(backend, { inOrder: false, onFailure: (error) => failures.push(error) }));
  });

  test("each completes when the backend ends it", async () => {
    const heads = [0, 1, 2].map((sector) => queue.send([header(IN, sector)], [SECTOR, 1]));
    await backend.finish("read 2");
    await backend.finish("read 0");
    const used = queue.takeUsed();
    expect(used.map(({ head }) => head)).toEqual([heads[2], heads[0]]);
    expect(used.map(({ bytes }) => bytes[0])).toEqual([3, 1]);
    await backend.finish("read 1");
    expect(queue.takeUsed().map(({ bytes }) => bytes[0])).toEqual([2]);
  });

  test("a flush waits for the writes before it, not for reads", async () => {
    queue.send([header(OUT, 0), sectors(1, 9)], [1]);
    queue.send([header(IN, 5)], [SECTOR, 1]);
    queue.send([header(FLUSH)], [1]);
    queue.send([header(IN, 6)], [SECTOR, 1]);
    expect(backend.names).toEqual(["write 0", "read 5", "read 6"]);
    await backend.finish("write 0");
    expect(backend.names).toEqual(["read 5", "read 6", "flush"]);
    await backend.finish("read 6");
    await backend.finish("flush");
    expect(queue.takeUsed().map(statusOf)).toEqual([OK, OK, OK]);
  });

  test("whoever keeps the machine is told why a request failed", async () => {
    queue.send([header(IN, 0)], [SECTOR, 1]);
    await backend.finish("read 0", "reject");
    expect(queue.takeUsed().map(statusOf)).toEqual([IOERR]);
    expect(failures).toEqual([new Error("bad sector")]);
  });
});

describe("virtio-blk: several queues", () => {
  test("their number is offered, and each is answered in itself", async () => {
    const device = new VirtioBlk(new MemoryBlockBackend(contents), { queueCount: 3 });
    const several = new VirtioBench(device);
    const queues = several.driver.start(several.driver.offeredFeatures(), 16);
    expect(hasFeature(several.driver.offeredFeatures(), VIRTIO_BLK_F_MQ)).toBe(true);
    expect([several.driver.config(34, 2), queues.length]).toEqual([3, 3]);
    for (const [index, each] of queues.entries()) each.send([header(IN, index)], [SECTOR, 1]);
    await device.drain();
    expect(queues.map((each) => each.takeUsed().map(({ bytes }) => bytes[0]))).toEqual([[1], [2], [3]]);
  });

  test("a flush in one waits for the writes before it in another", async () => {
    const backend = new ManualBackend(contents);
    const device = new VirtioBlk(backend, { queueCount: 2, inOrder: false });
    const several = new VirtioBench(device);
    const queues = several.driver.start(several.driver.offeredFeatures(), 16);
    queues[0]!.send([header(OUT, 0), sectors(1, 9)], [1]);
    queues[1]!.send([header(FLUSH)], [1]);
    expect(backend.names).toEqual(["write 0"]);
    await backend.finish("write 0");
    expect(backend.names).toEqual(["flush"]);
    await backend.finish("flush");
    expect(queues.map((each) => each.takeUsed().map(statusOf))).toEqual([[OK], [OK]]);
  });

  test("one queue is no reason to offer several", () => {
    expect(hasFeature(new VirtioBlk(new MemoryBlockBackend(contents)).features, VIRTIO_BLK_F_MQ)).toBe(false);
  });
});

test("virtio-blk: a driver as simple as that of xv6 is served", async () => {
  // It accepts no ring features and does not look at the upper half of the features, VERSION_1 included.
  const { driver } = bench;
  const accepted = driver.offeredFeatures() & 0xffff_ffffn & ~featureSet(5, 7, 11, 12, 27, 28, 29);
  driver.write(STATUS, 0);
  driver.write(STATUS, 1);
  driver.write(STATUS, 3);
  driver.write(DRIVER_FEATURES, Number(accepted));
  driver.write(STATUS, 0xb);
  expect(driver.status).toBe(0xb);
  [queue] = driver.createQueues(accepted, 8) as [MockQueue];
  driver.write(STATUS, 0xf);
  const used = await ask([header(IN, 2)], [2 * SECTOR, 1]);
  expect(used.bytes).toEqual(Uint8Array.of(...sectors(1, 3), ...sectors(1, 4), OK));
});

test("virtio-blk: a restored device goes on serving its driver's queue", async () => {
  await ask([header(OUT, 3), sectors(1, 0xcc)], [1]);
  const restored = new VirtioBlk(new MemoryBlockBackend(contents));
  const transport = new VirtioMmioTransport(restored, { interrupt: bench.line, ram: bench.ram, interface: "modern" });
  transport.load(bench.transport.save());
  queue.add([header(IN, 3)], [SECTOR, 1]);
  transport.write(0x50, 0, 4);
  await restored.drain();
  const [used] = queue.takeUsed();
  expect(used?.bytes).toEqual(Uint8Array.of(...sectors(1, 0xcc), OK));
});

virtioDeviceContract("virtio-blk", 2, () => {
  const device = new VirtioBlk(new MemoryBlockBackend(new Uint8Array(DISK_BYTE_LENGTH)), { serial: "serial" });
  const examples = [
    { queue: 0, readable: [header(IN, 3)], writable: [SECTOR, 1] },
    { queue: 0, readable: [header(OUT, 5), sectors(1, 0xff)], writable: [1] },
    { queue: 0, readable: [header(FLUSH)], writable: [1] },
    { queue: 0, readable: [header(GET_ID)], writable: [20, 1] },
    { queue: 0, readable: [header(WRITE_ZEROES), range(7, 2), range(0, 1, 1)], writable: [1] },
    { queue: 0, readable: [header(DISCARD), range(7, 2)], writable: [1] },
  ];
  return { device, eagerQueue: 0, examples, settle: () => device.drain() };
});
