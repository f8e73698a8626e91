import type { MachineSpec, MachineStatus } from "../control/hypervisor/schemas.js";
import { VivariumError } from "../util/errors.js";
import type { EventKind } from "./event-log.js";
import type { HibernationReason } from "./machine-surroundings.js";
import type { MachineRecord } from "./store.js";

export interface ConditionWires {
  nowMs(): number;
  /** It is to be written down. */
  changed(): void;
  tell(kind: EventKind, message: string, data: Record<string, unknown>): void;
}

/** How a machine stands: what is known of it whether it is in a worker or not. */
export class MachineCondition {
  readonly createdAt: number;
  /** When it last came to a worker. */
  startedAt: number | null;
  /** Why it failed; null unless it did. */
  failure: string | null;
  /** Whether it goes on from its file when it is switched on next. */
  goesOn: boolean;
  /** Of one that sleeps in its file: whether it ran before, and why it sleeps. */
  sleep: { readonly wasRunning: boolean; readonly reason: HibernationReason } = { wasRunning: false, reason: "asked" };
  readonly #wires: ConditionWires;
  #spec: MachineSpec;
  #status: MachineStatus = "off";

  constructor(record: MachineRecord, wires: ConditionWires) {
    this.#wires = wires;
    this.#spec = record.spec;
    this.createdAt = record.createdAt;
    this.startedAt = record.startedAt;
    this.failure = record.failure;
    this.goesOn = record.goesOn;
    if (!record.goesOn && record.failure !== null) this.#status = "failed";
  }

  get name(): string {
    return this.#spec.name;
  }

  get spec(): MachineSpec {
    return this.#spec;
  }

  set spec(spec: MachineSpec) {
    this.#spec = spec;
    this.#wires.changed();
  }

  get status(): MachineStatus {
    return this.#status;
  }

  set status(status: MachineStatus) {
    if (status === this.#status) return;
    this.#status = status;
    this.told("machine-status", `${this.name} is ${status}`);
  }

  /** Whether it takes up a worker's memory, or is about to. */
  get isPresent(): boolean {
    return this.#status === "running" || this.#status === "paused" || this.#status === "starting";
  }

  /** Whether it is to go on by itself with its hypervisor's next start. */
  get isToGoOn(): boolean {
    return this.#status === "hibernated" && this.sleep.wasRunning && this.sleep.reason !== "asked";
  }

  /** How long ago it came to a worker. */
  get ranMs(): number {
    return this.startedAt === null ? 0 : this.#wires.nowMs() - this.startedAt;
  }

  /** What is asked for needs a machine that is there. */
  notThere(): VivariumError {
    const message = `${this.name} is ${this.#status}; start it first`;
    return new VivariumError("machine/status", message, { machine: this.name, status: this.#status });
  }

  /** What is known of it has changed. */
  changed(): void {
    this.#wires.changed();
  }

  /** It has changed, and in this way. */
  told(kind: EventKind, message: string): void {
    this.#wires.changed();
    this.#wires.tell(kind, message, { status: this.#status });
  }
}
