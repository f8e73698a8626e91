import type { FromWorker } from "../api/messages.js";
import type { Halt } from "../machine/run-loop.js";
import type { ConsoleHub } from "./console-hub.js";
import type { Lane, LanePlace } from "./lane.js";
import type { MachineCondition } from "./machine-condition.js";
import type { MachineSaves } from "./machine-saves.js";
import type { MachineStay } from "./machine-stay.js";
import type { MachineSurroundings } from "./machine-surroundings.js";
import type { LaneReading } from "./messages.js";
import type { Recovery } from "./recovery.js";
import { endOf, isSoon, type MachineEnd } from "./restart.js";
import type { Turns } from "./turns.js";

export interface MachineEndsOptions {
  readonly around: MachineSurroundings;
  readonly condition: MachineCondition;
  readonly console: ConsoleHub;
  readonly lane: Lane;
  readonly saves: MachineSaves;
  readonly stay: MachineStay;
  readonly recovery: Recovery;
  readonly turns: Turns;
  /** Its restart policy lets it go on. */
  startAgain(): Promise<void>;
}

/** How a machine ends without being told to: what it says itself, what its kernel shows, and that its worker ends. */
export class MachineEnds {
  readonly #options: MachineEndsOptions;

  constructor(options: MachineEndsOptions) {
    this.#options = options;
  }

  /** What the machine says. @param from where it was then */
  hear(message: FromWorker, from: LanePlace | null): void {
    switch (message.kind) {
      case "console": {
        const bytes = Uint8Array.from(message.bytes);
        this.#options.console.write(bytes);
        this.#options.recovery.kernel.write(bytes);
        return;
      }
      case "reboot":
        this.#restarted(from);
        return;
      case "halt":
        this.#ending(from, () => this.#halted(message.halt));
        return;
      case "failure":
        this.#ending(from, () => this.#failed(message.error.message));
        return;
      default:
        return;
    }
  }

  /** Whether the guest's kernel has come to its end since the reading before. */
  look(reading: LaneReading): void {
    const end = this.#options.recovery.kernel.look(reading);
    if (end !== null) this.#ending(this.#options.lane.place, () => this.#failed(end));
  }

  /** Its worker has ended. @param isBlameless it was another machine's turn */
  workerEnded(reason: string, isBlameless: boolean): void {
    this.#options.around.abandonFile(this.#options.condition.name);
    this.broken(reason, { isBlameless });
  }

  /**
   * The guest, the machine or its worker has ended.
   *
   * @param isBlameless it was another machine's turn
   * @param isFinal it would end the same way again
   */
  broken(reason: string, { isBlameless = false, isFinal = false } = {}): void {
    const { condition, saves, stay } = this.#options;
    condition.failure = reason;
    if (!isBlameless) saves.point.failed(isSoon(condition.ranMs));
    stay.leave("failed", reason, condition.goesOn);
    this.#toldFailure(reason);
    if (!isFinal) this.#restartAfter({ kind: "failure", reason }, isBlameless);
  }

  async #halted(halt: Halt): Promise<void> {
    const { condition, stay } = this.#options;
    await stay.closeLane();
    const end = endOf(halt);
    condition.failure = end.kind === "failure" ? end.reason : null;
    stay.leave(end.kind === "failure" ? "failed" : "off", "the guest has ended");
    if (end.kind === "failure") this.#toldFailure(end.reason);
    this.#restartAfter(end);
  }

  async #failed(reason: string): Promise<void> {
    await this.#options.stay.closeLane();
    this.broken(reason);
  }

  /** The guest has asked for a restart, which it has had: unless its kernel asked for want of anything better. */
  #restarted(from: LanePlace | null): void {
    const { condition, recovery } = this.#options;
    const { panic } = recovery.kernel;
    recovery.kernel.reset();
    if (panic !== null) this.#ending(from, () => this.#failed(panic));
    else condition.told("machine-status", `${condition.name} was restarted by its guest`);
  }

  /** It has ended by itself in that place; unless somebody else has ended it or taken it away by then. */
  #ending(from: LanePlace | null, work: () => Promise<void>): void {
    const { lane, turns } = this.#options;
    const ended = turns.run(async () => {
      const { place } = lane;
      if (place !== null && place.worker === from?.worker && place.lane === from.lane) await work();
    });
    // A worker that has ended meanwhile says so itself.
    ended.catch(() => {});
  }

  #restartAfter(end: MachineEnd, isBlameless = false): void {
    const { condition, recovery, startAgain } = this.#options;
    recovery.ended(condition.spec.restart, { end, ranMs: condition.ranMs, isBlameless }, () => {
      startAgain().catch(() => {});
    });
  }

  #toldFailure(reason: string): void {
    const { around, condition } = this.#options;
    around.tell("machine-failure", condition.name, `${condition.name} failed: ${reason}`);
  }
}
