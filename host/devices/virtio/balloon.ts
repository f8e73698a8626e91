/**
 * Virtio balloon: memory that the guest gives back.
 *
 * | offset | configuration space                                                          |
 * |--------|------------------------------------------------------------------------------|
 * | 0      | num_pages u32: pages of 4 KiB that the host wants                             |
 * | 4      | actual u32: pages that the host has, written by the driver                    |
 * | 8      | free_page_hint_cmd_id u32: 0 stop, 1 done, else a round of hints              |
 *
 * | queue | carries                                                                        |
 * |-------|--------------------------------------------------------------------------------|
 * | 0, 1  | inflate, deflate: numbers of pages, u32 each                                   |
 * | 2     | statistics: tag u16, value u64 each; the device holds one buffer until it asks |
 * | next  | free page hints, if negotiated: the round's number, then blocks of free memory |
 * | next  | free page reports, if negotiated: blocks of free memory                        |
 *
 * Memory that the guest has given back is zeroed: a saved machine leaves it out. (Wasm has no way to give it back to the
 * host's kernel while the machine runs.)
 *
 * Source: virtio 1.2 section 5.5.
 */
import { dataView } from "../../util/bytes.js";
import { VivariumError } from "../../util/errors.js";
import { flag, type LiveStateOf, optional, type StateOf, schema, u16, u32 } from "../../util/schema.js";
import type { GuestRam, Width } from "../device.js";
import type { DescriptorChain } from "./descriptor-chain.js";
import { featureSet, hasFeature, VIRTIO_ID_BALLOON, type VirtioDevice, type VirtioDriver } from "./virtio-device.js";

const VIRTIO_BALLOON_F_STATS_VQ = 1;
const VIRTIO_BALLOON_F_FREE_PAGE_HINT = 3;
const VIRTIO_BALLOON_F_REPORTING = 5;

const INFLATE = 0;
const DEFLATE = 1;
const STATISTICS = 2;
const FIRST_OPTIONAL = 3;
const QUEUE_COUNT = 5;
const QUEUE_MAX_SIZE = 128;
/** For blocks of memory: Linux reports 32 at a time. */
const OPTIONAL_QUEUE_MAX_SIZE = 32;
/** Where there is no such queue. */
const NO_QUEUE = -1;

const CONFIG_BYTE_LENGTH = 12;
const CONFIG_NUM_PAGES = 0;
const CONFIG_ACTUAL = 4;
const CONFIG_FREE_PAGE_HINT_CMD_ID = 8;
const HINT_STOP = 0;
const HINT_DONE = 1;
const FIRST_HINT_ROUND = 2;

export const BALLOON_PAGE_BYTE_LENGTH = 4096;
/** Page numbers in one buffer: Linux sends 256. */
const PAGE_NUMBERS_MAX = 1024;
const PAGE_NUMBER_BYTE_LENGTH = 4;
const STATISTIC_BYTE_LENGTH = 10;
const STATISTICS_MAX = 64;

/** What a guest may tell of its memory, by its tag: virtio 1.2 section 5.5.6.4. */
const STATISTIC_NAMES = [
  "swapInByteLength",
  "swapOutByteLength",
  "majorFaults",
  "minorFaults",
  "freeByteLength",
  "totalByteLength",
  "availableByteLength",
  "cacheByteLength",
  "hugePageAllocations",
  "hugePageFailures",
] as const;
export type BalloonStatistics = Readonly<Partial<Record<(typeof STATISTIC_NAMES)[number], bigint>>>;

const balloonSchema = schema("virtio-balloon", 1, {
  targetPages: u32("num_pages"),
  actualPages: u32("actual"),
  configGeneration: u32("how often num_pages or the hint command has changed, modulo 2^32"),
  hintCommand: u32("free_page_hint_cmd_id"),
  lastHintRound: u32("the round of hints whose number was used last"),
  isHinting: flag("the driver has begun the round of hintCommand"),
  statisticsHead: optional(u16("the buffer for statistics that the device holds, by its first descriptor")),
});
type BalloonFields = typeof balloonSchema.fields;
type BalloonState = StateOf<BalloonFields>;
type Registers = LiveStateOf<BalloonFields>;

const POWER_ON: Readonly<Registers> = {
  targetPages: 0,
  actualPages: 0,
  configGeneration: 0,
  hintCommand: HINT_STOP,
  lastHintRound: FIRST_HINT_ROUND - 1,
  isHinting: false,
  statisticsHead: null,
};

export class VirtioBalloon implements VirtioDevice<BalloonFields> {
  readonly schema = balloonSchema;
  readonly deviceId = VIRTIO_ID_BALLOON;
  readonly features = featureSet(
    VIRTIO_BALLOON_F_STATS_VQ,
    VIRTIO_BALLOON_F_FREE_PAGE_HINT,
    VIRTIO_BALLOON_F_REPORTING,
  );
  readonly queueMaxSizes = Array.from({ length: QUEUE_COUNT }, (_, index) =>
    index < FIRST_OPTIONAL ? QUEUE_MAX_SIZE : OPTIONAL_QUEUE_MAX_SIZE,
  );
  readonly #ram: GuestRam;
  #registers: Registers = { ...POWER_ON };
  #givenByteLength = 0;
  #driver: VirtioDriver | null = null;
  #awaitStatistics: ((statistics: BalloonStatistics | null) => void)[] = [];
  #awaitHints: (() => void)[] = [];

  /** @param ram the guest's memory */
  constructor(ram: GuestRam) {
    this.#ram = ram;
  }

  get config(): Uint8Array {
    const config = new Uint8Array(CONFIG_BYTE_LENGTH);
    const view = dataView(config);
    view.setUint32(CONFIG_NUM_PAGES, this.#registers.targetPages, true);
    view.setUint32(CONFIG_ACTUAL, this.#registers.actualPages, true);
    view.setUint32(CONFIG_FREE_PAGE_HINT_CMD_ID, this.#registers.hintCommand, true);
    return config;
  }

  get configGeneration(): number {
    return this.#registers.configGeneration;
  }

  /** What the guest has given back on request, in bytes. */
  get byteLength(): number {
    return this.#registers.actualPages * BALLOON_PAGE_BYTE_LENGTH;
  }

  /** What the guest has been asked to give back, in bytes. */
  get targetByteLength(): number {
    return this.#registers.targetPages * BALLOON_PAGE_BYTE_LENGTH;
  }

  /** All that has been given back so far by whatever way, in bytes; the guest may have taken it again. For people. */
  get givenByteLength(): number {
    return this.#givenByteLength;
  }

  /**
   * Asks the guest to give so much of its memory back, or to take it again down to that. It does what it can, when it
   * can: `byteLength` says how far it is.
   *
   * @throws VivariumError `balloon/target` when the machine has no such amount
   */
  setTarget(byteLength: number): void {
    this.checkTarget(byteLength);
    this.#registers.targetPages = byteLength / BALLOON_PAGE_BYTE_LENGTH;
    this.#configHasChanged();
  }

  protected checkTarget(byteLength: number): void {
    const pages = byteLength / BALLOON_PAGE_BYTE_LENGTH;
    if (!Number.isInteger(pages) || pages < 0 || byteLength > this.#ram.byteLength) {
      const message = `a balloon of ${byteLength} bytes; expected a multiple of ${BALLOON_PAGE_BYTE_LENGTH} up to ${this.#ram.byteLength}`;
      throw new VivariumError("balloon/target", message, { byteLength });
    }
  }

  /** Asks the guest how it stands with its memory; null when it cannot say. */
  statistics(): Promise<BalloonStatistics | null> {
    const queue = this.#hasFeature(VIRTIO_BALLOON_F_STATS_VQ) ? this.#driver?.queue(STATISTICS) : undefined;
    if (queue === undefined) return Promise.resolve(null);
    const answer = new Promise<BalloonStatistics | null>((resolve) => this.#awaitStatistics.push(resolve));
    const { statisticsHead } = this.#registers;
    if (statisticsHead !== null) {
      this.#registers.statisticsHead = null;
      queue.pushHead(statisticsHead, 0);
      queue.notify();
    }
    return answer;
  }

  /** Lets the guest give back all that it has free now, for as long as the call takes. Resolves at once without driver. */
  takeFreePages(): Promise<void> {
    if (!this.#hasFeature(VIRTIO_BALLOON_F_FREE_PAGE_HINT)) return Promise.resolve();
    const done = new Promise<void>((resolve) => this.#awaitHints.push(resolve));
    const registers = this.#registers;
    if (registers.hintCommand < FIRST_HINT_ROUND) {
      registers.lastHintRound = registers.lastHintRound >= 0xffff_ffff ? FIRST_HINT_ROUND : registers.lastHintRound + 1;
      registers.hintCommand = registers.lastHintRound;
      this.#configHasChanged();
    }
    return done;
  }

  writeConfig(offset: number, value: number, width: Width): void {
    if (offset === CONFIG_ACTUAL && width === 4) this.#registers.actualPages = value;
  }

  start(driver: VirtioDriver): void {
    this.#driver = driver;
  }

  kick(queueIndex: number): void {
    switch (queueIndex) {
      case INFLATE:
        this.#takeBuffers(queueIndex, (chain) => this.#inflate(chain));
        return;
      case DEFLATE:
        // What the guest takes back is zero, and its own.
        this.#takeBuffers(queueIndex, () => {});
        return;
      case STATISTICS:
        this.#takeStatistics();
        return;
      case this.#hintQueue:
        this.#takeBuffers(queueIndex, (chain) => this.#takeHint(chain));
        return;
      case this.#reportQueue:
        this.#takeBuffers(queueIndex, (chain) => this.#drop(chain));
        return;
      default:
        return;
    }
  }

  /** The driver is gone, and the memory is the guest's again; what the host wants stays. */
  stop(): void {
    this.#driver = null;
    const { targetPages, configGeneration, lastHintRound } = this.#registers;
    this.#registers = { ...POWER_ON, targetPages, configGeneration, lastHintRound };
    this.#endWaiting();
  }

  reset(): void {
    this.#driver = null;
    this.#registers = { ...POWER_ON };
    this.#endWaiting();
  }

  save(): BalloonState {
    return { ...this.#registers };
  }

  load(state: BalloonState): void {
    this.reset();
    this.#registers = { ...state };
  }

  #hasFeature(feature: number): boolean {
    return this.#driver !== null && hasFeature(this.#driver.features, feature);
  }

  /** Queues that were not negotiated do not exist, and those behind them move up. */
  get #hintQueue(): number {
    return this.#hasFeature(VIRTIO_BALLOON_F_FREE_PAGE_HINT) ? FIRST_OPTIONAL : NO_QUEUE;
  }

  get #reportQueue(): number {
    if (!this.#hasFeature(VIRTIO_BALLOON_F_REPORTING)) return NO_QUEUE;
    return this.#hasFeature(VIRTIO_BALLOON_F_FREE_PAGE_HINT) ? FIRST_OPTIONAL + 1 : FIRST_OPTIONAL;
  }

  #configHasChanged(): void {
    this.#registers.configGeneration = (this.#registers.configGeneration + 1) >>> 0;
    this.#driver?.configChanged();
  }

  #endWaiting(): void {
    for (const resolve of this.#awaitStatistics.splice(0)) resolve(null);
    for (const resolve of this.#awaitHints.splice(0)) resolve();
  }

  /** Takes what there is in a queue and gives it back. All of it together is not more than the guest's memory. */
  #takeBuffers(queueIndex: number, take: (chain: DescriptorChain) => void): void {
    const driver = this.#driver;
    if (driver === null) return;
    const queue = driver.queue(queueIndex);
    let left = this.#ram.byteLength;
    for (const chain of queue.chains()) {
      left -= chain.writable.byteLength;
      const tooMuch = chain.readable.byteLength > PAGE_NUMBERS_MAX * PAGE_NUMBER_BYTE_LENGTH;
      if (left < 0 || tooMuch) {
        driver.needsReset(`queue ${queueIndex}: more pages than there are`);
        return;
      }
      take(chain);
      if (driver !== this.#driver) return;
      queue.push(chain, 0);
    }
    queue.notify();
  }

  #inflate({ readable }: DescriptorChain): void {
    const numbers = dataView(readable.bytes(0, readable.byteLength - (readable.byteLength % PAGE_NUMBER_BYTE_LENGTH)));
    for (let offset = 0; offset < numbers.byteLength; offset += PAGE_NUMBER_BYTE_LENGTH) {
      const paddr = numbers.getUint32(offset, true) * BALLOON_PAGE_BYTE_LENGTH;
      if (this.#ram.contains(paddr, BALLOON_PAGE_BYTE_LENGTH)) this.#zero(paddr, BALLOON_PAGE_BYTE_LENGTH);
    }
  }

  #drop({ writable }: DescriptorChain): void {
    for (const { paddr, byteLength } of writable.segments) this.#zero(paddr, byteLength);
  }

  /** A round's number, or memory that is free as long as the device holds the buffer. */
  #takeHint(chain: DescriptorChain): void {
    const registers = this.#registers;
    if (chain.readable.byteLength >= PAGE_NUMBER_BYTE_LENGTH) {
      const command = dataView(chain.readable.bytes(0, PAGE_NUMBER_BYTE_LENGTH)).getUint32(0, true);
      const isOurs = registers.hintCommand >= FIRST_HINT_ROUND;
      if (isOurs && command === registers.hintCommand) {
        registers.isHinting = true;
      } else if (isOurs && registers.isHinting && command === HINT_STOP) {
        registers.isHinting = false;
        // Only then does the driver let its memory have the pages again.
        registers.hintCommand = HINT_DONE;
        this.#configHasChanged();
        for (const resolve of this.#awaitHints.splice(0)) resolve();
      }
    }
    if (registers.isHinting) this.#drop(chain);
  }

  #takeStatistics(): void {
    const driver = this.#driver;
    if (driver === null || !this.#hasFeature(VIRTIO_BALLOON_F_STATS_VQ)) return;
    const queue = driver.queue(STATISTICS);
    for (const chain of queue.chains()) {
      const { statisticsHead } = this.#registers;
      // There is one buffer. A driver that makes more of them gets the older ones back.
      if (statisticsHead !== null) queue.pushHead(statisticsHead, 0);
      this.#registers.statisticsHead = chain.head;
      const statistics = readStatistics(chain);
      if (statistics !== null) for (const resolve of this.#awaitStatistics.splice(0)) resolve(statistics);
    }
    queue.notify();
  }

  #zero(paddr: number, byteLength: number): void {
    this.#ram.zero(paddr, byteLength);
    this.#givenByteLength += byteLength;
  }
}

/** @returns null for the first buffer of some drivers, which holds nothing yet */
function readStatistics({ readable }: DescriptorChain): BalloonStatistics | null {
  const count = Math.min(Math.floor(readable.byteLength / STATISTIC_BYTE_LENGTH), STATISTICS_MAX);
  const view = dataView(readable.bytes(0, count * STATISTIC_BYTE_LENGTH));
  const statistics: Partial<Record<(typeof STATISTIC_NAMES)[number], bigint>> = {};
  for (let start = 0; start < view.byteLength; start += STATISTIC_BYTE_LENGTH) {
    const name = STATISTIC_NAMES[view.getUint16(start, true)];
    if (name !== undefined) statistics[name] = view.getBigUint64(start + 2, true);
  }
  return count === 0 ? null : statistics;
}
