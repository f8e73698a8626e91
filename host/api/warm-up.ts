import type { WasmModule } from "../core/wasm.js";
import { Machine } from "../machine/machine.js";
import { StatePacker } from "./packed-state.js";
import type { WorkerPlatform } from "./platform.js";

/** jal zero, 0: an endless loop. */
const PROGRAM = Uint8Array.from([0x6f, 0, 0, 0]);
const MEMORY_BYTE_LENGTH = 1 << 20;
const PORT = "port";

/**
 * Does once with a small machine what a fork does: engines compile code when it is first run, and that would be half of
 * what a fork takes.
 */
export async function warmUp(platform: WorkerPlatform, core: WasmModule): Promise<void> {
  const wires = {
    core,
    host: platform.hostServices(async () => {}),
    serial: { write: () => {} },
    ports: [{ name: PORT, receive: () => {} }],
  };
  const original = await Machine.create({
    ...wires,
    hartCount: 1,
    memoryByteLength: MEMORY_BYTE_LENGTH,
    clock: "host",
    boot: { kind: "bare", program: PROGRAM },
    drives: [],
  });
  await runBriefly(original);
  const packer = new StatePacker();
  const [state] = packer.pack(await original.capture(), 1);
  await runBriefly(await Machine.resume(packer.unpack(state!), wires));
}

async function runBriefly(machine: Machine): Promise<void> {
  const run = machine.run();
  machine.stop();
  await run;
}
