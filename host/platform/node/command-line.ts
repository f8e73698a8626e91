import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { MAX_HARTS } from "../../../assembly/shared/layout.js";
import type { Action } from "../../control/actions.js";
import { formatByteLength } from "../../control/byte-length.js";
import {
  DEFAULT_IMAGE,
  DEFAULT_MEMORY_BYTE_LENGTH,
  MAXIMUM_DRIVE_COUNT,
  type RunOptions,
  readRunOptions,
} from "../../control/run-options.js";
import { VivariumError } from "../../util/errors.js";
import { packageDirectory } from "./core-module.js";

/** What the program was asked for: something to do, or a text to print. */
export type Request =
  | { readonly kind: "action"; readonly action: Action }
  | { readonly kind: "text"; readonly text: string };

/**
 * Reads the arguments after the program's name.
 *
 * @throws VivariumError `usage/invalid` or `option/invalid`
 */
export function readCommandLine(args: readonly string[]): Request {
  let text = "";
  let action: Action | undefined;
  const program = describeProgram((output) => {
    text += output;
  });
  describeRun(program, (options) => {
    action = readRunOptions(options);
  });
  try {
    program.parse(args.length === 0 ? ["--help"] : args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) throw new VivariumError("usage/invalid", oneLine(error));
  }
  if (action !== undefined) return { kind: "action", action };
  return { kind: "text", text };
}

function describeProgram(write: (text: string) => void): Command {
  return new Command("viv")
    .description("Runs RISC-V machines compatible with QEMU's virt board, on WebAssembly.")
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .exitOverride()
    .configureOutput({ writeOut: write, writeErr: () => {} })
    .addHelpText("after", PROGRAM_EXAMPLES);
}

function describeRun(program: Command, onRun: (options: RunOptions) => void): void {
  program
    .command("run")
    .summary("start a machine and stay at its console")
    .description(
      "Starts a machine and connects this terminal to its console.\n" +
        "In the console, Ctrl-A X leaves and Ctrl-A H lists the keys.",
    )
    .argument("[image]", `guest image to start (default: ${DEFAULT_IMAGE}, unless a file below is given)`)
    .option("--exec <command>", "run a shell command in the guest and exit with its status")
    .option("--kernel <file>", "start this kernel (Image or ELF) in S-mode; the machine serves SBI")
    .option("--initrd <file>", "initial RAM disk for --kernel")
    .option("--append <text>", "command line for --kernel, or more of it for an image")
    .option("--bios <file>", "start this firmware (OpenSBI, U-Boot) in M-mode, below the kernel if there is one")
    .option("--bare <file>", "start this program (ELF or raw) in M-mode with nothing below it")
    .option(
      "--memory <amount>",
      `guest memory, such as 256MiB or 2GiB (default: ${formatByteLength(DEFAULT_MEMORY_BYTE_LENGTH)})`,
    )
    .option("--harts <count>", `processors, 1 to ${MAX_HARTS} (default: 1)`)
    .option(
      "--drive <file[,readonly]>",
      `raw disk image, a multiple of 512 bytes; up to ${MAXIMUM_DRIVE_COUNT} times`,
      collect,
    )
    .option("--clock <kind>", "host: guest time follows the host's (default); virtual: it counts instructions")
    .option("--translate <mode>", "on: translate hot code to Wasm (default); off: interpret; eager: translate at once")
    .option("--translation-cache <size>", "translated code to keep, as WebAssembly (default: 64MiB)")
    .option("--dump-region <pc>", "show at the end what the code at this address (hexadecimal) was translated to")
    .option("--commit-log <file>", "write each retired instruction to this file, in Spike's format")
    .option("--stats", "say at the end what the machine did")
    .addHelpText("after", RUN_EXAMPLES)
    .action((image: string | undefined, options: Omit<RunOptions, "image">) => {
      onRun(image === undefined ? options : { ...options, image });
    });
}

const PROGRAM_EXAMPLES = `
Examples:
  viv run                              boot Debian's kernel to a shell
  viv run --exec 'uname -a'            run a command in the guest
  viv run --help                       all options
`;

const RUN_EXAMPLES = `
Examples:
  viv run
  viv run --memory 1GiB --harts 4 --drive disk.img --drive tools.img,readonly
  viv run --exec 'sha256sum' < file
  viv run --kernel Image --initrd initrd.cpio --append 'console=ttyS0'
  viv run debian-mini --bios fw_jump.elf
  viv run --bare rv64ui-p-add --commit-log add.log

Exit status:
  0         the guest switched itself off, or the operator left
  N         the command of --exec ended with N, or the guest reported failure N (1 to 125)
  1         the guest ended before the command did, or a test program failed
  2         something in the command line or its files cannot be used
  3         the guest's kernel panicked
  70        an error of this program; VIV_DEBUG=1 shows where
  128 + N   the program, or the command of --exec, was ended by signal N
`;

function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}

/** Commander puts its suggestion on a line of its own. */
function oneLine(error: CommanderError): string {
  const message = error.message
    .replace(/^error: /, "")
    .replace(/\.$/, "")
    .replaceAll("\n", " ");
  return `${message}; "viv run --help" lists what there is`;
}

function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(packageDirectory(), "package.json"), "utf8")) as { version: string };
  return version;
}
