import { Command, CommanderError } from "commander";
import { MAX_HARTS } from "../../../assembly/shared/layout.js";
import type { Action, ImageAction } from "../../control/actions.js";
import { formatByteLength } from "../../control/byte-length.js";
import { MAXIMUM_INPUT_COUNT } from "../../control/device-options.js";
import { type ImageBuildOptions, readImageBuild } from "../../control/image-options.js";
import { DEFAULT_KEEP_COUNT } from "../../control/keep-options.js";
import { DEFAULT_RELAY_PLACE, type RelayOptions, readRelayOptions } from "../../control/relay-options.js";
import {
  DEFAULT_IMAGE,
  DEFAULT_MEMORY_BYTE_LENGTH,
  MAXIMUM_DRIVE_COUNT,
  type RunOptions,
  readRunOptions,
} from "../../control/run-options.js";
import { MAXIMUM_SHARE_COUNT } from "../../control/share-option.js";
import { VivariumError } from "../../util/errors.js";
import { collect } from "./collect.js";
import { describeGroup } from "./command-group.js";
import { type CompletionRequest, describeCompletion } from "./completion.js";
import { describeDaemonCommands } from "./daemon-commands.js";
import { describeFileCommands } from "./file-commands.js";
import { packageVersion } from "./package-version.js";

/** What the program was asked for: something to do, or a text to print. */
export type Request =
  | { readonly kind: "action"; readonly action: Action }
  | { readonly kind: "text"; readonly text: string }
  /** A shell asks what can stand at the end of a command line. */
  | { readonly kind: "completion"; readonly completion: CompletionRequest };

/**
 * Reads the arguments after the program's name.
 *
 * @throws VivariumError `usage/invalid` or `option/invalid`
 */
export function readCommandLine(args: readonly string[]): Request {
  let text = "";
  let action: Action | undefined;
  let completion: CompletionRequest | undefined;
  const program = describeProgram((output) => {
    text += output;
  });
  describeRun(program, (options) => {
    action = readRunOptions(options);
  });
  describeImage(program, (asked) => {
    action = asked;
  });
  describeRelay(program, (options) => {
    action = readRelayOptions(options);
  });
  describeFileCommands(program, (requested) => {
    action = requested;
  });
  describeDaemonCommands(program, (requested) => {
    action = requested;
  });
  describeCompletion(
    program,
    (script) => {
      text = script;
    },
    (request) => {
      completion = request;
    },
  );
  try {
    program.parse(args.length === 0 ? ["--help"] : args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) throw new VivariumError("usage/invalid", oneLine(error, commandOf(program, args)));
  }
  if (action !== undefined) return { kind: "action", action };
  if (completion !== undefined) return { kind: "completion", completion };
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
      "--drive <file[,option...]>",
      `disk image (raw, qcow2, vmdk, vhdx); up to ${MAXIMUM_DRIVE_COUNT} times; options below`,
      collect,
    )
    .option(
      "--share <directory:target[,readonly]>",
      "give the guest this folder: mounted at TARGET if that begins with /, else by the mount tag TARGET; up to " +
        `${MAXIMUM_SHARE_COUNT} times`,
      collect,
    )
    .option(
      "--vsock <cid[,socket=file]>",
      "give the guest sockets to the host, with this address (3 or more); with a file, as Unix sockets of the host",
    )
    .option("--balloon [amount]", "give the guest a balloon, by which memory can be taken from it, and take this much")
    .option("--input <kind>", `add a keyboard or a tablet; up to ${MAXIMUM_INPUT_COUNT} times`, collect)
    .option("--disk <file>", "keep in this file what the guest writes to the image's own disk (default: forget it)")
    .option("--net <kind[,option...]>", "network device; up to 4 times, see below", collect)
    .option("--net-rate <bits>", "bits per second for all networks together, such as 100mbit[,burst=1MiB]")
    .option("--limits <file>", "limits of networks and disks, read again when the file changes, see below")
    .option("--pcap <file>", "write what passes on the networks to this file, for tcpdump or Wireshark")
    .option("--clock <kind>", "host: guest time follows the host's (default); virtual: it counts instructions")
    .option("--virtio <interface>", "modern (default), or legacy: version 1, for systems that know no other")
    .option("--translate <mode>", "on: translate hot code to Wasm (default); off: interpret; eager: translate at once")
    .option("--translation-cache <size>", "translated code to keep, as WebAssembly (default: 64MiB)")
    .option("--save <file>", 'keep the machine in this new file: "viv open" goes on where it was left')
    .option("--snapshot-every <time>", "with --save: take snapshots while it runs, such as every 30s, 10m or 2h")
    .option("--keep <count>", `how many of those stay (default: ${DEFAULT_KEEP_COUNT})`)
    .option("--record", 'with --save: record its history, which "viv replay" runs again')
    .option("--cold", "boot the image, even if a machine like this has been booted before")
    .option("--dump-region <pc>", "show at the end what the code at this address (hexadecimal) was translated to")
    .option("--commit-log <file>", "write each retired instruction to this file, in Spike's format")
    .option("--stats", "say at the end what the machine did")
    .addHelpText("after", RUN_EXAMPLES)
    .action((image: string | undefined, options: Omit<RunOptions, "image">) => {
      onRun(image === undefined ? options : { ...options, image });
    });
}

function describeImage(program: Command, onAction: (action: ImageAction) => void): void {
  const image = describeGroup(program.command("image").summary("list, make, remove and import guest images"));
  image
    .command("ls")
    .summary("list the images, and what they take")
    .action(() => onAction({ action: "image-list" }));
  image
    .command("build")
    .summary("make an image of Debian's packages")
    .description("Makes an image of the packages of a Debian mirror. That of debian takes some minutes.")
    .argument("<name>", "debian or debian-mini")
    .option("--size <amount>", "length of its disk, such as 8GiB (default: 4GiB; it takes what is used)")
    .option("--force", "make it anew when it is there already")
    .action((name: string, options: ImageBuildOptions) => onAction(readImageBuild(name, options)));
  image
    .command("rm")
    .summary("remove an image")
    .argument("<name>")
    .action((name: string) => onAction({ action: "image-remove", name }));
  image
    .command("import")
    .summary("copy the directory of an image, to be started by name")
    .argument("<name>", "how it is to be called")
    .argument("<directory>", "a directory with a manifest.json, such as another cache's")
    .action((name: string, directory: string) => onAction({ action: "image-import", name, directory }));
}

function describeRelay(program: Command, onRelay: (options: RelayOptions) => void): void {
  program
    .command("relay")
    .summary("give machines in browser tabs a network of this host")
    .description(
      "Serves WebSocket connections that carry one Ethernet frame a message; each gets a NAT of its own,\n" +
        "as --net user gives a machine. Web pages of other hosts are refused unless --origin names them.",
    )
    .option("--listen <[host:]port>", `where to listen (default: ${DEFAULT_RELAY_PLACE})`)
    .option("--allow <rule>", "let machines reach this and nothing else; as allow= of --net user", collect)
    .option("--deny <rule>", "keep machines from this; as deny= of --net user", collect)
    .option("--rate <bits>", "bits per second for each machine, such as 10mbit")
    .option("--origin <url>", "let pages of this origin connect, such as https://example.org; * is any", collect)
    .action(onRelay);
}

const PROGRAM_EXAMPLES = `
Examples:
  viv run                              boot Debian's kernel to a shell
  viv run --exec 'uname -a'            run a command in the guest
  viv image build debian               make a whole Debian with systemd
  viv run --save lab.viv               keep the machine in a file
  viv open lab.viv                     and go on with it
  viv serve                            run many machines, with a console in the browser
  viv create web && viv attach web     one of them
  viv run --help                       all options
`;

const RUN_EXAMPLES = `
Examples:
  viv run
  viv run --memory 1GiB --harts 4 --drive disk.img --drive tools.img,readonly
  viv run --exec 'sha256sum' < file
  viv run --share ./work:/mnt/work --exec 'ls -l /mnt/work'
  viv run --kernel Image --initrd initrd.cpio --append 'console=ttyS0'
  viv run debian-mini --bios fw_jump.elf
  viv run --net user,forward=127.0.0.1:8080:80
  viv run --bare rv64ui-p-add --commit-log add.log

Options of a drive:
  format=NAME               raw, qcow2, vmdk or vhdx; without it, what the file's name and beginning say
  readonly                  the guest cannot write to it
  snapshot                  what the guest writes is gone at the end
  internal=NAME             a snapshot within a qcow2 image
  backing=any               the image may lie over files outside of its own directory
  serial=TEXT               its serial number (default: disk0, disk1, ...)
  iops=N, bps=AMOUNT        operations and bytes a second; iops-burst=N, bps-burst=AMOUNT after a pause

Networks (--net):
  user      a network of its own behind a NAT: 10.0.2.2 is this host's 127.0.0.1, 10.0.2.3 its name server
            forward=[tcp:|udp:]HOST:PORT:GUESTPORT   a port of this host that leads to one of the guest
            allow=RULE, deny=RULE                    what it may reach, the first that fits; with an allow, nothing else
            RULE is [tcp:|udp:]ADDRESS[/BITS][:PORT[-PORT]], or a NAME or *.NAME in place of the address
  switch    machines of this host on one network, of any number of programs: name=NAME (default: default)
            uplink=user brings the NAT of "user" into it, for all of them; one machine does
  socket    frames over a stream, as QEMU's -netdev stream: connect=HOST:PORT, listen=[HOST:]PORT, or unix:PATH
  ws        a frame a message over a WebSocket, as "viv relay" serves: url=ws://HOST:PORT/
  tap       a macvtap interface of Linux: device=/dev/tapN
  unplugged a device whose cable is out
  none      no network device
  All take  mac=52:54:00:12:34:56, mtu=1500, rate=10mbit (each way), burst=64KiB,
            guarantee=2mbit: what it gets of --net-rate whatever the others send

Limits (--limits), one a line; a line without settings lifts what the command line has set:
  net: rate=100mbit                                  all networks together
  net0: rate=10mbit burst=64KiB guarantee=2mbit      the first network device
  disk0: iops=100 bps=10MiB                          the first disk

Exit status:
  0         the guest switched itself off, or the operator left
  N         the command of --exec ended with N, or the guest reported failure N (1 to 125)
  1         the guest ended before the command did, or a test program failed
  2         something in the command line or its files cannot be used
  3         the guest's kernel panicked
  70        an error of this program; VIV_DEBUG=1 shows where
  128 + N   the program, or the command of --exec, was ended by signal N
`;

/** The words of the command that was asked for, as far as it is there. */
function commandOf(program: Command, args: readonly string[]): string {
  let command = program;
  let path = program.name();
  for (const word of args) {
    const found = command.commands.find((each) => each.name() === word);
    if (found === undefined) break;
    command = found;
    path = `${path} ${word}`;
  }
  return path;
}

/** Commander puts its suggestion on a line of its own. */
function oneLine(error: CommanderError, command: string): string {
  const message = error.message
    .replace(/^error: /, "")
    .replace(/\.$/, "")
    .replaceAll("\n", " ");
  return `${message}; "${command} --help" lists what there is`;
}
