import type { Image } from "../../host/images/image.js";
import { Machine, type MachineOptions } from "../../host/machine/machine.js";
import { loadCoreModule } from "../../host/platform/node/core-module.js";
import { NodeHostServices } from "../../host/platform/node/host-services.js";
import { MemoryFolder } from "../../host/share/memory-folder.js";
import type { FolderFile } from "../../host/share/shared-folder.js";

const EXPECT_TIMEOUT_MS = 60_000;

/** A machine with an image, made by the API and used by its serial console. */
export class MachineConsole {
  readonly machine: Machine;
  readonly #ended: Promise<unknown>;
  readonly #output: { text: string };
  readonly #tools: MemoryFolder;
  #expectedUpTo = 0;
  #commandCount = 0;

  private constructor(machine: Machine, tools: MemoryFolder, output: { text: string }) {
    this.machine = machine;
    this.#tools = tools;
    this.#output = output;
    this.#ended = machine.run();
  }

  /** Boots to the shell's prompt. The guest has a folder mounted at /t, for programs and commands. */
  static async boot(image: Image, options: Partial<MachineOptions> = {}): Promise<MachineConsole> {
    const output = { text: "" };
    const tools = new MemoryFolder({ nowNs: () => BigInt(Date.now()) * 1_000_000n });
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
      shares: [...(options.shares ?? []), { tag: "tools", folder: tools }],
    });
    const console = new MachineConsole(machine, tools, output);
    await console.expect("# ");
    console.type("mkdir /t && mount -t 9p -o trans=virtio,version=9p2000.L tools /t\n");
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

  /** Puts a file into the folder that the guest has mounted at /t. */
  give(name: string, content: Uint8Array): void {
    const access = { read: true, write: true, append: false, truncate: false, sync: false };
    const file = this.#tools.root().createFile(name, access, { permissions: 0o755, uid: 0, gid: 0 });
    (file as FolderFile).write(0, content);
  }

  /** Types a command's name only: what is typed comes back wrapped, with control sequences in it. */
  start(command: string): void {
    const name = `c${this.#commandCount++}`;
    this.give(name, new TextEncoder().encode(`${command}\necho END\n`));
    this.type(`sh /t/${name}\n`);
  }

  type(text: string): void {
    this.machine.serialInput.write(new TextEncoder().encode(text));
  }

  /** Waits for the command's end, and for the next prompt. @returns what it printed since, with \n at the ends of lines */
  async finished(): Promise<string> {
    const output = await this.expect("END\r\n");
    await this.expect("# ");
    return output.replaceAll("\r\n", "\n");
  }

  /** Runs a command in the guest's shell. @returns what it printed */
  async run(command: string): Promise<string> {
    this.start(command);
    await this.expect(`sh /t/c${this.#commandCount - 1}\r\n`);
    return this.finished();
  }

  async end(): Promise<void> {
    this.machine.stop();
    await this.#ended;
  }
}
