import type { Frame, Link, NetworkClock, Station } from "./link.js";

/** How long a refused frame is waited for; a place in a network that takes none for so long has stopped. */
const PATIENCE_MS = 500;

/**
 * A link for a place that several send to, such as a switch's. Whoever sends to it waits while it has no room, but not
 * for ever: a machine that is paused, or a program that hangs, loses its frames and does not hold up its neighbours.
 */
export class ImpatientLink implements Link {
  readonly #link: Link;
  readonly #outward: Patience;
  readonly #inward: Patience;
  #station: Station | null = null;

  constructor(link: Link, clock: NetworkClock) {
    this.#link = link;
    this.#outward = new Patience(clock, () => this.#station?.resume());
    this.#inward = new Patience(clock, () => link.resume());
  }

  connect(station: Station): void {
    this.#station = station;
    this.#inward.resumed();
    this.#link.connect({
      receive: (frame) => this.#inward.pass(() => station.receive(frame)),
      resume: () => {
        this.#outward.resumed();
        station.resume();
      },
      setLinkUp: (isUp) => station.setLinkUp(isUp),
    });
  }

  send(frame: Frame): boolean {
    return this.#outward.pass(() => this.#link.send(frame));
  }

  resume(): void {
    this.#inward.resumed();
    this.#link.resume();
  }

  async close(): Promise<void> {
    this.#outward.resumed();
    this.#inward.resumed();
    await this.#link.close();
  }
}

/** One direction. */
class Patience {
  readonly #clock: NetworkClock;
  readonly #goOn: () => void;
  #hasStopped = false;
  #cancelTimer: (() => void) | null = null;

  /** @param goOn tells whoever was refused to send again */
  constructor(clock: NetworkClock, goOn: () => void) {
    this.#clock = clock;
    this.#goOn = goOn;
  }

  /** @returns whether the frame has gone, be it that it is lost */
  pass(forward: () => boolean): boolean {
    if (this.#hasStopped) return true;
    if (forward()) {
      this.#cancel();
      return true;
    }
    this.#cancelTimer ??= this.#clock.after(PATIENCE_MS, () => {
      this.#cancelTimer = null;
      this.#hasStopped = true;
      this.#goOn();
    });
    return false;
  }

  /** Frames are taken again. */
  resumed(): void {
    this.#cancel();
    this.#hasStopped = false;
  }

  #cancel(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }
}
