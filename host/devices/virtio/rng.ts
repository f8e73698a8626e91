/**
 * Virtio entropy device: one queue, whose buffers it fills with random bytes.
 *
 * Source: virtio 1.2 section 5.4.
 */
import { type StateOf, schema } from "../../util/schema.js";
import { VIRTIO_ID_ENTROPY, type VirtioDevice, type VirtioDriver } from "./virtio-device.js";

const REQUEST_QUEUE = 0;
const QUEUE_MAX_SIZE = 64;
/** The device may fill less than it is offered; drivers ask for at most some hundred bytes. */
const BYTES_PER_BUFFER_MAX = 4096;

const rngSchema = schema("virtio-rng", 1, {});
type RngFields = typeof rngSchema.fields;
type RngState = StateOf<RngFields>;

export class VirtioRng implements VirtioDevice<RngFields> {
  readonly schema = rngSchema;
  readonly deviceId = VIRTIO_ID_ENTROPY;
  readonly features = 0n;
  readonly queueMaxSizes = [QUEUE_MAX_SIZE];
  readonly config = new Uint8Array();
  readonly configGeneration = 0;
  readonly #randomBytes: (into: Uint8Array) => void;
  #driver: VirtioDriver | null = null;

  /** @param randomBytes fills its argument with unpredictable bytes */
  constructor(randomBytes: (into: Uint8Array) => void) {
    this.#randomBytes = randomBytes;
  }

  writeConfig(): void {}

  start(driver: VirtioDriver): void {
    this.#driver = driver;
  }

  kick(): void {
    const queue = this.#driver?.queue(REQUEST_QUEUE);
    if (queue === undefined) return;
    for (const chain of queue.chains()) {
      const bytes = new Uint8Array(Math.min(chain.writable.byteLength, BYTES_PER_BUFFER_MAX));
      this.#randomBytes(bytes);
      chain.writable.write(0, bytes);
      queue.push(chain, bytes.length);
    }
    queue.notify();
  }

  stop(): void {
    this.#driver = null;
  }

  reset(): void {
    this.stop();
  }

  save(): RngState {
    return {};
  }

  load(_state: RngState): void {}
}
