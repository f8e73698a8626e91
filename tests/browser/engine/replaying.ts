import type { WasmModule } from "../../../host/core/wasm.js";
import type { HostServices } from "../../../host/machine/host-services.js";
import type { MachineFile } from "../../../host/snapshot/machine-file.js";
import { replay } from "../../../host/snapshot/replay.js";

/** What a history came to when it was run again. */
export interface Replayed {
  readonly stateHash: string;
  /** Retired since power-on, as text. */
  readonly instructions: string;
  /** What the guest wrote to its console, a character a byte. */
  readonly output: string;
}

/** Runs the newest history of a file again. */
export async function replayFile(file: MachineFile, core: WasmModule, host: HostServices): Promise<Replayed> {
  let output = "";
  const serial = {
    write: (bytes: Uint8Array) => {
      output += String.fromCharCode(...bytes);
    },
  };
  const { end } = await replay(file, {}, { core, host, serial });
  return { stateHash: end.stateHash, instructions: String(end.retired), output };
}
