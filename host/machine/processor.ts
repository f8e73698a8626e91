import { CommitTracer } from "../core/commit-tracer.js";
import { Core, EXIT_BUDGET } from "../core/core.js";
import { VivariumError } from "../util/errors.js";
import type { BoardState } from "./board-state.js";
import type { Bus } from "./bus.js";
import type { Recorder } from "./history/recorder.js";
import { Replayer } from "./history/replayer.js";
import type { MachineWires } from "./machine-options.js";
import { mebibytes } from "./placement.js";
import type { RunnableProcessor } from "./run-loop.js";

/** The processor of a board. @throws VivariumError `machine/memory` when the host cannot give so much */
export async function createCore(board: BoardState, wires: MachineWires, mmio: Bus): Promise<Core> {
  const { memoryByteLength, hartCount, firmware } = board;
  const { translationByteLengthMax, onTranslationRefused } = wires;
  try {
    const core = await Core.create({
      module: wires.core,
      memoryByteLength,
      hartCount,
      mmio,
      hostFirmware: firmware === "machine",
      translate: wires.translate ?? "on",
      ...(translationByteLengthMax === undefined ? {} : { translationByteLengthMax }),
      ...(onTranslationRefused === undefined ? {} : { onTranslationRefused }),
      nowMs: () => wires.host.monotonicMs(),
    });
    core.onTranslation = wires.onTranslation;
    return core;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new VivariumError("machine/memory", `memory: the host cannot give ${mebibytes(memoryByteLength)}`, {
      memoryByteLength,
    });
  }
}

/**
 * The core as the loop runs it: instruction by instruction where somebody wants to see each, and no further than its
 * history is to be run.
 */
export function processorOf(core: Core, wires: MachineWires): RunnableProcessor {
  return bounded(wires.onCommit === undefined ? core : traced(core, wires.onCommit), wires.border ?? null);
}

function traced(core: Core, onCommit: NonNullable<MachineWires["onCommit"]>): RunnableProcessor {
  const tracer = new CommitTracer(core, onCommit);
  return {
    run: (budget) => tracer.run(budget),
    get exitHart() {
      return core.exitHart;
    },
    get retired() {
      return core.retired;
    },
    requestStop: () => core.requestStop(),
  };
}

function bounded(processor: RunnableProcessor, border: Recorder | Replayer | null): RunnableProcessor {
  if (!(border instanceof Replayer)) return processor;
  return {
    run(budget) {
      const { left } = border;
      if (left === null || left >= budget) return processor.run(budget);
      return left > 0n ? processor.run(Number(left)) : EXIT_BUDGET;
    },
    get exitHart() {
      return processor.exitHart;
    },
    get retired() {
      return processor.retired;
    },
    requestStop: () => processor.requestStop(),
  };
}
