import type { Fields, Schema, StateOf } from "../../util/schema.js";
import type { Width } from "../device.js";
import type { Virtqueue } from "./virtqueue.js";

/** Device types: virtio 1.2 section 5. */
export const VIRTIO_ID_NONE = 0;
export const VIRTIO_ID_NET = 1;
export const VIRTIO_ID_BLOCK = 2;
export const VIRTIO_ID_CONSOLE = 3;
export const VIRTIO_ID_ENTROPY = 4;
export const VIRTIO_ID_BALLOON = 5;
export const VIRTIO_ID_9P = 9;
export const VIRTIO_ID_INPUT = 18;
export const VIRTIO_ID_SOCKET = 19;

/** Devices that came with virtio 1.0 or later: their drivers refuse the legacy interface. */
const WITHOUT_LEGACY: ReadonlySet<number> = new Set([VIRTIO_ID_INPUT, VIRTIO_ID_SOCKET]);

/** Whether a device can have the legacy interface. @param deviceId one of VIRTIO_ID_* */
export function hasLegacyInterface(deviceId: number): boolean {
  return !WITHOUT_LEGACY.has(deviceId);
}

/**
 * What a virtio device is apart from its transport: features, configuration space, queues and what it does with them.
 *
 * Its life: constructed or reset, it has no driver. `start` gives it one, `stop` takes it away. Between them `kick`
 * tells that the driver has made buffers available. Nothing here waits: work that takes time ends later by itself,
 * and finds out whether its driver is still the same.
 */
export interface VirtioDevice<F extends Fields = Fields> {
  readonly schema: Schema<F>;
  /** One of VIRTIO_ID_*. */
  readonly deviceId: number;
  /** The device's own feature bits; the transport adds those of the ring. */
  readonly features: bigint;
  /** The largest size of each queue, a power of two up to 32768; as many queues as items. */
  readonly queueMaxSizes: readonly number[];
  /** The configuration space as it is now, little-endian. */
  readonly config: Uint8Array;
  /** Another number, modulo 2^32, after each change of the configuration space. */
  readonly configGeneration: number;
  /** @param offset bytes from the start of the configuration space, which it may exceed */
  writeConfig(offset: number, value: number, width: Width): void;
  /** The driver is ready. `driver` is good until `stop` or `reset`. Buffers already available follow as kicks. */
  start(driver: VirtioDriver): void;
  /** Buffers may be available in this queue; only between `start` and `stop`. */
  kick(queueIndex: number): void;
  /** The driver has reset the device: what it knew of the driver is gone, what the host gave it stays. */
  stop(): void;
  /** Back to the state after construction; includes `stop`. */
  reset(): void;
  save(): StateOf<F>;
  /** Takes over a state. Its driver, if there was one, comes with the `start` that follows, without kicks. */
  load(state: StateOf<F>): void;
  /** As `Device.renewIdentity`. */
  renewIdentity?(randomBytes: (into: Uint8Array) => void): void;
}

/** The driver's side, as far as a device may know and reach it. */
export interface VirtioDriver {
  /** The features that both sides have agreed on. */
  readonly features: bigint;
  /** @param index below the device's number of queues */
  queue(index: number): Virtqueue;
  /** Interrupts the driver because the configuration space has changed by itself. */
  configChanged(): void;
  /** The driver has broken the rules in a way that leaves no answer: only its reset of the device helps. */
  needsReset(reason: string): void;
}

/** Whether `feature` (a bit number) is among `features`. */
export function hasFeature(features: bigint, feature: number): boolean {
  return ((features >> BigInt(feature)) & 1n) !== 0n;
}

/** The set of these features (bit numbers). */
export function featureSet(...features: readonly number[]): bigint {
  return features.reduce((set, feature) => set | (1n << BigInt(feature)), 0n);
}
