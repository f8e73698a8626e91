import type { BalloonStatistics } from "../devices/virtio/balloon.js";
import { VivariumError } from "../util/errors.js";
import type { Remote } from "./remote.js";

/** A balloon as it stands. */
export interface BalloonState {
  /** What the guest has given back on request, in bytes. */
  readonly byteLength: number;
  /** What it has been asked to give back. */
  readonly targetByteLength: number;
  /** All that has been given back so far by whatever way; the guest may have taken it again. */
  readonly givenByteLength: number;
}

/** By which memory is taken from the guest while it runs. */
export class MachineBalloon {
  readonly #remote: Remote;

  /** @internal */
  constructor(remote: Remote) {
    this.#remote = remote;
  }

  /**
   * Asks the guest to give so much of its memory back, or to take it again down to that; it does what it can, when it
   * can.
   *
   * @param byteLength a multiple of 4096
   * @throws VivariumError `balloon/target` when the machine has no such amount, `balloon/absent` when it has no balloon
   */
  async setTarget(byteLength: number): Promise<void> {
    await this.#remote.call("setBalloon", { byteLength });
  }

  /** @throws VivariumError `balloon/absent` */
  async state(): Promise<BalloonState> {
    const { balloon } = await this.#remote.call("stats", undefined);
    if (balloon === null) throw noBalloon();
    return balloon;
  }

  /** What the guest tells of its memory; null when it cannot, or does not run. @throws VivariumError `balloon/absent` */
  statistics(): Promise<BalloonStatistics | null> {
    return this.#remote.call("guestMemory", undefined);
  }
}

export function noBalloon(): VivariumError {
  return new VivariumError("balloon/absent", "this machine has no balloon, or is off; give `create` balloon: true");
}
