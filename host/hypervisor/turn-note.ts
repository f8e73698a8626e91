import type { ProcessorTurn, ProcessorUse } from "../machine/processor-turns.js";
import type { DispatchedMachine } from "./scheduling/dispatcher.js";

/** No machine has its turn. Lanes of machines are 1 and up. */
const NOBODY = 0;

/** Which machine's turn it is in a worker, in memory that its hypervisor reads when the worker has ended. */
export class TurnNote {
  /** To be handed to the worker. */
  readonly buffer: SharedArrayBuffer;
  readonly #lane: Int32Array;

  constructor(buffer = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer;
    this.#lane = new Int32Array(buffer);
  }

  /** Null where memory cannot be shared: a page that is not isolated. */
  static create(): TurnNote | null {
    return typeof SharedArrayBuffer === "undefined" ? null : new TurnNote();
  }

  /** Null when it is nobody's. */
  get lane(): number | null {
    const lane = Atomics.load(this.#lane, 0);
    return lane === NOBODY ? null : lane;
  }

  set lane(lane: number | null) {
    Atomics.store(this.#lane, 0, lane ?? NOBODY);
  }
}

/** The turns of one machine, of which a note is kept. */
export class NotedTurns implements DispatchedMachine {
  readonly #turns: DispatchedMachine;
  readonly #lane: number;
  readonly #note: TurnNote;

  constructor(turns: DispatchedMachine, lane: number, note: TurnNote) {
    this.#turns = turns;
    this.#lane = lane;
    this.#note = note;
  }

  get account(): DispatchedMachine["account"] {
    return this.#turns.account;
  }

  async take(): Promise<ProcessorTurn | null> {
    const turn = await this.#turns.take();
    if (turn !== null) this.#note.lane = this.#lane;
    return turn;
  }

  give(use: ProcessorUse): void {
    this.#note.lane = null;
    this.#turns.give(use);
  }

  leave(): void {
    this.#turns.leave();
  }

  quit(): void {
    this.#turns.quit();
  }
}
