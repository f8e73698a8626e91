import { type FromWorker, packError, type ToWorker } from "../api/messages.js";
import type { WorkerChannel } from "../api/platform.js";
import { assert, VivariumError } from "../util/errors.js";
import type { HostWorker } from "./host-worker.js";

export interface LanePlace {
  readonly worker: HostWorker;
  readonly lane: number;
}

/** Where the machine at the other end is. */
type Place =
  /** Nowhere: it is off. */
  | { readonly kind: "off" }
  | { readonly kind: "worker"; readonly worker: HostWorker; readonly lane: number }
  /** Between two workers, or in its file: what is sent waits, and wakes it. */
  | { readonly kind: "held"; readonly waiting: [unknown, readonly ArrayBuffer[] | undefined][] };

/**
 * The channel to a machine that comes and goes: to its users it is one worker that never ends, whichever worker the
 * machine is in.
 */
export class Lane implements WorkerChannel {
  readonly #onInput: () => void;
  readonly #tap: (message: FromWorker, from: LanePlace | null) => void;
  #place: Place = { kind: "off" };
  #receive: (message: unknown) => void = () => {};
  /** What its users have said that is true of every machine that comes here, by what it is about. */
  readonly #standing = new Map<string, ToWorker>();
  /** Calls that the machine has not answered. */
  readonly #calls = new Set<number>();
  #exchanged = 0;

  /**
   * @param onInput something has been sent to a machine that is held
   * @param tap sees what the machine says, and where, before its users do
   */
  constructor(onInput: () => void, tap: (message: FromWorker, from: LanePlace | null) => void) {
    this.#onInput = onInput;
    this.#tap = tap;
  }

  /** The worker that the machine is in, and the lane there; null without one. */
  get place(): LanePlace | null {
    return this.#place.kind === "worker" ? this.#place : null;
  }

  /** How often something went in or out. */
  get exchanged(): number {
    return this.#exchanged;
  }

  /** A lane in `worker`. What is sent goes on waiting until `release`. */
  open(worker: HostWorker): number {
    const lane: number = worker.openLane((message) => this.#hear(message as FromWorker, { worker, lane }));
    return lane;
  }

  /** From now on the machine is there; what waited is sent. @param isNew whether it knows nothing of its users yet */
  release(worker: HostWorker, lane: number, isNew: boolean): void {
    const waiting = this.#place.kind === "held" ? this.#place.waiting : [];
    this.#leave();
    this.#place = { kind: "worker", worker, lane };
    if (isNew) for (const message of this.#standing.values()) worker.post(lane, message);
    for (const [message, transfer] of waiting) worker.post(lane, message, transfer);
  }

  /** From now on what is sent waits; the machine's own messages still come. */
  hold(): void {
    if (this.#place.kind === "held") return;
    this.#place = { kind: "held", waiting: [] };
  }

  /** The machine is off: who still waits for it is told, and nobody hears from it any more. */
  switchOff(why: VivariumError): void {
    const waiting = this.#place.kind === "held" ? this.#place.waiting : [];
    this.#leave();
    this.#place = { kind: "off" };
    for (const id of [...this.#calls]) this.#hear({ kind: "refusal", id, error: packError(why) });
    for (const [message] of waiting) this.#refuse(message as ToWorker);
    // Its links wait for nothing any more.
    for (const message of this.#standing.values()) {
      if (message.kind === "link") this.#hear({ kind: "link", index: message.index, message: { kind: "renewed" } });
    }
    this.#hear({ kind: "status", status: "off" });
  }

  post(message: unknown, transfer?: readonly ArrayBuffer[]): void {
    const told = message as ToWorker;
    if (isInput(told)) this.#exchanged++;
    if (told.kind === "call") this.#calls.add(told.id);
    const standing = standingName(told);
    if (standing !== null) this.#standing.set(standing, told);
    switch (this.#place.kind) {
      case "worker":
        this.#place.worker.post(this.#place.lane, message, transfer);
        return;
      case "held":
        this.#place.waiting.push([message, transfer]);
        if (isInput(told)) this.#onInput();
        return;
      case "off":
        this.#refuse(told);
        return;
    }
  }

  onMessage(receive: (message: unknown) => void): void {
    this.#receive = receive;
  }

  /** Workers end, but not this one. */
  onFailure(): void {}

  terminate(): void {
    this.#receive = () => {};
  }

  /** As if the machine had said it. */
  say(message: FromWorker): void {
    this.#hear(message);
  }

  #hear(message: FromWorker, from: LanePlace | null = null): void {
    this.#exchanged++;
    if (message.kind === "answer" || message.kind === "refusal") this.#calls.delete(message.id);
    this.#tap(message, from);
    this.#receive(message);
  }

  #leave(): void {
    if (this.#place.kind === "worker") this.#place.worker.closeLane(this.#place.lane);
  }

  #refuse(message: ToWorker): void {
    assert(this.#place.kind === "off", "a machine that is on answers for itself");
    const off = new VivariumError("machine/status", "the machine is off; start it first");
    if (message.kind === "call") this.#hear({ kind: "refusal", id: message.id, error: packError(off) });
    // Whoever types does not wait for ever.
    if (message.kind === "type") this.#hear({ kind: "typed", byteLength: message.bytes.length });
  }
}

/** What a message is about that stays true until the next one of the kind; null for all others. */
function standingName(message: ToWorker): string | null {
  switch (message.kind) {
    case "resize":
    case "hold-console":
      return message.kind;
    case "link":
      return message.message.kind === "cable" ? `cable${message.index}` : null;
    default:
      return null;
  }
}

/** Whether a machine that sleeps in its file is to wake: not for what its users only say about themselves. */
function isInput(message: ToWorker): boolean {
  switch (message.kind) {
    case "call":
    case "port":
    case "wanted":
    case "type":
    case "socket":
    case "input":
      return true;
    case "link":
      return message.message.kind === "frames";
    case "resize":
    case "hold-console":
    case "console-taken":
      return false;
  }
}
