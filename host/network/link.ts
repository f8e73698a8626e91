/** Ethernet between a machine's network device and whatever it is plugged into. */

/**
 * An Ethernet frame, and the work that its sender has left to whoever needs it done. A receiver that wants plain frames
 * asks `plainFrames` for them; most of the time nobody does, and no checksum is ever computed.
 */
export interface Frame {
  /** Destination, source, type, payload, without the frame check sequence. Not changed once it has been sent. */
  readonly bytes: Uint8Array;
  /** A checksum of which only the pseudo header's part stands in the frame; null when there is none to complete. */
  readonly checksum: PartialChecksum | null;
  /** For a frame that stands for several: how to cut it. */
  readonly segmentation: Segmentation | null;
}

/** The Internet checksum over [start, end of frame) belongs at start + offset. */
export interface PartialChecksum {
  readonly start: number;
  readonly offset: number;
}

/** A TCP segment larger than the receiver's maximum, to be sent as several. */
export interface Segmentation {
  readonly kind: "tcp4" | "tcp6";
  /** TCP payload of each frame but the last, in bytes. */
  readonly payloadByteLength: number;
}

/** A whole frame as it stands. */
export function plainFrame(bytes: Uint8Array): Frame {
  return { bytes, checksum: null, segmentation: null };
}

/** A network device, as its link sees it. */
export interface Station {
  /** @returns whether it takes the frame; if not, `resume` of the link follows when it can take one again */
  receive(frame: Frame): boolean;
  /** The link, which had refused a frame, can take one again. */
  resume(): void;
  /** The cable has been plugged in or pulled out at the far end. It is in at first. */
  setLinkUp(isUp: boolean): void;
}

/**
 * What a network device is plugged into. Frames go both ways at any time, and either side may refuse one that it has
 * no room for: the other then keeps it, or drops it as Ethernet may.
 */
export interface Link {
  /** Plugs the device in, once. Frames may come from now on. */
  connect(station: Station): void;
  /**
   * Takes a frame from the device. Never throws, whatever the frame is.
   *
   * @returns whether it takes the frame; if not, the station's `resume` follows when it can take one again
   */
  send(frame: Frame): boolean;
  /** The station, which had refused a frame, can take one again. */
  resume(): void;
  /** Unplugs the device and lets go of everything the link holds. Nothing comes after it. */
  close(): Promise<void>;
}

/** Time for links, in milliseconds; not the guest's. */
export interface NetworkClock {
  /** Since some moment, never going back, with fractions. */
  nowMs(): number;
  /** Calls back once, `ms` from now; returns a function that cancels it. */
  after(ms: number, callback: () => void): () => void;
}
