import type { CapturableBackend } from "./captured-disk.js";
import type { ChunkMap } from "./chunk.js";
import { type ThrottleClock, ThrottledDisk, type ThrottleLimits } from "./throttle.js";

/** A disk of which the machine's state holds the contents, that does so much in a second and no more. */
export class ThrottledOwnDisk extends ThrottledDisk implements CapturableBackend {
  readonly #own: CapturableBackend;

  /** @param disk closed with the throttle */
  constructor(disk: CapturableBackend, clock: ThrottleClock, limits: ThrottleLimits = {}) {
    super(disk, clock, limits);
    this.#own = disk;
  }

  get heldByteLength(): number {
    return this.#own.heldByteLength;
  }

  capture(): ChunkMap {
    return this.#own.capture();
  }

  restore(contents: ChunkMap): void {
    this.#own.restore(contents);
  }
}
