/**
 * Virtio block device: request queues before a BlockBackend.
 *
 * | offset | configuration space                                                              |
 * |--------|----------------------------------------------------------------------------------|
 * | 0      | capacity u64: sectors of 512 bytes                                               |
 * | 12     | seg_max u32: segments of data in a request                                       |
 * | 20     | blk_size u32: 512                                                                |
 * | 24     | physical_block_exp u8: blocks of 4 KiB, alignment_offset u8, min_io_size u16, opt_io_size u32 |
 * | 32     | writeback u8, writable: 0 makes each write stable before it completes            |
 * | 34     | num_queues u16                                                                   |
 * | 36     | max_discard_sectors u32, max_discard_seg u32, discard_sector_alignment u32       |
 * | 48     | max_write_zeroes_sectors u32, max_write_zeroes_seg u32, write_zeroes_may_unmap u8 |
 *
 * Several requests are worked on at a time. They complete as the backend ends them, or, where a run must be the same
 * every time, in the order they were made: what a guest sees then depends on when the backend is waited for, not on
 * which of two of its operations happens to end first.
 *
 * Where the order is free, small reads that the backend has at once are answered within the kick.
 *
 * Source: virtio 1.2 section 5.2.
 */
import { type BlockBackend, SECTOR_BYTE_LENGTH } from "../../storage/block-backend.js";
import { dataView, utf8 } from "../../util/bytes.js";
import { assert, unreachable, VivariumError } from "../../util/errors.js";
import { flag, type StateOf, schema } from "../../util/schema.js";
import type { Width } from "../device.js";
import {
  BLK_HEADER_BYTE_LENGTH,
  BLK_ID_BYTE_LENGTH,
  BLK_RANGE_SECTORS_MAX,
  BLK_RANGES_MAX,
  BLK_S_IOERR,
  BLK_S_OK,
  type BlkRequest,
  type DiskRange,
  dataToDriver,
  parseBlkRequest,
} from "./blk-request.js";
import { BufferPool } from "./buffer-pool.js";
import type { DescriptorChain } from "./descriptor-chain.js";
import { featureSet, hasFeature, VIRTIO_ID_BLOCK, type VirtioDevice, type VirtioDriver } from "./virtio-device.js";

export const VIRTIO_BLK_F_SEG_MAX = 2;
export const VIRTIO_BLK_F_RO = 5;
export const VIRTIO_BLK_F_BLK_SIZE = 6;
export const VIRTIO_BLK_F_FLUSH = 9;
export const VIRTIO_BLK_F_TOPOLOGY = 10;
export const VIRTIO_BLK_F_CONFIG_WCE = 11;
export const VIRTIO_BLK_F_MQ = 12;
export const VIRTIO_BLK_F_DISCARD = 13;
export const VIRTIO_BLK_F_WRITE_ZEROES = 14;

const QUEUE_MAX_SIZE = 256;
/** A chain with a header, a status and this many segments fits the queue without an indirect table. */
const SEGMENTS_MAX = QUEUE_MAX_SIZE - 2;

const CONFIG_BYTE_LENGTH = 60;
const CONFIG_CAPACITY = 0;
const CONFIG_SEG_MAX = 12;
const CONFIG_BLK_SIZE = 20;
const CONFIG_PHYSICAL_BLOCK_EXP = 24;
const CONFIG_MIN_IO_SIZE = 26;
const CONFIG_WRITEBACK = 32;
const CONFIG_NUM_QUEUES = 34;
const CONFIG_MAX_DISCARD_SECTORS = 36;
const CONFIG_MAX_DISCARD_SEG = 40;
const CONFIG_DISCARD_SECTOR_ALIGNMENT = 44;
const CONFIG_MAX_WRITE_ZEROES_SECTORS = 48;
const CONFIG_MAX_WRITE_ZEROES_SEG = 52;
const CONFIG_WRITE_ZEROES_MAY_UNMAP = 56;

/** Physical blocks of 4 KiB, as a power of two of the logical ones. */
const PHYSICAL_BLOCK_EXP = 3;

/** Requests that the backend works on at a time, and the bytes each may hold meanwhile: both bound our memory. */
const RUNNING_MAX = 32;
const PIECE_BYTE_LENGTH = 1 << 20;

/** Bytes that are read within a kick: what the host's cache gives in some ten microseconds. */
const NOW_BYTE_LENGTH_MAX = 256 << 10;

const blkSchema = schema("virtio-blk", 1, {
  writeback: flag("writeback in the configuration space"),
});
type BlkFields = typeof blkSchema.fields;
type BlkState = StateOf<BlkFields>;

/** What the driver is told about a request. */
interface Outcome {
  readonly status: number;
  /** Bytes of data in the driver's buffers. */
  readonly written: number;
}

/** What a device has moved since it was made. */
export interface BlkTraffic {
  readonly reads: number;
  readonly readByteLength: number;
  readonly writes: number;
  readonly writtenByteLength: number;
}

/** A request the driver has made and not been answered. */
interface Job {
  readonly driver: VirtioDriver;
  readonly queueIndex: number;
  readonly chain: DescriptorChain;
  readonly request: BlkRequest;
  running: boolean;
  outcome: Outcome | null;
}

export interface VirtioBlkOptions {
  /** What GET_ID answers, at most 20 bytes in UTF-8. */
  readonly serial?: string | undefined;
  /** Request queues, such as one a hart. */
  readonly queueCount?: number;
  /** Whether requests complete in the order they were made. */
  readonly inOrder?: boolean;
  /** Told of each request that the backend could not do. */
  readonly onFailure?: ((error: unknown) => void) | undefined;
}

export class VirtioBlk implements VirtioDevice<BlkFields> {
  readonly schema = blkSchema;
  readonly deviceId = VIRTIO_ID_BLOCK;
  readonly features: bigint;
  readonly queueMaxSizes: readonly number[];
  readonly configGeneration = 0;
  readonly #backend: BlockBackend;
  readonly #id: Uint8Array;
  readonly #inOrder: boolean;
  readonly #onFailure: (error: unknown) => void;
  readonly #buffers = new BufferPool(PIECE_BYTE_LENGTH, RUNNING_MAX);
  #writeback = true;
  readonly #traffic = { reads: 0, readByteLength: 0, writes: 0, writtenByteLength: 0 };
  #driver: VirtioDriver | null = null;
  /** Jobs of the present driver, oldest first. */
  #jobs: Job[] = [];
  /** What the backend is working on, and for which driver: this one or one before a reset. */
  readonly #tasks = new Map<Promise<void>, VirtioDriver>();

  /** @throws VivariumError `drive-serial` if the serial is too long */
  constructor(backend: BlockBackend, options: VirtioBlkOptions = {}) {
    const { serial = "", queueCount = 1, inOrder = true, onFailure = () => {} } = options;
    this.#backend = backend;
    this.#id = deviceId(serial);
    this.queueMaxSizes = new Array<number>(queueCount).fill(QUEUE_MAX_SIZE);
    this.#inOrder = inOrder;
    this.#onFailure = onFailure;
    this.features = featuresOf(backend, queueCount);
  }

  /** Requests that were done, each counted once, and their bytes. */
  get traffic(): BlkTraffic {
    return { ...this.#traffic };
  }

  get config(): Uint8Array {
    const config = new Uint8Array(CONFIG_BYTE_LENGTH);
    const view = dataView(config);
    view.setBigUint64(CONFIG_CAPACITY, BigInt(this.#backend.byteLength / SECTOR_BYTE_LENGTH), true);
    view.setUint32(CONFIG_SEG_MAX, SEGMENTS_MAX, true);
    view.setUint32(CONFIG_BLK_SIZE, SECTOR_BYTE_LENGTH, true);
    view.setUint8(CONFIG_WRITEBACK, Number(this.#writeback));
    view.setUint8(CONFIG_PHYSICAL_BLOCK_EXP, PHYSICAL_BLOCK_EXP);
    view.setUint16(CONFIG_MIN_IO_SIZE, 1 << PHYSICAL_BLOCK_EXP, true);
    view.setUint16(CONFIG_NUM_QUEUES, this.queueMaxSizes.length, true);
    view.setUint32(CONFIG_MAX_DISCARD_SECTORS, BLK_RANGE_SECTORS_MAX, true);
    view.setUint32(CONFIG_MAX_DISCARD_SEG, BLK_RANGES_MAX, true);
    view.setUint32(CONFIG_DISCARD_SECTOR_ALIGNMENT, 1, true);
    view.setUint32(CONFIG_MAX_WRITE_ZEROES_SECTORS, BLK_RANGE_SECTORS_MAX, true);
    view.setUint32(CONFIG_MAX_WRITE_ZEROES_SEG, BLK_RANGES_MAX, true);
    view.setUint8(CONFIG_WRITE_ZEROES_MAY_UNMAP, 1);
    return config;
  }

  writeConfig(offset: number, value: number, width: Width): void {
    if (offset !== CONFIG_WRITEBACK || width !== 1 || this.#driver === null) return;
    if (hasFeature(this.#driver.features, VIRTIO_BLK_F_CONFIG_WCE)) this.#writeback = (value & 1) !== 0;
  }

  start(driver: VirtioDriver): void {
    this.#driver = driver;
  }

  kick(queueIndex: number): void {
    const driver = this.#driver;
    if (driver === null) return;
    let budget = NOW_BYTE_LENGTH_MAX;
    for (const chain of driver.queue(queueIndex).chains()) {
      const request = parseBlkRequest(chain, this.#backend);
      if (request === null) {
        driver.needsReset("a block request without room for its header and status");
        return;
      }
      const job = { driver, queueIndex, chain, request, running: false, outcome: null };
      const outcome = this.#tryNow(request, chain, budget);
      if (outcome === null) {
        this.#jobs.push(job);
      } else {
        budget -= outcome.written;
        giveBack(driver, job, outcome);
        this.#count(request);
      }
    }
    driver.queue(queueIndex).notify();
    this.#runJobs();
  }

  /**
   * Firmware looks into the used ring until its sector is there, without waiting for an interrupt: what the backend has
   * at once is answered within the kick, or each request would take it a slice.
   *
   * @param budget bytes that may be read so
   * @returns null for a request that becomes a job
   */
  #tryNow(request: BlkRequest, chain: DescriptorChain, budget: number): Outcome | null {
    // In order, a run does not depend on what the backend has at once. Jobs are not overtaken.
    if (this.#inOrder || request.kind !== "read" || request.byteLength > budget) return null;
    if (this.#jobs.length > 0 || this.#tasks.size > 0) return null;
    const piece = new Uint8Array(request.byteLength);
    try {
      if (this.#backend.tryRead?.(request.offset, piece) !== true) return null;
    } catch {
      // Asked again, the backend says to `onFailure` what is wrong.
      return null;
    }
    chain.writable.write(0, piece);
    return { status: BLK_S_OK, written: request.byteLength };
  }

  /** Requests in flight are dropped: the driver does not hear of them any more. */
  stop(): void {
    this.#driver = null;
    this.#jobs = [];
    this.#writeback = true;
  }

  reset(): void {
    this.stop();
  }

  /** Resolves when every request made so far has been answered and the backend is idle. */
  async drain(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.all(this.#tasks.keys());
  }

  /** Requests in flight cannot be saved: `drain` first. */
  save(): BlkState {
    assert(this.#jobs.length === 0, `virtio-blk: saved with ${this.#jobs.length} requests in flight`);
    return { writeback: this.#writeback };
  }

  load(state: BlkState): void {
    this.stop();
    this.#writeback = state.writeback;
  }

  /** Starts what may start, oldest first. */
  #runJobs(): void {
    // What is left of before a reset must not overtake, or be overtaken by, what comes after it.
    for (const driver of this.#tasks.values()) if (driver !== this.#driver) return;
    let isWriting = false;
    for (const job of this.#jobs) {
      if (this.#tasks.size >= RUNNING_MAX) return;
      // A flush covers the writes before it, so it waits for them.
      const mustWait = job.request.kind === "flush" && isWriting;
      if (!job.running && job.outcome === null && !mustWait) this.#run(job);
      isWriting ||= job.outcome === null && changesDisk(job.request);
    }
  }

  #run(job: Job): void {
    job.running = true;
    const task = this.#perform(job).then((outcome) => {
      this.#tasks.delete(task);
      job.running = false;
      job.outcome = outcome;
      if (outcome.status === BLK_S_OK) this.#count(job.request);
      this.#answer();
      this.#runJobs();
    });
    this.#tasks.set(task, job.driver);
  }

  #count(request: BlkRequest): void {
    if (request.kind === "read") {
      this.#traffic.reads++;
      this.#traffic.readByteLength += request.byteLength;
    } else if (request.kind === "write") {
      this.#traffic.writes++;
      this.#traffic.writtenByteLength += request.byteLength;
    }
  }

  /** Gives jobs back that are done; in order, those up to the first that is not. */
  #answer(): void {
    const driver = this.#driver;
    if (driver === null) return;
    const waiting: Job[] = [];
    const answered = new Set<number>();
    for (const job of this.#jobs) {
      if (job.outcome === null || (this.#inOrder && waiting.length > 0)) {
        waiting.push(job);
      } else {
        giveBack(driver, job, job.outcome);
        answered.add(job.queueIndex);
      }
    }
    this.#jobs = waiting;
    for (const queueIndex of answered) driver.queue(queueIndex).notify();
  }

  async #perform(job: Job): Promise<Outcome> {
    const { request, chain } = job;
    switch (request.kind) {
      case "read":
        return this.#read(job, request);
      case "write":
        return this.#write(job, request);
      case "flush":
        return this.#outcomeOf(() => this.#backend.flush());
      case "discard":
        return this.#outcomeOf(() => forEach(request.ranges, (range) => this.#discard(range)));
      case "write-zeroes":
        return this.#outcomeOf(async () => {
          await forEach(request.ranges, (range) => this.#writeZeroes(range, range.unmap));
          await this.#settle(job);
        });
      case "identify": {
        const id = this.#id.subarray(0, dataToDriver(chain));
        chain.writable.write(0, id);
        return { status: BLK_S_OK, written: id.length };
      }
      case "refuse":
        return { status: request.status, written: 0 };
      default:
        return unreachable(request);
    }
  }

  async #read(job: Job, { offset, byteLength }: DiskRange): Promise<Outcome> {
    let written = 0;
    while (written < byteLength) {
      const pieceByteLength = Math.min(PIECE_BYTE_LENGTH, byteLength - written);
      const status = await this.#buffers.with(pieceByteLength, (piece) => this.#readPiece(job, offset, written, piece));
      if (status !== BLK_S_OK || job.driver !== this.#driver) return { status, written };
      written += pieceByteLength;
    }
    return { status: BLK_S_OK, written };
  }

  async #readPiece(job: Job, offset: number, done: number, piece: Uint8Array): Promise<number> {
    const { status } = await this.#outcomeOf(() => this.#backend.read(offset + done, piece));
    // After a reset the buffers are the driver's again.
    if (status === BLK_S_OK && job.driver === this.#driver) job.chain.writable.write(done, piece);
    return status;
  }

  async #write(job: Job, { offset, byteLength }: DiskRange): Promise<Outcome> {
    let taken = 0;
    while (taken < byteLength && job.driver === this.#driver) {
      const pieceByteLength = Math.min(PIECE_BYTE_LENGTH, byteLength - taken);
      const outcome = await this.#buffers.with(pieceByteLength, (piece) => {
        job.chain.readable.read(BLK_HEADER_BYTE_LENGTH + taken, piece);
        return this.#outcomeOf(() => this.#backend.write(offset + taken, piece));
      });
      if (outcome.status !== BLK_S_OK) return outcome;
      taken += pieceByteLength;
    }
    return this.#outcomeOf(() => this.#settle(job));
  }

  async #discard({ offset, byteLength }: DiskRange): Promise<void> {
    if (byteLength > 0) await this.#backend.discard(offset, byteLength);
  }

  async #writeZeroes({ offset, byteLength }: DiskRange, unmap: boolean): Promise<void> {
    if (byteLength > 0) await this.#backend.writeZeroes(offset, byteLength, unmap);
  }

  /** A backend's failure is the driver's I/O error. */
  async #outcomeOf(operation: () => Promise<void>): Promise<Outcome> {
    try {
      await operation();
      return { status: BLK_S_OK, written: 0 };
    } catch (error) {
      this.#onFailure(error);
      return { status: BLK_S_IOERR, written: 0 };
    }
  }

  /** A driver that cannot or does not want to flush gets its writes stable one by one (section 5.2.6.2). */
  async #settle({ driver }: Job): Promise<void> {
    const writeback = hasFeature(driver.features, VIRTIO_BLK_F_CONFIG_WCE)
      ? this.#writeback
      : hasFeature(driver.features, VIRTIO_BLK_F_FLUSH);
    if (!writeback) await this.#backend.flush();
  }
}

function featuresOf({ readOnly }: BlockBackend, queueCount: number): bigint {
  return (
    featureSet(VIRTIO_BLK_F_SEG_MAX, VIRTIO_BLK_F_BLK_SIZE, VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_CONFIG_WCE) |
    featureSet(VIRTIO_BLK_F_TOPOLOGY) |
    (queueCount > 1 ? featureSet(VIRTIO_BLK_F_MQ) : 0n) |
    (readOnly ? featureSet(VIRTIO_BLK_F_RO) : featureSet(VIRTIO_BLK_F_DISCARD, VIRTIO_BLK_F_WRITE_ZEROES))
  );
}

function deviceId(serial: string): Uint8Array {
  const bytes = utf8(serial);
  if (bytes.length > BLK_ID_BYTE_LENGTH) {
    const message = `a drive's serial has at most ${BLK_ID_BYTE_LENGTH} bytes, "${serial}" has ${bytes.length}`;
    throw new VivariumError("drive-serial", message, { serial });
  }
  const id = new Uint8Array(BLK_ID_BYTE_LENGTH);
  id.set(bytes);
  return id;
}

function giveBack(driver: VirtioDriver, { queueIndex, chain }: Job, { status, written }: Outcome): void {
  const statusOffset = dataToDriver(chain);
  chain.writable.write(statusOffset, Uint8Array.of(status));
  // The length given back covers what was written without a gap from the start on (section 2.7.8.2).
  driver.queue(queueIndex).push(chain, written === statusOffset ? statusOffset + 1 : written);
}

/** Whether the request's effect is one that a flush makes last. */
function changesDisk({ kind }: BlkRequest): boolean {
  return kind === "write" || kind === "write-zeroes" || kind === "discard";
}

async function forEach<T>(items: readonly T[], visit: (item: T) => Promise<void>): Promise<void> {
  for (const item of items) await visit(item);
}
