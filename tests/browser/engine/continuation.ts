import type { WasmModule } from "../../../host/core/wasm.js";
import type { HostServices } from "../../../host/machine/host-services.js";
import { Machine } from "../../../host/machine/machine.js";
import type { MachineFile } from "../../../host/snapshot/machine-file.js";

/** Where a machine came to. */
export interface Continuation {
  readonly stateHash: string;
  /** Retired since power-on, as text. */
  readonly instructions: string;
  /** The machine file, with the machine saved again. */
  readonly file: Uint8Array;
}

/**
 * Lets the machine in a file go on for a number of instructions, and saves it again.
 *
 * With virtual time every slice of instructions ends at the same one in every run, so "the first slice to end after so
 * many" is a point of the machine's history.
 */
export async function continueInFile(
  file: MachineFile,
  core: WasmModule,
  host: HostServices,
  instructions: number,
): Promise<Omit<Continuation, "file">> {
  const state = file.load(file.present!);
  const target = state.instructions + BigInt(instructions);
  const machine: Machine = await Machine.resume(state, {
    core,
    serial: { write: () => {} },
    host: {
      nowNs: () => host.nowNs(),
      monotonicMs: () => host.monotonicMs(),
      sleep: (ms) => host.sleep(ms),
      randomBytes: (into) => host.randomBytes(into),
      async yieldToEvents() {
        if (machine.stats().instructions >= target) machine.stop();
        await host.yieldToEvents();
      },
    },
    identity: "kept",
  });
  await machine.run();
  await file.save(await machine.capture());
  return { stateHash: machine.stateHash(), instructions: String(machine.stats().instructions) };
}
