import type { WasmModule } from "../../host/core/wasm.js";
import { commandLineFor } from "../../host/images/command-line.js";
import type { Image } from "../../host/images/image.js";
import { Machine, type MachineState } from "../../host/machine/machine.js";
import { NodeHostServices } from "../../host/platform/node/host-services.js";

const MEMORY_BYTE_LENGTH = 512 * 1024 * 1024;
const PROMPT = ":~# ";

/** The default guest, running in this process. */
export class BenchGuest {
  readonly machine: Machine;
  readonly #console: Console;
  readonly #ended: Promise<unknown>;

  private constructor(machine: Machine, console: Console) {
    this.machine = machine;
    this.#console = console;
    this.#ended = machine.run();
  }

  /** At its prompt. */
  static async boot(core: WasmModule, image: Image): Promise<BenchGuest> {
    const console = new Console();
    const machine = await Machine.create({
      core,
      hartCount: 1,
      memoryByteLength: MEMORY_BYTE_LENGTH,
      clock: "host",
      boot: {
        kind: "linux",
        kernel: image.kernel,
        initrd: image.initrd,
        commandLine: commandLineFor(image.commandLine, { kind: "interactive" }),
      },
      drives: [],
      serial: console,
      host: new NodeHostServices(),
    });
    const guest = new BenchGuest(machine, console);
    await console.until(PROMPT);
    return guest;
  }

  /** Runs a shell command to its end. */
  async run(command: string): Promise<void> {
    const done = this.#console.until(PROMPT);
    this.machine.serialInput.write(Buffer.from(`${command}\n`));
    await done;
  }

  async stop(): Promise<void> {
    this.machine.stop();
    await this.#ended;
  }
}

/** Milliseconds from `start` until a machine with this state has executed its first instructions. */
export async function msToFirstInstruction(core: WasmModule, state: MachineState, startMs: number): Promise<number> {
  let firstMs: number | null = null;
  // Called after the first slice.
  const host = new NodeHostServices(async () => {
    firstMs ??= performance.now();
    machine.stop();
  });
  const machine = await Machine.resume(state, { core, serial: { write: () => {} }, host });
  await machine.run();
  return firstMs! - startMs;
}

/** What the guest writes, watched for a text. */
class Console {
  #text = "";
  #wanted: { readonly text: string; readonly found: () => void } | null = null;

  write(bytes: Uint8Array): void {
    this.#text += Buffer.from(bytes).toString("latin1");
    if (this.#wanted === null || !this.#text.includes(this.#wanted.text)) return;
    this.#wanted.found();
    this.#wanted = null;
    this.#text = "";
  }

  /** Resolves when the guest writes `text` from now on. */
  until(text: string): Promise<void> {
    this.#text = "";
    return new Promise((found) => {
      this.#wanted = { text, found };
    });
  }
}
