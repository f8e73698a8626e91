import type { Image } from "../../host/images/image.js";
import { Machine, type MachineOptions } from "../../host/machine/machine.js";
import { loadCoreModule } from "../../host/platform/node/core-module.js";
import { NodeHostServices } from "../../host/platform/node/host-services.js";

const EXPECT_TIMEOUT_MS = 60_000;

/** A machine with an image, made by the API and used by its serial console. */
export class MachineConsole {
  readonly machine: Machine;
  readonly #ended: Promise<unknown>;
  readonly #output: { text: string };
  #expectedUpTo = 0;

  private constructor(machine: Machine, output: { text: string }) {
    this.machine = machine;
    this.#output = output;
    this.#ended = machine.run();
  }

  static async start(image: Image, options: Partial<MachineOptions> = {}): Promise<MachineConsole> {
    const output = { text: "" };
    const machine = await Machine.create({
      core: await loadCoreModule(),
      hartCount: 1,
      memoryByteLength: 256 << 20,
      clock: "host",
      boot: { kind: "linux", kernel: image.kernel, initrd: image.initrd, commandLine: image.commandLine },
      drives: [],
      serial: {
        write: (bytes) => {
          output.text += Buffer.from(bytes).toString("latin1");
        },
      },
      host: new NodeHostServices(),
      ...options,
    });
    const console = new MachineConsole(machine, output);
    await console.expect("# ");
    return console;
  }

  /** Waits until the console shows `text`, behind what was waited for last. @returns what stood between them */
  async expect(text: string): Promise<string> {
    const untilMs = Date.now() + EXPECT_TIMEOUT_MS;
    for (;;) {
      const found = this.#output.text.indexOf(text, this.#expectedUpTo);
      if (found !== -1) {
        const between = this.#output.text.slice(this.#expectedUpTo, found);
        this.#expectedUpTo = found + text.length;
        return between;
      }
      if (Date.now() > untilMs) {
        throw new Error(`no ${JSON.stringify(text)} in:\n${this.#output.text.slice(this.#expectedUpTo)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  type(text: string): void {
    this.machine.serialInput.write(new TextEncoder().encode(text));
  }

  /** Runs a command in the guest's shell. @returns what it printed, with \n at the ends of lines */
  async run(command: string): Promise<string> {
    // The echoed command must not be taken for its end.
    this.type(`${command}; echo EN''D\n`);
    await this.expect("EN''D\r\n");
    return (await this.expect("END\r\n")).replaceAll("\r\n", "\n");
  }

  async end(): Promise<void> {
    this.machine.stop();
    await this.#ended;
  }
}
