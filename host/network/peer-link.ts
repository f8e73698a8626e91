import { type Frame, type Link, plainFrame, type Station } from "./link.js";
import { plainFrames } from "./plain-frames.js";

/** The other end of a connection that carries whole frames. */
export interface FramePeer {
  /** Bytes sent that the connection has not taken yet. */
  readonly pendingByteLength: number;
  send(frame: Uint8Array): void;
  /** Sends a frame with the work that is left to do, where the other end can do it. */
  readonly sendUnfinished?: (frame: Frame) => void;
  /** Stops frames from coming until `resume`; some may still come. */
  pause(): void;
  resume(): void;
  close(): void;
}

/** From here on frames are refused until the connection has taken some. */
const PENDING_BYTE_LENGTH_MAX = 1 << 20;

/** What is kept for a station without room; a peer that cannot be paused loses what is beyond it. */
const HELD_BYTE_LENGTH_MAX = 4 << 20;

/**
 * A link over a connection to somebody else's network device or NAT. The connection may go and come back: in between
 * the cable is out.
 */
export class PeerLink implements Link {
  #peer: FramePeer | null = null;
  #station: Station | null = null;
  /** Frames that the station has refused; the peer is paused while there are any. */
  #held: Frame[] = [];
  #heldByteLength = 0;
  #isStationWaiting = false;

  /** The connection from now on; null when there is none. */
  setPeer(peer: FramePeer | null): void {
    this.#peer = peer;
    this.#hold([]);
    this.#station?.setLinkUp(peer !== null);
    this.drained();
  }

  /** A whole frame has come from the peer. */
  received(bytes: Uint8Array): void {
    this.receivedFrame(plainFrame(bytes));
  }

  /** The same, with work left undone. */
  receivedFrame(frame: Frame): void {
    if (this.#held.length > 0 || this.#station?.receive(frame) === false) {
      if (this.#heldByteLength < HELD_BYTE_LENGTH_MAX) {
        this.#held.push(frame);
        this.#heldByteLength += frame.bytes.length;
      }
      this.#peer?.pause();
    }
  }

  #hold(frames: Frame[]): void {
    this.#held = frames;
    this.#heldByteLength = frames.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** The connection has taken what was pending. */
  drained(): void {
    if (!this.#isStationWaiting) return;
    this.#isStationWaiting = false;
    this.#station?.resume();
  }

  connect(station: Station): void {
    this.#station = station;
    this.#hold([]);
    this.#peer?.resume();
    if (this.#peer === null) station.setLinkUp(false);
  }

  send(frame: Frame): boolean {
    const peer = this.#peer;
    if (peer === null) return true;
    if (peer.pendingByteLength >= PENDING_BYTE_LENGTH_MAX) {
      this.#isStationWaiting = true;
      return false;
    }
    sendTo(peer, frame);
    return true;
  }

  resume(): void {
    const held = this.#held;
    this.#hold([]);
    for (const [index, frame] of held.entries()) {
      if (this.#station?.receive(frame) !== false) continue;
      this.#hold(held.slice(index));
      return;
    }
    this.#peer?.resume();
  }

  async close(): Promise<void> {
    this.#station = null;
    this.#hold([]);
    this.#peer?.close();
    this.#peer = null;
  }
}

function sendTo(peer: FramePeer, frame: Frame): void {
  if (peer.sendUnfinished !== undefined) peer.sendUnfinished(frame);
  else for (const { bytes } of plainFrames(frame)) peer.send(bytes);
}

/** Plugs the peer of a connection into a link of ours, such as a NAT: it is the machine, then. */
export class PeerStation implements Station {
  readonly #peer: FramePeer;
  readonly #link: Link;
  #isLinkWaiting = false;
  #held: Frame[] = [];

  constructor(peer: FramePeer, link: Link) {
    this.#peer = peer;
    this.#link = link;
    link.connect(this);
  }

  receive(frame: Frame): boolean {
    if (this.#peer.pendingByteLength >= PENDING_BYTE_LENGTH_MAX) {
      this.#isLinkWaiting = true;
      return false;
    }
    sendTo(this.#peer, frame);
    return true;
  }

  resume(): void {
    const held = this.#held;
    this.#held = [];
    for (const [index, frame] of held.entries()) {
      if (this.#link.send(frame)) continue;
      this.#held = held.slice(index);
      return;
    }
    this.#peer.resume();
  }

  setLinkUp(): void {}

  /** A frame has come from the peer. */
  received(bytes: Uint8Array): void {
    this.receivedFrame(plainFrame(bytes));
  }

  /** The same, with work left undone. */
  receivedFrame(frame: Frame): void {
    if (this.#held.length > 0 || !this.#link.send(frame)) {
      this.#held.push(frame);
      this.#peer.pause();
    }
  }

  /** The connection has taken what was pending. */
  drained(): void {
    if (!this.#isLinkWaiting) return;
    this.#isLinkWaiting = false;
    this.#link.resume();
  }
}
