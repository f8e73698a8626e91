import type { EVENT_KINDS, HypervisorEvent } from "../control/hypervisor/schemas.js";

export type EventKind = (typeof EVENT_KINDS)[number];

/** What keeps events when the hypervisor ends. */
export interface EventKeeper {
  readonly lastEventId: number;
  addEvent(event: HypervisorEvent): void;
}

/** Tells everybody what happens. */
export class EventLog {
  readonly #keeper: EventKeeper;
  readonly #nowMs: () => number;
  readonly #listeners = new Set<(event: HypervisorEvent) => void>();
  #lastId: number;

  constructor(keeper: EventKeeper, nowMs: () => number) {
    this.#keeper = keeper;
    this.#nowMs = nowMs;
    this.#lastId = keeper.lastEventId;
  }

  /** @param message one line for people */
  tell(kind: EventKind, machine: string | null, message: string, data: Record<string, unknown> = {}): void {
    const event = { id: ++this.#lastId, time: this.#nowMs(), kind, machine, message, data };
    this.#keeper.addEvent(event);
    for (const listener of [...this.#listeners]) listener(event);
  }

  on(listener: (event: HypervisorEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
