import { unpackError } from "../api/messages.js";
import type { WorkerChannel } from "../api/platform.js";
import { VivariumError } from "../util/errors.js";
import {
  CONTROL_LANE,
  type Envelope,
  type FromWorkerHost,
  type ToWorkerHost,
  type WorkerCallName,
  type WorkerCalls,
} from "./messages.js";
import { TurnNote } from "./turn-note.js";

interface PendingCall {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/** A worker that runs machines, seen by the hypervisor. */
export class HostWorker {
  /** From 0 up; a worker that takes the place of one that has ended has its number. */
  readonly number: number;
  readonly #channel: WorkerChannel;
  readonly #onEnd: (error: Error) => void;
  readonly #note = TurnNote.create();
  readonly #lanes = new Map<number, (message: unknown) => void>();
  readonly #pending = new Map<number, PendingCall>();
  #lastCall = 0;
  #lastLane = CONTROL_LANE;
  #ended: VivariumError | null = null;

  /** @param onEnd called once when the worker ends without having been asked to */
  constructor(number: number, channel: WorkerChannel, onEnd: (error: Error) => void) {
    this.number = number;
    this.#channel = channel;
    this.#onEnd = onEnd;
    channel.onMessage((message) => this.#receive(message as Envelope));
    channel.onFailure((cause) => this.#fail(`the worker has ended: ${cause.message}`));
    if (this.#note !== null) void this.call("noteTurns", this.#note.buffer).catch(() => {});
  }

  get isAlive(): boolean {
    return this.#ended === null;
  }

  /** Whose turn it is, or was when the worker ended; null when it is nobody's or cannot be known. */
  get laneInTurn(): number | null {
    return this.#note?.lane ?? null;
  }

  /** How many machines it runs. */
  get laneCount(): number {
    return this.#lanes.size;
  }

  /** A lane of this worker. @param receive gets what comes in it */
  openLane(receive: (message: unknown) => void): number {
    const lane = ++this.#lastLane;
    this.#lanes.set(lane, receive);
    return lane;
  }

  /** Nothing is received from the lane any more. */
  closeLane(lane: number): void {
    this.#lanes.delete(lane);
  }

  post(lane: number, message: unknown, transfer?: readonly ArrayBuffer[]): void {
    if (this.#ended === null) this.#channel.post({ lane, message } satisfies Envelope, transfer);
  }

  /** @throws VivariumError what the worker says against it; `worker/ended` when there is no worker any more */
  call<N extends WorkerCallName>(
    name: N,
    argument: WorkerCalls[N]["argument"],
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<WorkerCalls[N]["answer"]> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    const id = ++this.#lastCall;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.post(CONTROL_LANE, { kind: "call", id, name, argument } satisfies ToWorkerHost, transfer);
    });
  }

  /** Ends a worker that does not answer, and with it what runs there. */
  abort(why: string): void {
    if (this.#ended !== null) return;
    this.#channel.terminate();
    this.#fail(why);
  }

  /** Ends the worker, in which nothing runs any more. */
  terminate(): void {
    if (this.#ended !== null) return;
    this.#channel.terminate();
    this.#end(new VivariumError("worker/ended", "the worker was ended"));
  }

  #receive({ lane, message }: Envelope): void {
    if (this.#ended !== null) return;
    if (lane === CONTROL_LANE) this.#settle(message as FromWorkerHost);
    else this.#lanes.get(lane)?.(message);
  }

  #settle(message: FromWorkerHost): void {
    const call = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (message.kind === "answer") call?.resolve(message.value as never);
    else call?.reject(unpackError(message.error));
  }

  #fail(why: string): void {
    if (this.#ended !== null) return;
    const error = new VivariumError("worker/ended", why);
    this.#end(error);
    this.#onEnd(error);
  }

  #end(error: VivariumError): void {
    this.#ended = error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}
