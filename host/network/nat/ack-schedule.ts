import type { Outside } from "./outside.js";
import type { AckTime } from "./tcp-acknowledgment.js";

/** How long an acknowledgment waits for an answer to go with. */
const DELAY_MS = 2;

interface Acknowledger {
  /** Sends the acknowledgment that was requested, unless it has gone meanwhile. */
  flushAck(): void;
}

/** The connections that have something to acknowledge, and when they do. */
export class AckSchedule {
  readonly #outside: Pick<Outside, "after" | "defer" | "nowMs">;
  readonly #soon = new Set<Acknowledger>();
  /** When each is due: whoever asked last comes last. */
  readonly #later = new Map<Acknowledger, number>();
  #isTimed = false;

  constructor(outside: Pick<Outside, "after" | "defer" | "nowMs">) {
    this.#outside = outside;
  }

  request(connection: Acknowledger, when: AckTime): void {
    if (when === "soon") {
      if (this.#soon.size === 0) this.#outside.defer(() => this.#flushSoon());
      this.#soon.add(connection);
      return;
    }
    this.#later.delete(connection);
    this.#later.set(connection, this.#outside.nowMs() + DELAY_MS);
    if (!this.#isTimed) this.#wait(DELAY_MS);
  }

  #flushSoon(): void {
    const connections = [...this.#soon];
    this.#soon.clear();
    for (const connection of connections) connection.flushAck();
  }

  /** One timer for all: at a thousand questions a second, one each would be most of the work. */
  #wait(ms: number): void {
    this.#isTimed = true;
    this.#outside.after(ms, () => {
      this.#isTimed = false;
      this.#flushDue();
    });
  }

  #flushDue(): void {
    const nowMs = this.#outside.nowMs();
    for (const [connection, dueMs] of this.#later) {
      if (dueMs > nowMs) {
        if (!this.#isTimed) this.#wait(dueMs - nowMs);
        return;
      }
      this.#later.delete(connection);
      connection.flushAck();
    }
  }
}
