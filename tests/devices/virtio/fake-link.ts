import { type Frame, type Link, plainFrame, type Station } from "../../../host/network/link.js";

/** A link whose far end is the test. */
export class FakeLink implements Link {
  /** What the device has sent. */
  readonly sent: Frame[] = [];
  /** Whether frames of the device are refused. */
  isFull = false;
  isClosed = false;
  resumeCount = 0;
  #station: Station | null = null;

  get station(): Station {
    if (this.#station === null) throw new Error("nothing is plugged in");
    return this.#station;
  }

  connect(station: Station): void {
    this.#station = station;
  }

  send(frame: Frame): boolean {
    if (this.isFull) return false;
    this.sent.push(frame);
    return true;
  }

  resume(): void {
    this.resumeCount++;
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  /** A whole frame for the device. */
  deliver(bytes: Uint8Array): boolean {
    return this.station.receive(plainFrame(bytes));
  }
}
