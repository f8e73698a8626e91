/**
 * A link whose other end is in another thread: the machine's device is plugged into a `RemoteLink`, and a
 * `RemoteStation` there is plugged into whatever the device is connected to. So the machine can be given to another
 * thread without what it is connected to hearing of it.
 */
import { FrameFlow, type PackedFrames } from "./frame-flow.js";
import type { Frame, Link, Station } from "./link.js";

/** What the two ends say to each other. */
export type LinkMessage =
  | { readonly kind: "frames"; readonly frames: PackedFrames }
  | { readonly kind: "taken"; readonly cost: number }
  /** To the machine: whether the cable is in. */
  | { readonly kind: "cable"; readonly isIn: boolean }
  /** From the machine: its guest is another one, which knows of no connections. */
  | { readonly kind: "renewed" };

export type PostLinkMessage = (message: LinkMessage, transfer: readonly ArrayBuffer[]) => void;

/** A machine's end on its way to another thread. Frames that it held are lost, as networks lose frames. */
export interface LinkTransit {
  readonly isIn: boolean;
  /** Cost of the frames that the other end has not taken yet. */
  readonly underWay: number;
}

/** At the machine. The cable is out until the other end says that it is in. */
export class RemoteLink implements Link {
  readonly #post: PostLinkMessage;
  readonly #flow: FrameFlow;
  #station: Station | null = null;
  #isIn = false;

  constructor(post: PostLinkMessage) {
    this.#post = post;
    this.#flow = new FrameFlow({
      ...postsOf(post),
      deliver: (frame) => this.#station?.receive(frame) ?? true,
      hasRoom: () => this.#station?.resume(),
    });
  }

  /** A message of the other end's. */
  receive(message: LinkMessage): void {
    switch (message.kind) {
      case "frames":
        this.#flow.received(message.frames);
        return;
      case "taken":
        this.#flow.taken(message.cost);
        return;
      case "cable":
        this.#isIn = message.isIn;
        this.#station?.setLinkUp(message.isIn);
        return;
      case "renewed":
        return;
    }
  }

  /** Tells the other end that the guest is another one. */
  renew(): void {
    this.#flow.clear();
    this.#post({ kind: "renewed" }, []);
  }

  /** What a link elsewhere needs to go on in the place of this one. */
  handOver(): LinkTransit {
    return { isIn: this.#isIn, underWay: this.#flow.handOver() };
  }

  /** Before a device is plugged in. */
  takeOver({ isIn, underWay }: LinkTransit): void {
    this.#isIn = isIn;
    this.#flow.takeOver(underWay);
  }

  connect(station: Station): void {
    this.#station = station;
    this.#flow.clear();
    station.setLinkUp(this.#isIn);
  }

  send(frame: Frame): boolean {
    return this.#flow.send(frame);
  }

  resume(): void {
    this.#flow.resume();
  }

  async close(): Promise<void> {
    this.#station = null;
    this.#flow.clear();
  }
}

/** At what the machine is connected to. */
export class RemoteStation {
  readonly #post: PostLinkMessage;
  readonly #flow: FrameFlow;
  #link: Link | null = null;
  /** Whether the link has its end of the cable in, and whether the operator has. */
  #isLinkUp = false;
  #isWanted = true;
  #isIn = false;

  constructor(post: PostLinkMessage) {
    this.#post = post;
    this.#flow = new FrameFlow({
      ...postsOf(post),
      deliver: (frame) => this.#link?.send(frame) ?? true,
      hasRoom: () => this.#link?.resume(),
    });
  }

  /** Plugs the device into a link, in place of the one before; null for none. Closing links is their owner's. */
  plug(link: Link | null): void {
    this.#link = link;
    this.#flow.clear();
    this.#isLinkUp = link !== null;
    if (link !== null) this.#connect(link);
    this.#tellCable();
  }

  /** Whether the cable is in as far as the operator is concerned. */
  get isWanted(): boolean {
    return this.#isWanted;
  }

  set isWanted(isWanted: boolean) {
    this.#isWanted = isWanted;
    this.#tellCable();
  }

  /** A message of the machine's. */
  receive(message: LinkMessage): void {
    switch (message.kind) {
      case "frames":
        this.#flow.received(message.frames);
        return;
      case "taken":
        this.#flow.taken(message.cost);
        return;
      case "renewed":
        this.#flow.restart();
        if (this.#link !== null) this.#connect(this.#link);
        return;
      case "cable":
        return;
    }
  }

  /** A link that has been replaced may still say something. */
  #connect(link: Link): void {
    link.connect({
      receive: (frame) => this.#link !== link || this.#flow.send(frame),
      resume: () => {
        if (this.#link === link) this.#flow.resume();
      },
      setLinkUp: (isUp) => {
        if (this.#link !== link) return;
        this.#isLinkUp = isUp;
        this.#tellCable();
      },
    });
  }

  #tellCable(): void {
    const isIn = this.#isLinkUp && this.#isWanted;
    if (isIn === this.#isIn) return;
    this.#isIn = isIn;
    this.#post({ kind: "cable", isIn }, []);
  }
}

function postsOf(post: PostLinkMessage) {
  return {
    post: (frames: PackedFrames) => post({ kind: "frames", frames }, [frames.bytes.buffer]),
    postTaken: (cost: number) => post({ kind: "taken", cost }, []),
  };
}
