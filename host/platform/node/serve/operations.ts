import { randomBytes } from "node:crypto";
import type { OperationView } from "../../../control/hypervisor/schemas.js";
import type { ActionContext, HypervisorService } from "../../../control/hypervisor/service.js";
import { VivariumError } from "../../../util/errors.js";
import { failureOf } from "./failure.js";

const RUNNING_MAX = 256;
const ENDED_MAX = 1000;
const ENDED_KEPT_MS = 3_600_000;
/** What the results of those that have ended may take, as JSON. */
const RESULTS_LENGTH_MAX = 64 * 1024 * 1024;
const ID_BYTE_LENGTH = 9;

interface Entry {
  view: OperationView;
  /** Resolves when it has ended; never rejects. */
  ended: Promise<void>;
  failure: unknown;
  resultLength: number;
}

/** An operation that was begun. */
export interface Begun {
  readonly id: string;
  /** What it failed by, after it has ended. */
  failure(): unknown;
}

/** What goes on after its request was answered, and for an hour how it ended. */
export class Operations {
  readonly #entries = new Map<string, Entry>();
  readonly #now: () => number;
  readonly #tell: HypervisorService["tellOperation"];

  /** @param tell is told when one begins and ends */
  constructor(now: () => number, tell: HypervisorService["tellOperation"]) {
    this.#now = now;
    this.#tell = tell;
  }

  /**
   * Begins to do something.
   *
   * @throws VivariumError `operation/too-many`
   */
  begin(
    action: string,
    machine: string | null,
    work: (report: NonNullable<ActionContext["onProgress"]>) => Promise<unknown>,
  ): Begun {
    this.#forgetOld();
    if (this.#running() >= RUNNING_MAX) {
      throw new VivariumError("operation/too-many", `${RUNNING_MAX} operations go on; expected some to end first`);
    }
    const id = randomBytes(ID_BYTE_LENGTH).toString("base64url");
    const entry: Entry = {
      view: {
        id,
        action,
        machine,
        status: "running",
        progress: null,
        message: "",
        startedAt: this.#now(),
        endedAt: null,
      },
      ended: Promise.resolve(),
      failure: null,
      resultLength: 0,
    };
    this.#entries.set(id, entry);
    this.#told(entry, "has begun");
    const report = (progress: number | null, message: string) => {
      if (entry.view.status === "running") entry.view = { ...entry.view, progress, message };
    };
    entry.ended = this.#conclude(entry, work(report));
    return { id, failure: () => entry.failure };
  }

  list(): OperationView[] {
    this.#forgetOld();
    return [...this.#entries.values()].map(({ view }) => view);
  }

  /** @throws VivariumError `operation/unknown` */
  get(id: string): OperationView {
    return this.#entry(id).view;
  }

  /** The operation when it has ended, or as it is after `waitMs`. @throws VivariumError `operation/unknown` */
  async wait(id: string, waitMs: number): Promise<OperationView> {
    const entry = this.#entry(id);
    if (entry.view.status === "running") await withTimeout(entry.ended, waitMs);
    return entry.view;
  }

  async #conclude(entry: Entry, work: Promise<unknown>): Promise<void> {
    try {
      const result = await work;
      entry.resultLength = JSON.stringify(result ?? null).length;
      entry.view = { ...entry.view, status: "succeeded", progress: 1, endedAt: this.#now(), result: result ?? null };
      this.#told(entry, "is done");
    } catch (error) {
      const { code, message } = failureOf(error);
      entry.failure = error;
      entry.view = { ...entry.view, status: "failed", endedAt: this.#now(), error: { code, message } };
      this.#told(entry, `has failed: ${message}`);
    }
  }

  #told({ view: { id, action, machine, status } }: Entry, what: string): void {
    const which = machine === null ? action : `${action} of ${machine}`;
    this.#tell(machine, `${which} ${what}`, { operation: id, action, status });
  }

  #entry(id: string): Entry {
    const entry = this.#entries.get(id);
    if (entry !== undefined) return entry;
    throw new VivariumError("operation/unknown", `there is no operation ${JSON.stringify(id)}, or not any more`);
  }

  #running(): number {
    return [...this.#entries.values()].filter(({ view }) => view.status === "running").length;
  }

  #forgetOld(): void {
    const ended = [...this.#entries.values()].filter(({ view }) => view.status !== "running");
    let count = ended.length;
    let length = ended.reduce((sum, { resultLength }) => sum + resultLength, 0);
    const oldest = this.#now() - ENDED_KEPT_MS;
    for (const { view, resultLength } of ended) {
      if (view.endedAt! >= oldest && count <= ENDED_MAX && length <= RESULTS_LENGTH_MAX) break;
      this.#entries.delete(view.id);
      count--;
      length -= resultLength;
    }
  }
}

/** Resolves with `work` or after `ms`, whichever is first. */
async function withTimeout(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, timeout]);
  clearTimeout(timer);
}
