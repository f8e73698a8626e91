/**
 * Frames between two threads: those of one turn in one message, and never more of them under way than the other end has
 * said that it took.
 */
import type { Frame } from "./link.js";

/** Frames one behind the other. */
export interface PackedFrames {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly frames: readonly (Omit<Frame, "bytes"> & { readonly byteLength: number })[];
}

/** What may be under way in one direction; frames are refused from here on. */
export const FLOW_COST_MAX = 1 << 20;
/** Each frame costs some memory whatever its length. */
const FRAME_COST = 256;
/** So much does not wait for the end of the turn. */
const GATHERED_COST_MAX = 1 << 16;

export interface FlowWires {
  post(frames: PackedFrames): void;
  /** Tells the other end that frames of this cost are not under way any more. */
  postTaken(cost: number): void;
  /** Hands a frame on. @returns false when it is refused, until `resume` */
  deliver(frame: Frame): boolean;
  /** Whoever sends may send again what was refused. */
  hasRoom(): void;
}

/** One end, both directions. */
export class FrameFlow {
  readonly #wires: FlowWires;
  #gathered: Frame[] = [];
  #gatheredCost = 0;
  #underWay = 0;
  #isSenderWaiting = false;
  /** What has come and was refused, oldest first. */
  #held: Frame[] = [];
  #taken = 0;
  #isFlushDue = false;

  constructor(wires: FlowWires) {
    this.#wires = wires;
  }

  /** @returns whether the frame is on its way; if not, `hasRoom` follows */
  send(frame: Frame): boolean {
    if (this.#underWay >= FLOW_COST_MAX) {
      this.#isSenderWaiting = true;
      return false;
    }
    const cost = costOf(frame);
    this.#gathered.push(frame);
    this.#gatheredCost += cost;
    this.#underWay += cost;
    if (this.#gatheredCost >= GATHERED_COST_MAX) this.#flush();
    else this.#flushLater();
    return true;
  }

  /** Frames have come from the other end. */
  received({ bytes, frames }: PackedFrames): void {
    let start = 0;
    for (const { byteLength, checksum, segmentation } of frames) {
      const frame = { bytes: bytes.subarray(start, start + byteLength), checksum, segmentation };
      start += byteLength;
      if (this.#held.length > 0 || !this.#wires.deliver(frame)) this.#held.push(frame);
      else this.#take(frame);
    }
  }

  /** The other end has taken frames of this cost. */
  taken(cost: number): void {
    this.#underWay = Math.max(0, this.#underWay - cost);
    if (!this.#isSenderWaiting || this.#underWay >= FLOW_COST_MAX) return;
    this.#isSenderWaiting = false;
    this.#wires.hasRoom();
  }

  /** Whoever refused a frame can take one again. */
  resume(): void {
    const held = this.#held;
    this.#held = [];
    for (const [index, frame] of held.entries()) {
      if (!this.#wires.deliver(frame)) {
        this.#held = [...held.slice(index), ...this.#held];
        return;
      }
      this.#take(frame);
    }
  }

  /** Forgets the frames that are here. */
  clear(): void {
    for (const frame of this.#held.splice(0)) this.#take(frame);
    this.#underWay -= this.#gatheredCost;
    this.#gathered = [];
    this.#gatheredCost = 0;
  }

  /** Forgets also what is under way: the other end is another one, which will not say that it took it. */
  restart(): void {
    this.clear();
    this.#underWay = 0;
    if (!this.#isSenderWaiting) return;
    this.#isSenderWaiting = false;
    this.#wires.hasRoom();
  }

  /** @returns what is under way, for the end that goes on in the place of this one */
  handOver(): number {
    for (const frame of this.#held.splice(0)) this.#take(frame);
    this.#flush();
    return this.#underWay;
  }

  takeOver(underWay: number): void {
    this.#underWay = underWay;
  }

  #take(frame: Frame): void {
    this.#taken += costOf(frame);
    this.#flushLater();
  }

  /** When what runs now has come to its end. */
  #flushLater(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    void Promise.resolve().then(() => {
      this.#isFlushDue = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#taken > 0) this.#wires.postTaken(this.#taken);
    this.#taken = 0;
    if (this.#gathered.length === 0) return;
    const frames = this.#gathered;
    this.#gathered = [];
    this.#gatheredCost = 0;
    this.#wires.post(pack(frames));
  }
}

function costOf({ bytes }: Frame): number {
  return bytes.length + FRAME_COST;
}

function pack(frames: readonly Frame[]): PackedFrames {
  const bytes = new Uint8Array(frames.reduce((sum, frame) => sum + frame.bytes.length, 0));
  let start = 0;
  for (const frame of frames) {
    bytes.set(frame.bytes, start);
    start += frame.bytes.length;
  }
  return {
    bytes,
    frames: frames.map(({ bytes: { length }, checksum, segmentation }) => ({
      byteLength: length,
      checksum,
      segmentation,
    })),
  };
}
