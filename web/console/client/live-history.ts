import { signal } from "@preact/signals";
import type { MachineView } from "../../../host/control/hypervisor/schemas.js";

/** Readings kept of each machine: two minutes at one a second. */
const LENGTH_MAX = 120;

/** What each machine's processor did in the last minutes, in host processors, oldest first. */
export class LiveHistory {
  /** Grows with each reading. */
  readonly version = signal(0);
  readonly #processors = new Map<string, number[]>();
  readonly #times: number[] = [];

  take(machines: readonly MachineView[], timeMs: number): void {
    // What comes twice within a moment says nothing new.
    if (timeMs - (this.#times.at(-1) ?? 0) < 500) return;
    this.#times.push(timeMs);
    if (this.#times.length > LENGTH_MAX) this.#times.shift();
    const names = new Set(machines.map(({ spec }) => spec.name));
    for (const name of this.#processors.keys()) if (!names.has(name)) this.#processors.delete(name);
    for (const { spec, load } of machines) {
      const line = this.#processors.get(spec.name) ?? [];
      line.push(load.processors);
      if (line.length > LENGTH_MAX) line.shift();
      this.#processors.set(spec.name, line);
    }
    this.version.value++;
  }

  /** What was read before the page came: it lies before what the page has seen. */
  precede(name: string, processors: readonly number[]): void {
    const line = [...processors, ...this.of(name)].slice(-LENGTH_MAX);
    this.#processors.set(name, line);
    this.version.value++;
  }

  of(name: string): readonly number[] {
    return this.#processors.get(name) ?? [];
  }
}
