/**
 * Virtio network device: one pair of queues and a control queue.
 *
 * | offset | configuration space                                                                     |
 * |--------|-----------------------------------------------------------------------------------------|
 * | 0      | mac, 6 bytes                                                                            |
 * | 6      | status u16: LINK_UP 1, ANNOUNCE 2                                                       |
 * | 8      | max_virtqueue_pairs u16                                                                 |
 * | 10     | mtu u16                                                                                 |
 *
 * | queue | carries                                         |
 * |-------|-------------------------------------------------|
 * | 0     | frames to the guest                             |
 * | 1     | frames from the guest                           |
 * | 2     | commands of the driver: `net-control.ts`        |
 *
 * Frames from the link wait in the device until `poll`, which the machine calls at the start of a slice: that is the
 * one moment at which a network changes what the guest sees. Frames from the guest go to the link at once. A large
 * TCP segment passes whole in both directions if the driver knows how.
 *
 * Source: virtio 1.2 section 5.1.
 */
import type { Frame, Link, Station } from "../../network/link.js";
import { plainFrames } from "../../network/plain-frames.js";
import { dataView } from "../../util/bytes.js";
import { assert } from "../../util/errors.js";
import { bytes, flag, optional, type StateOf, schema, u32, u64 } from "../../util/schema.js";
import type { DescriptorChain } from "./descriptor-chain.js";
import { VIRTIO_F_VERSION_1 } from "./mmio-registers.js";
import { handFrame } from "./net-buffers.js";
import { NetControl } from "./net-control.js";
import { MAC_BYTE_LENGTH, NetFilter, netFilterState } from "./net-filter.js";
import { NET_HEADER_BYTE_LENGTH, readNetHeader } from "./net-header.js";
import { featureSet, hasFeature, VIRTIO_ID_NET, type VirtioDevice, type VirtioDriver } from "./virtio-device.js";

export const VIRTIO_NET_F_CSUM = 0;
export const VIRTIO_NET_F_GUEST_CSUM = 1;
export const VIRTIO_NET_F_CTRL_GUEST_OFFLOADS = 2;
export const VIRTIO_NET_F_MTU = 3;
export const VIRTIO_NET_F_MAC = 5;
export const VIRTIO_NET_F_GUEST_TSO4 = 7;
export const VIRTIO_NET_F_GUEST_TSO6 = 8;
export const VIRTIO_NET_F_HOST_TSO4 = 11;
export const VIRTIO_NET_F_HOST_TSO6 = 12;
export const VIRTIO_NET_F_MRG_RXBUF = 15;
export const VIRTIO_NET_F_STATUS = 16;
export const VIRTIO_NET_F_CTRL_VQ = 17;
export const VIRTIO_NET_F_CTRL_RX = 18;
export const VIRTIO_NET_F_CTRL_RX_EXTRA = 20;
export const VIRTIO_NET_F_GUEST_ANNOUNCE = 21;
export const VIRTIO_NET_F_CTRL_MAC_ADDR = 23;

export const NET_STATUS_LINK_UP = 1;
export const NET_STATUS_ANNOUNCE = 2;

export const NET_QUEUE_TO_GUEST = 0;
export const NET_QUEUE_FROM_GUEST = 1;
export const NET_QUEUE_CONTROL = 2;

export const DEFAULT_MTU = 1500;

const DATA_QUEUE_MAX_SIZE = 1024;
const CONTROL_QUEUE_MAX_SIZE = 64;
/** QEMU's range. */
const MAC_PREFIX = [0x52, 0x54, 0x00];
const LEGACY_HEADER_BYTE_LENGTH = 10;
const ETHERNET_BYTE_LENGTH = 14;
/** Ethernet header and the largest IP packet, with room for a VLAN tag. */
const FRAME_BYTE_LENGTH_MAX = 65_535 + ETHERNET_BYTE_LENGTH + 4;
/** What waits for the guest: frames are refused from this many bytes on. */
const WAITING_BYTE_LENGTH_MAX = 1 << 20;
/** Each frame costs some memory whatever its length. */
const WAITING_COUNT_MAX = 2048;

const CONFIG_BYTE_LENGTH = 12;
const CONFIG_STATUS = 6;
const CONFIG_MAX_PAIRS = 8;
const CONFIG_MTU = 10;

const GUEST_OFFLOADS = featureSet(VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6);

const netSchema = schema(
  "virtio-net",
  2,
  {
    mac: bytes("the address that the driver uses", MAC_BYTE_LENGTH),
    ownMac: optional(bytes("the device's own address, if it is not the one it was made with", MAC_BYTE_LENGTH)),
    linkUp: flag("the cable is plugged in"),
    announce: flag("the driver is asked to announce itself"),
    configGeneration: u32("how often the configuration space has changed, modulo 2^32"),
    guestOffloads: optional(u64("feature bits of the unfinished work that frames to the guest may carry, if it said")),
    filter: netFilterState,
  },
  { 1: (old) => ({ ...old, ownMac: null }) },
);
type NetFields = typeof netSchema.fields;
type NetState = StateOf<NetFields>;

export interface VirtioNetOptions {
  readonly link: Link;
  /** The address, 6 bytes. */
  readonly mac: Uint8Array;
  /** Largest payload of an Ethernet frame, 68 to 65535. */
  readonly mtu?: number;
  /** Called when a frame has come that `poll` will deliver. */
  readonly wake: () => void;
}

/** What a device has moved since it was made. */
export interface NetTraffic {
  readonly receivedFrames: number;
  readonly receivedByteLength: number;
  readonly sentFrames: number;
  readonly sentByteLength: number;
}

export class VirtioNet implements VirtioDevice<NetFields> {
  readonly schema = netSchema;
  readonly deviceId = VIRTIO_ID_NET;
  readonly features = featureSet(
    VIRTIO_NET_F_CSUM,
    VIRTIO_NET_F_GUEST_CSUM,
    VIRTIO_NET_F_CTRL_GUEST_OFFLOADS,
    VIRTIO_NET_F_MTU,
    VIRTIO_NET_F_MAC,
    VIRTIO_NET_F_GUEST_TSO4,
    VIRTIO_NET_F_GUEST_TSO6,
    VIRTIO_NET_F_HOST_TSO4,
    VIRTIO_NET_F_HOST_TSO6,
    VIRTIO_NET_F_MRG_RXBUF,
    VIRTIO_NET_F_STATUS,
    VIRTIO_NET_F_CTRL_VQ,
    VIRTIO_NET_F_CTRL_RX,
    VIRTIO_NET_F_CTRL_RX_EXTRA,
    VIRTIO_NET_F_GUEST_ANNOUNCE,
    VIRTIO_NET_F_CTRL_MAC_ADDR,
  );
  readonly queueMaxSizes = [DATA_QUEUE_MAX_SIZE, DATA_QUEUE_MAX_SIZE, CONTROL_QUEUE_MAX_SIZE];
  readonly #link: Link;
  readonly #initialMac: Uint8Array;
  /** Null for the initial one. */
  #renewedMac: Uint8Array | null = null;
  readonly #mtu: number;
  readonly #wake: () => void;
  readonly #filter = new NetFilter();
  readonly #control: NetControl;
  readonly #waiting = new WaitingFrames();
  readonly #traffic = { receivedFrames: 0, receivedByteLength: 0, sentFrames: 0, sentByteLength: 0 };
  #mac: Uint8Array;
  /** What the driver is told of the cable, and how it is. They differ after a restore, until the driver is there. */
  #linkUp = true;
  #isCableIn = true;
  #announce = false;
  #configGeneration = 0;
  /** What the driver has set; null is all it knows of. */
  #guestOffloads: bigint | null = null;
  #driver: VirtioDriver | null = null;
  /** The link refused this frame from the guest; none is taken from the ring before it has gone. */
  #refused: Frame | null = null;
  /** A frame from the link was refused. */
  #isLinkWaiting = false;

  constructor({ link, mac, mtu = DEFAULT_MTU, wake }: VirtioNetOptions) {
    assert(mac.length === MAC_BYTE_LENGTH, `virtio-net: an address of ${mac.length} bytes`);
    this.#link = link;
    this.#initialMac = Uint8Array.from(mac);
    this.#mac = this.#initialMac;
    this.#mtu = mtu;
    this.#wake = wake;
    this.#control = new NetControl(this.#filter, {
      setMac: (address) => this.#setMac(address),
      setOffloads: (offloads) => this.#setOffloads(offloads),
      announced: () => this.#announced(),
    });
    link.connect(this.#station());
  }

  /** Frames that were handed to the guest, and those it has sent. */
  get traffic(): NetTraffic {
    return { ...this.#traffic };
  }

  /** What frames for the guest are addressed to: what its driver has set, or the device's own address. */
  get mac(): Uint8Array {
    return this.#mac;
  }

  /** What a driver finds that starts now. */
  get ownMac(): Uint8Array {
    return this.#renewedMac ?? this.#initialMac;
  }

  /** A driver that is running goes on with the address it has, until it is told to set the new one. */
  renewIdentity(randomBytes: (into: Uint8Array) => void): void {
    const mac = new Uint8Array(MAC_BYTE_LENGTH);
    randomBytes(mac);
    mac.set(MAC_PREFIX);
    this.#renewedMac = mac;
    if (this.#driver === null) this.#mac = mac;
  }

  get config(): Uint8Array {
    const config = new Uint8Array(CONFIG_BYTE_LENGTH);
    const view = dataView(config);
    config.set(this.#mac);
    const status = (this.#linkUp ? NET_STATUS_LINK_UP : 0) | (this.#announce ? NET_STATUS_ANNOUNCE : 0);
    view.setUint16(CONFIG_STATUS, status, true);
    view.setUint16(CONFIG_MAX_PAIRS, 1, true);
    view.setUint16(CONFIG_MTU, this.#mtu, true);
    return config;
  }

  get configGeneration(): number {
    return this.#configGeneration;
  }

  writeConfig(): void {}

  /** Whether the cable is plugged in. */
  get linkUp(): boolean {
    return this.#linkUp;
  }

  /** Plugs the cable in or pulls it out; while it is out, nothing passes. */
  set linkUp(isUp: boolean) {
    this.#isCableIn = isUp;
    if (isUp === this.#linkUp) return;
    this.#linkUp = isUp;
    if (!isUp) this.#forget();
    this.#configChanged();
    this.#transmit();
  }

  /** Asks the driver to tell the network where it is, after the machine has moved. */
  requestAnnouncement(): void {
    this.#announce = true;
    this.#configChanged();
  }

  start(driver: VirtioDriver): void {
    this.#driver = driver;
    this.linkUp = this.#isCableIn;
  }

  kick(queueIndex: number): void {
    switch (queueIndex) {
      case NET_QUEUE_TO_GUEST:
        if (!this.#waiting.isEmpty) this.#wake();
        return;
      case NET_QUEUE_FROM_GUEST:
        this.#transmit();
        return;
      case NET_QUEUE_CONTROL:
        if (this.#driver !== null) this.#control.serve(this.#driver.queue(NET_QUEUE_CONTROL));
        return;
      default:
        return;
    }
  }

  /** Hands the guest what has come from the link, as far as it has made buffers available. */
  poll(): void {
    this.#deliver();
    if (!this.#isLinkWaiting || !this.#waiting.hasRoom) return;
    this.#isLinkWaiting = false;
    this.#link.resume();
  }

  /** Whether no frame is under way in the device, which a device that is loaded with its saved state would not have. */
  get isSettled(): boolean {
    return this.#waiting.isEmpty && this.#refused === null;
  }

  stop(): void {
    this.#driver = null;
    this.#guestOffloads = null;
    this.#announce = false;
    this.#mac = this.ownMac;
    this.#filter.reset();
    this.#forget();
  }

  reset(): void {
    this.stop();
    this.#linkUp = this.#isCableIn;
    this.#configGeneration = 0;
  }

  save(): NetState {
    return {
      mac: Uint8Array.from(this.#mac),
      ownMac: this.#renewedMac,
      linkUp: this.#linkUp,
      announce: this.#announce,
      configGeneration: this.#configGeneration,
      guestOffloads: this.#guestOffloads,
      filter: this.#filter.save(),
    };
  }

  /** Frames under way are lost, as they may be on any wire. */
  load(state: NetState): void {
    this.#driver = null;
    this.#forget();
    const isAddress = (mac: Uint8Array | null) => mac?.length === MAC_BYTE_LENGTH;
    this.#renewedMac = isAddress(state.ownMac) ? Uint8Array.from(state.ownMac!) : null;
    this.#mac = isAddress(state.mac) ? Uint8Array.from(state.mac) : this.ownMac;
    this.#linkUp = state.linkUp;
    this.#announce = state.announce;
    this.#configGeneration = state.configGeneration;
    this.#guestOffloads = state.guestOffloads;
    this.#filter.load(state.filter);
  }

  #station(): Station {
    return {
      receive: (frame) => this.#receive(frame),
      resume: () => this.#transmit(),
      setLinkUp: (isUp) => {
        this.linkUp = isUp;
      },
    };
  }

  /** Every frame enters the device here, and waits for `poll`. */
  #receive(frame: Frame): boolean {
    if (!this.#isWanted(frame)) return true;
    if (!this.#waiting.hasRoom) {
      this.#isLinkWaiting = true;
      return false;
    }
    if (this.#canHand(frame)) this.#waiting.push(frame);
    else for (const plain of plainFrames(frame)) this.#waiting.push(plain);
    this.#wake();
    return true;
  }

  /** Without a driver, or with the cable out, frames are lost like those that nobody waits for. */
  #isWanted({ bytes }: Frame): boolean {
    if (this.#driver === null || !this.#linkUp) return false;
    if (bytes.length < ETHERNET_BYTE_LENGTH || bytes.length > FRAME_BYTE_LENGTH_MAX) return false;
    return this.#filter.accepts(bytes, this.#mac);
  }

  /** Whether the driver does the frame's unfinished work. */
  #canHand({ checksum, segmentation }: Frame): boolean {
    const known = (this.#driver?.features ?? 0n) & GUEST_OFFLOADS;
    const offloads = known & (this.#guestOffloads ?? known);
    if (checksum !== null && !hasFeature(offloads, VIRTIO_NET_F_GUEST_CSUM)) return false;
    if (segmentation === null) return true;
    const needed = segmentation.kind === "tcp4" ? VIRTIO_NET_F_GUEST_TSO4 : VIRTIO_NET_F_GUEST_TSO6;
    return hasFeature(offloads, needed);
  }

  #deliver(): void {
    const driver = this.#driver;
    if (driver === null || this.#waiting.isEmpty) return;
    const queue = driver.queue(NET_QUEUE_TO_GUEST);
    const isMergeable = hasFeature(driver.features, VIRTIO_NET_F_MRG_RXBUF);
    const header = new Uint8Array(this.#headerByteLength);
    // A driver that breaks the rules is stopped in the middle of it, and its frames are gone.
    for (let frame = this.#waiting.first; frame !== null; frame = this.#waiting.first) {
      if (handFrame(queue, frame, header, isMergeable) === "wait") break;
      this.#traffic.receivedFrames++;
      this.#traffic.receivedByteLength += frame.bytes.length;
      this.#waiting.shift();
    }
    queue.notify();
  }

  get #headerByteLength(): number {
    const features = this.#driver?.features ?? 0n;
    const hasCount = hasFeature(features, VIRTIO_F_VERSION_1) || hasFeature(features, VIRTIO_NET_F_MRG_RXBUF);
    return hasCount ? NET_HEADER_BYTE_LENGTH : LEGACY_HEADER_BYTE_LENGTH;
  }

  /** Sends what the guest has made available until the link refuses. */
  #transmit(): void {
    if (this.#refused !== null) {
      if (!this.#link.send(this.#refused)) return;
      this.#refused = null;
    }
    const driver = this.#driver;
    if (driver === null) return;
    const queue = driver.queue(NET_QUEUE_FROM_GUEST);
    for (const chain of queue.chains()) {
      const frame = this.#readFrame(chain);
      queue.push(chain, 0);
      if (frame === null || !this.#linkUp) continue;
      this.#traffic.sentFrames++;
      this.#traffic.sentByteLength += frame.bytes.length;
      if (this.#link.send(frame)) continue;
      this.#refused = frame;
      break;
    }
    queue.notify();
  }

  /** Null for a buffer that holds no frame, which is lost. */
  #readFrame({ readable }: DescriptorChain): Frame | null {
    const headerByteLength = this.#headerByteLength;
    const byteLength = readable.byteLength - headerByteLength;
    if (byteLength < ETHERNET_BYTE_LENGTH || byteLength > FRAME_BYTE_LENGTH_MAX) return null;
    const header = readable.bytes(0, headerByteLength);
    return readNetHeader(header, readable.bytes(headerByteLength, byteLength));
  }

  #forget(): void {
    this.#waiting.clear();
    this.#refused = null;
    if (!this.#isLinkWaiting) return;
    this.#isLinkWaiting = false;
    this.#link.resume();
  }

  #setMac(address: Uint8Array): void {
    this.#mac = Uint8Array.from(address);
    this.#configGeneration = (this.#configGeneration + 1) >>> 0;
  }

  /** @returns whether the driver may set these: virtio 1.2 section 5.1.6.5.6.1 */
  #setOffloads(offloads: bigint): boolean {
    const allowed = (this.#driver?.features ?? 0n) & GUEST_OFFLOADS;
    if ((offloads & ~allowed) !== 0n) return false;
    this.#guestOffloads = offloads;
    return true;
  }

  #announced(): void {
    this.#announce = false;
    this.#configGeneration = (this.#configGeneration + 1) >>> 0;
  }

  #configChanged(): void {
    this.#configGeneration = (this.#configGeneration + 1) >>> 0;
    if (this.#driver !== null && hasFeature(this.#driver.features, VIRTIO_NET_F_STATUS)) this.#driver.configChanged();
  }
}

/** Frames on their way to the guest, bounded. */
class WaitingFrames {
  #frames: Frame[] = [];
  #start = 0;
  #byteLength = 0;

  get isEmpty(): boolean {
    return this.#start === this.#frames.length;
  }

  /** Whether one more frame, of any length, may come. */
  get hasRoom(): boolean {
    return this.#byteLength < WAITING_BYTE_LENGTH_MAX && this.#frames.length - this.#start < WAITING_COUNT_MAX;
  }

  get first(): Frame | null {
    return this.#frames[this.#start] ?? null;
  }

  push(frame: Frame): void {
    this.#frames.push(frame);
    this.#byteLength += frame.bytes.length;
  }

  shift(): void {
    this.#byteLength -= this.#frames[this.#start]!.bytes.length;
    this.#start++;
    if (this.#start * 2 < this.#frames.length) return;
    this.#frames = this.#frames.slice(this.#start);
    this.#start = 0;
  }

  clear(): void {
    this.#frames = [];
    this.#start = 0;
    this.#byteLength = 0;
  }
}
