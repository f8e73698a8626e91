/** How a machine that shares its thread with others comes to the processor. A machine by itself has none of this. */

/** A machine's turn at the processor. It lasts until `give`; nobody else has one meanwhile. */
export interface ProcessorTurn {
  /** Instructions that it may retire; one whose slices have a fixed length may go beyond, and is charged for it. */
  readonly budget: number;
  /** When the turn shall end although not all of its instructions are retired, by `HostServices.monotonicMs`. */
  readonly deadlineMs: number;
  /** How long it was asked for in vain: the machine wanted to run and did not. */
  readonly waitedMs: number;
}

/** What a machine has made of its turn. */
export interface ProcessorUse {
  /** Instructions, by all harts. */
  readonly retired: number;
  /** By the host's clock, which may have stood or run on without the machine. */
  readonly elapsedMs: number;
  /** Reads and writes of devices, and calls of the firmware: what a guest can make the host work with. */
  readonly deviceAccesses: number;
  /** Whether all harts wait: the machine asks for a turn only when something has happened. */
  readonly waits: boolean;
}

/** One machine's part of the processor. */
export interface ProcessorTurns {
  /** Asks for a turn. @returns null when it was given up by `leave` */
  take(): Promise<ProcessorTurn | null>;
  /** Ends the turn. To be called once for each, whatever happened in it. */
  give(use: ProcessorUse): void;
  /** Gives up what was asked for; does nothing when there is nothing. */
  leave(): void;
}
