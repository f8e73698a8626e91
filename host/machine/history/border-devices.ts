/** Devices that the host uses by methods of their own: each passes the border. */

import type { GuestRam } from "../../devices/device.js";
import { type BalloonStatistics, VirtioBalloon } from "../../devices/virtio/balloon.js";
import { VirtioInput, type VirtioInputOptions } from "../../devices/virtio/input.js";
import type { InputEvent } from "../../devices/virtio/input-events.js";
import type { Border } from "./border.js";
import type { Input } from "./input.js";

/** A keyboard or tablet. */
export class BorderInput extends VirtioInput {
  readonly #border: Border;
  readonly #device: number;

  constructor(border: Border, device: number, options: VirtioInputOptions) {
    super(options);
    this.#border = border;
    this.#device = device;
  }

  /** @returns true where it cannot be known yet */
  override report(events: readonly InputEvent[]): boolean {
    const input = { kind: "keys", device: this.#device, events } as const;
    const taken = this.#border.enterNow(input, () => super.report(events));
    if (taken === null) this.#border.enter(input);
    return taken ?? true;
  }

  apply({ events }: Extract<Input, { kind: "keys" }>): void {
    super.report(events);
  }
}

/** A balloon. What it is asked for in a slice, it is asked for after it. */
export class BorderBalloon extends VirtioBalloon {
  readonly #border: Border;
  readonly #device: number;
  readonly #statistics: ((answer: Promise<BalloonStatistics | null>) => void)[] = [];
  readonly #freePages: ((answer: Promise<void>) => void)[] = [];

  constructor(border: Border, device: number, ram: GuestRam) {
    super(ram);
    this.#border = border;
    this.#device = device;
  }

  override setTarget(byteLength: number): void {
    this.checkTarget(byteLength);
    this.#border.enter({ kind: "balloon", device: this.#device, byteLength });
  }

  override statistics(): Promise<BalloonStatistics | null> {
    const answer = new Promise<BalloonStatistics | null>((resolve) => this.#statistics.push(resolve));
    this.#border.enter({ kind: "balloon-statistics", device: this.#device });
    return answer;
  }

  override takeFreePages(): Promise<void> {
    const done = new Promise<void>((resolve) => this.#freePages.push(resolve));
    this.#border.enter({ kind: "balloon-free-pages", device: this.#device });
    return done;
  }

  apply(input: Extract<Input, { kind: "balloon" | "balloon-statistics" | "balloon-free-pages" }>): void {
    switch (input.kind) {
      case "balloon":
        super.setTarget(input.byteLength);
        return;
      case "balloon-statistics":
        this.#statistics.shift()?.(super.statistics());
        return;
      case "balloon-free-pages":
        this.#freePages.shift()?.(super.takeFreePages());
        return;
    }
  }
}
