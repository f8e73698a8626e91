import type { Image } from "../../host/images/image.js";
import type { LargeFigure, Sample } from "../subject.js";
import type { GuestSystem } from "./systems.js";

/** What whole guests are measured on, and how often. */
export interface LargeSetting {
  readonly image: Image;
  /** Vivarium first. */
  readonly systems: readonly GuestSystem[];
  readonly runs: number;
  /** A line for whoever waits. */
  progress(line: string): void;
}

/** Collects samples by subject and system, in the order in which they first come. */
export class FigureCollector {
  readonly #subjects = new Map<string, { work: string; systems: Map<string, Sample[]> }>();

  add(subject: string, work: string, system: string, sample: Sample): void {
    const entry = this.#subjects.get(subject) ?? { work, systems: new Map() };
    this.#subjects.set(subject, entry);
    entry.systems.set(system, [...(entry.systems.get(system) ?? []), sample]);
  }

  get figures(): LargeFigure[] {
    return [...this.#subjects].map(([subject, { work, systems }]) => ({
      subject,
      work,
      systems: [...systems].map(([system, samples]) => ({ system, samples })),
    }));
  }
}
