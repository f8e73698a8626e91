/**
 * Virtio 9P transport: a shared folder for the guest, served by `share/`.
 *
 * | offset | configuration space                                |
 * |--------|----------------------------------------------------|
 * | 0      | length of the tag u16                              |
 * | 2      | mount tag, without a NUL                           |
 *
 * One queue. A buffer is one request: what is readable is the message to the device, what is writable is for the reply.
 *
 * A request that the folder can answer at once is answered within the kick, so that the driver finds the reply before it
 * would go to sleep. The others are answered when they are done, in any order.
 *
 * Source: virtio 1.2 section 5.17 gives the device its number; its layout is that of Linux (include/uapi/linux/virtio_9p.h).
 */

import { savedSession } from "../../share/saved-session.js";
import { ERROR_REPLY_BYTE_LENGTH, MESSAGE_BYTE_LENGTH_MAX, Session } from "../../share/session.js";
import type { SharedFolder } from "../../share/shared-folder.js";
import { HEADER_BYTE_LENGTH } from "../../share/wire.js";
import { dataView, utf8 } from "../../util/bytes.js";
import { assert, VivariumError } from "../../util/errors.js";
import { type StateOf, schema } from "../../util/schema.js";
import type { DescriptorChain } from "./descriptor-chain.js";
import { featureSet, VIRTIO_ID_9P, type VirtioDevice, type VirtioDriver } from "./virtio-device.js";

const VIRTIO_9P_F_MOUNT_TAG = 0;
const REQUEST_QUEUE = 0;
/** As many requests as Linux has under way at most. */
const QUEUE_MAX_SIZE = 128;
const TAG_OFFSET = 2;
/** What QEMU and Linux take. */
export const TAG_BYTE_LENGTH_MAX = 32;
/** Requests that wait for the folder at a time: with the longest message this bounds our memory. */
const WAITING_MAX = 16;

const p9Schema = schema("virtio-9p", 1, { session: savedSession });
type P9Fields = typeof p9Schema.fields;
type P9State = StateOf<P9Fields>;

export interface Virtio9pOptions {
  /** What the guest mounts it by, 1 to 32 bytes in UTF-8. */
  readonly tag: string;
  readonly folder: SharedFolder;
}

export class Virtio9p implements VirtioDevice<P9Fields> {
  readonly schema = p9Schema;
  readonly deviceId = VIRTIO_ID_9P;
  readonly features = featureSet(VIRTIO_9P_F_MOUNT_TAG);
  readonly queueMaxSizes = [QUEUE_MAX_SIZE];
  readonly configGeneration = 0;
  readonly config: Uint8Array;
  readonly #folder: SharedFolder;
  #session: Session;
  #driver: VirtioDriver | null = null;
  /** Requests that wait for the folder: of this driver, or of one before a reset. */
  readonly #waiting = new Set<Promise<void>>();

  /** @throws VivariumError `share/tag` */
  constructor({ tag, folder }: Virtio9pOptions) {
    const bytes = utf8(tag);
    if (bytes.length === 0 || bytes.length > TAG_BYTE_LENGTH_MAX) {
      const message = `mount tag ${JSON.stringify(tag)} has ${bytes.length} bytes; expected 1 to ${TAG_BYTE_LENGTH_MAX}`;
      throw new VivariumError("share/tag", message, { tag });
    }
    this.config = new Uint8Array(TAG_OFFSET + bytes.length);
    dataView(this.config).setUint16(0, bytes.length, true);
    this.config.set(bytes, TAG_OFFSET);
    this.#folder = folder;
    this.#session = new Session(folder);
  }

  writeConfig(): void {}

  start(driver: VirtioDriver): void {
    this.#driver = driver;
  }

  kick(): void {
    const driver = this.#driver;
    if (driver === null || this.#waiting.size >= WAITING_MAX) return;
    const queue = driver.queue(REQUEST_QUEUE);
    for (const chain of queue.chains()) {
      if (chain.readable.byteLength < HEADER_BYTE_LENGTH || chain.writable.byteLength < ERROR_REPLY_BYTE_LENGTH) {
        driver.needsReset("a 9P request without room for its header or its reply");
        return;
      }
      this.#serve(driver, chain);
      if (this.#waiting.size >= WAITING_MAX) break;
    }
    queue.notify();
  }

  /** Files are closed; what waits for the folder ends unheard. */
  stop(): void {
    this.#driver = null;
    this.#session.reset();
    this.#session = new Session(this.#folder);
  }

  reset(): void {
    this.stop();
  }

  /** Resolves when no request waits for the folder. */
  async drain(): Promise<void> {
    while (this.#waiting.size > 0) await Promise.all(this.#waiting);
  }

  /**
   * Lets go of what a device that is loaded with this one's saved state would not have.
   *
   * @returns false when that cannot be: a file that is open may have no name any more, and could not be opened again
   */
  settle(): boolean {
    return this.#waiting.size === 0 && this.#session.settle();
  }

  /** Requests that wait cannot be saved: `drain` first. */
  save(): P9State {
    assert(this.#driver === null || this.#waiting.size === 0, "virtio-9p: saved with requests under way");
    return { session: this.#session.save() };
  }

  /** Open files are opened again when they are used: one that has lost its name is gone. */
  load(state: P9State): void {
    this.stop();
    this.#session.load(state.session);
  }

  #serve(driver: VirtioDriver, chain: DescriptorChain): void {
    const byteLength = Math.min(chain.readable.byteLength, MESSAGE_BYTE_LENGTH_MAX);
    const reply = this.#session.serve(chain.readable.bytes(0, byteLength), chain.writable.byteLength);
    if (!(reply instanceof Promise)) {
      this.#answer(driver, chain, reply);
      return;
    }
    const waiting = reply.then((bytes) => {
      this.#waiting.delete(waiting);
      if (driver === this.#driver) {
        this.#answer(driver, chain, bytes);
        driver.queue(REQUEST_QUEUE).notify();
      }
      // There is room again, also for a driver that came after this request's.
      this.kick();
    });
    this.#waiting.add(waiting);
  }

  #answer(driver: VirtioDriver, chain: DescriptorChain, reply: Uint8Array): void {
    chain.writable.write(0, reply);
    driver.queue(REQUEST_QUEUE).push(chain, reply.length);
  }
}
