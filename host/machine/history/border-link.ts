import type { Frame, Link, Station } from "../../network/link.js";
import type { Border } from "./border.js";
import type { Input } from "./input.js";
import type { RecordValue } from "./record-value.js";

/** Frames that may wait for the end of a slice: as many as a device itself lets wait. */
const WAITING_MAX = 2048;
const WAITING_BYTE_LENGTH_MAX = 1 << 20;

type LinkInput = Extract<Input, { kind: "frame" | "link-resume" | "cable" }>;

const SENT = {
  name: "sent",
  read: (value: RecordValue) => (typeof value === "boolean" ? value : undefined),
  fallback: true,
};

/** What a network device is plugged into, seen through the border. */
export class BorderLink implements Link {
  readonly #border: Border;
  readonly #device: number;
  readonly #inner: Link;
  #station: Station | null = null;
  #waitingCount = 0;
  #waitingByteLength = 0;
  #isRefusing = false;
  #isCableIn = true;

  constructor(border: Border, device: number, inner: Link) {
    this.#border = border;
    this.#device = device;
    this.#inner = inner;
    border.onReopened(() => this.#reopened());
  }

  get isCableIn(): boolean {
    return this.#isCableIn;
  }

  connect(station: Station): void {
    this.#station = station;
    const cable = this.#border.initialCable(this.#device);
    if (cable === null) this.#inner.connect(this.#outside());
    else this.#setCable(cable);
  }

  send(frame: Frame): boolean {
    return this.#border.ask(SENT, () => this.#inner.send(frame));
  }

  resume(): void {
    if (this.#border.isLive) this.#inner.resume();
  }

  async close(): Promise<void> {
    await this.#inner.close();
  }

  /** What has come through the border. */
  apply(input: LinkInput): void {
    switch (input.kind) {
      case "frame":
        this.#waitingCount = Math.max(0, this.#waitingCount - 1);
        this.#waitingByteLength = Math.max(0, this.#waitingByteLength - input.frame.bytes.length);
        this.#station?.receive(input.frame);
        return;
      case "link-resume":
        this.#station?.resume();
        return;
      case "cable":
        this.#setCable(input.isIn);
        return;
    }
  }

  #setCable(isIn: boolean): void {
    this.#isCableIn = isIn;
    this.#station?.setLinkUp(isIn);
  }

  /** The device, as the link sees it. */
  #outside(): Station {
    const device = this.#device;
    return {
      receive: (frame) => this.#receive(frame),
      resume: () => this.#border.enter({ kind: "link-resume", device }),
      setLinkUp: (isIn) => this.#border.enter({ kind: "cable", device, isIn }),
    };
  }

  #receive(frame: Frame): boolean {
    const input = { kind: "frame", device: this.#device, frame } as const;
    const taken = this.#border.enterNow(input, () => this.#station!.receive(frame));
    if (taken !== null) return taken;
    if (this.#waitingCount >= WAITING_MAX || this.#waitingByteLength >= WAITING_BYTE_LENGTH_MAX) {
      this.#isRefusing = true;
      return false;
    }
    this.#waitingCount++;
    this.#waitingByteLength += frame.bytes.length;
    this.#border.enter(input);
    return true;
  }

  #reopened(): void {
    if (!this.#isRefusing) return;
    this.#isRefusing = false;
    this.#inner.resume();
  }
}
