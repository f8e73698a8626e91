import type { Frame, Link, NetworkClock, Station } from "../../host/network/link.js";
import { plainFrames } from "../../host/network/plain-frames.js";

/** What happens to frames, each with a probability from 0 to 1. */
export interface Faults {
  readonly loss: number;
  readonly duplication: number;
  /** Frames that come some milliseconds late, behind others. */
  readonly reordering: number;
}

const DELAY_MS_MAX = 8;

/** A bad cable: what passes is lost, doubled or late, as chance will have it. */
export class FaultyLink implements Link {
  readonly #link: Link;
  readonly #clock: NetworkClock;
  readonly #random: () => number;
  faults: Faults;
  lostCount = 0;

  constructor(link: Link, faults: Faults, clock: NetworkClock, seed: number) {
    this.#link = link;
    this.#clock = clock;
    this.#random = generator(seed);
    this.faults = faults;
  }

  connect(station: Station): void {
    this.#link.connect({
      receive: (frame) => this.#pass(frame, (each) => station.receive(each)),
      resume: () => station.resume(),
      setLinkUp: (isUp) => station.setLinkUp(isUp),
    });
  }

  send(frame: Frame): boolean {
    return this.#pass(frame, (each) => this.#link.send(each));
  }

  resume(): void {
    this.#link.resume();
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  /** Large segments are cut first, so that each piece has a fate of its own. */
  #pass(frame: Frame, deliver: (frame: Frame) => boolean): boolean {
    const { loss, duplication, reordering } = this.faults;
    for (const each of plainFrames(frame)) {
      if (this.#random() < loss) {
        this.lostCount++;
        continue;
      }
      if (this.#random() < reordering) this.#clock.after(this.#random() * DELAY_MS_MAX, () => deliver(each));
      else deliver(each);
      if (this.#random() < duplication) deliver(each);
    }
    return true;
  }
}

/** Mulberry32: the same numbers for the same seed. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
