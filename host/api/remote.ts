import { VivariumError } from "../util/errors.js";
import { type CallName, type Calls, type FromWorker, type ToWorker, unpackError } from "./messages.js";
import type { WorkerChannel } from "./platform.js";

interface PendingCall {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/** What a worker says of its own accord. */
export type WorkerEvent = Exclude<FromWorker, { readonly kind: "answer" | "refusal" }>;

/** The caller's end of the message protocol. */
export class Remote {
  readonly #worker: WorkerChannel;
  readonly #pending = new Map<number, PendingCall>();
  #lastId = 0;
  #ended: Error | null = null;

  /**
   * @param onEvent what the worker says
   * @param onEnd the worker has ended without having been asked to
   */
  constructor(worker: WorkerChannel, onEvent: (event: WorkerEvent) => void, onEnd: (error: Error) => void) {
    this.#worker = worker;
    worker.onMessage((message) => this.#receive(message as FromWorker, onEvent));
    worker.onFailure((cause) => {
      const error = new VivariumError("machine/internal", `the machine's worker has ended: ${cause.message}`);
      this.#end(error);
      onEnd(error);
    });
  }

  /** @throws VivariumError what the worker says against it, or why there is no worker */
  call<N extends CallName>(
    name: N,
    argument: Calls[N]["argument"],
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<Calls[N]["answer"]> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#worker.post({ kind: "call", id, name, argument } satisfies ToWorker, transfer);
    });
  }

  tell(message: Exclude<ToWorker, { readonly kind: "call" }>, transfer: readonly ArrayBuffer[] = []): void {
    if (this.#ended === null) this.#worker.post(message, transfer);
  }

  /** Ends the worker; calls that wait are rejected with `error`. */
  terminate(error: Error): void {
    if (this.#ended !== null) return;
    this.#worker.terminate();
    this.#end(error);
  }

  #receive(message: FromWorker, onEvent: (event: WorkerEvent) => void): void {
    if (this.#ended !== null) return;
    if (message.kind !== "answer" && message.kind !== "refusal") {
      onEvent(message);
      return;
    }
    const call = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (message.kind === "answer") call?.resolve(message.value as never);
    else call?.reject(unpackError(message.error));
  }

  #end(error: Error): void {
    this.#ended = error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}
