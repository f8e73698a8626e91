import type { Command } from "commander";
import type { Action } from "../../control/actions.js";
import { type ConnectionOptions, daemonAction, isMachineName } from "../../control/cli/daemon-action.js";
import { readCount } from "../../control/cli/machine-options.js";
import {
  type OpenOptions,
  type ReplayOptions,
  readExportOptions,
  readForkOptions,
  readImportOptions,
  readInspectOptions,
  readOpenOptions,
  readReplayOptions,
  readRestoreOptions,
  readSnapshotOptions,
  type StreamOptions,
} from "../../control/file-options.js";
import { DEFAULT_KEEP_COUNT } from "../../control/keep-options.js";
import { VivariumError } from "../../util/errors.js";
import { collect } from "./collect.js";
import { withConnection } from "./daemon-commands.js";

/** What is about a machine, wherever it is: a name is one of the daemon, anything else is a file. */
const WHICH = "a machine file such as lab.viv or ./lab, or the name of a machine of the daemon";

/** Adds the commands about machine files to the program. */
export function describeFileCommands(program: Command, onAction: (action: Action) => void): void {
  describeOpen(program, onAction);
  describeSnapshots(program, onAction);
  withConnection(program.command("inspect"))
    .summary("say what is in a machine file, or what a machine of the daemon is")
    .argument("<machine>", WHICH)
    .action((machine: string, options: ConnectionOptions) => {
      if (isMachineName(machine)) {
        onAction(daemonAction({ kind: "perform", request: { action: "machine.get", machine } }, options));
      } else onAction(readInspectOptions(machine, options));
    });
  describeReplay(program, onAction);
  describeStreams(program, onAction);
}

type SnapshotOptions = ConnectionOptions & { readonly delete?: readonly string[]; readonly deleteHistories?: boolean };
type ForkOptions = ConnectionOptions & {
  count?: string;
  names?: readonly string[];
  snapshot?: string;
  keepIdentity?: boolean;
};

function describeSnapshots(program: Command, onAction: (action: Action) => void): void {
  withConnection(program.command("snapshot"))
    .summary("take, name, list or delete snapshots")
    .description(
      "Names the point where a machine was left, takes a snapshot of one of the daemon while it runs, or deletes such\n" +
        "points. Without a name, lists those of a machine of the daemon.",
    )
    .argument("<machine>", WHICH)
    .argument("[name]", "name of the new snapshot")
    .option("--delete <name...>", "delete these, and what only they used")
    .option("--delete-histories", "delete all that --record recorded in a file")
    .action((machine: string, name: string | undefined, options: SnapshotOptions) =>
      onAction(
        isMachineName(machine)
          ? snapshotOf(machine, name, options)
          : readSnapshotOptions(machine, name, {
              ...(options.delete === undefined ? {} : { delete: options.delete }),
              ...(options.deleteHistories === undefined ? {} : { deleteHistories: options.deleteHistories }),
            }),
      ),
    );
  withConnection(program.command("restore"))
    .summary("go back to a snapshot")
    .description("Makes a snapshot the point where a machine goes on. Where a file was left is kept as a snapshot.")
    .argument("<machine>", WHICH)
    .argument("<name>", "name of the snapshot")
    .action((machine: string, snapshot: string, options: ConnectionOptions) => {
      if (isMachineName(machine)) {
        const request = { action: "snapshot.restore", machine, snapshot } as const;
        onAction(daemonAction({ kind: "perform", request }, options));
      } else onAction(readRestoreOptions(machine, snapshot));
    });
  withConnection(program.command("fork"))
    .summary("make more machines out of one")
    .description(
      "Makes machines that go on where this one was left, each in a file of its own: lab-1.viv, lab-2.viv, ...\n" +
        "Those of the daemon go on beside it: lab-1, lab-2, ...",
    )
    .argument("<machine>", WHICH)
    .option("--count <number>", "how many (default: 1)")
    .option("--names <name...>", "of the daemon: what they are called")
    .option("--snapshot <name>", "of the daemon: go on from this snapshot")
    .option(
      "--keep-identity",
      "of a file: leave generation id and randomness as they are, to run the same history again",
    )
    .action((machine: string, options: ForkOptions) =>
      onAction(isMachineName(machine) ? forkOf(machine, options) : readForkOptions(machine, options)),
    );
}

function snapshotOf(machine: string, name: string | undefined, options: SnapshotOptions): Action {
  if (options.delete === undefined) {
    const request =
      name === undefined
        ? ({ action: "snapshot.list", machine } as const)
        : ({ action: "snapshot.create", machine, snapshot: name } as const);
    return daemonAction({ kind: "perform", request }, options);
  }
  if (name !== undefined) {
    throw new VivariumError("option/invalid", "--delete takes the names of the snapshots to delete, and no other");
  }
  const requests = options.delete.map((snapshot) => ({ action: "snapshot.delete", machine, snapshot }) as const);
  return daemonAction({ kind: "perform-each", requests }, options);
}

function forkOf(machine: string, options: ForkOptions): Action {
  const { count, names, snapshot, keepIdentity } = options;
  if (keepIdentity) {
    throw new VivariumError(
      "option/invalid",
      "--keep-identity is for files: machines of the daemon go on beside each other",
    );
  }
  const request = {
    action: "machine.fork",
    machine,
    ...(count === undefined ? {} : { count: readCount("--count", count) }),
    ...(names === undefined ? {} : { names: [...names] }),
    ...(snapshot === undefined ? {} : { snapshot }),
  } as const;
  return daemonAction({ kind: "perform", request }, options);
}

function describeOpen(program: Command, onAction: (action: Action) => void): void {
  program
    .command("open")
    .summary("go on with a machine from its file")
    .description(
      "Goes on with a machine where it was left, at its console, and saves it when you leave.\n" +
        "A machine that switched itself off boots again, with its disks as they were.",
    )
    .argument("<file>", "machine file")
    .option("--exec <command>", "run a shell command in the guest and exit with its status")
    .option("--snapshot-every <time>", "take snapshots while it runs, such as every 30s, 10m or 2h")
    .option("--keep <count>", `how many of those stay (default: ${DEFAULT_KEEP_COUNT})`)
    .option("--record", 'record its history, which "viv replay" runs again')
    .option(
      "--drive <file[,option...]>",
      "where a disk is that is not in the file, in their order; options as with viv run",
      collect,
    )
    .option("--net <kind[,option...]>", "plug its network devices into this, in their order, as with viv run", collect)
    .option("--share <directory:target>", "give it these folders again, in the same order as to viv run", collect)
    .option("--limits <file>", "limits of networks and disks, read again when the file changes, as with viv run")
    .option("--pcap <file>", "write what passes on the networks to this file")
    .option("--vsock <cid,socket=file>", "reach its sockets again by Unix sockets of the host, as with viv run")
    .option("--translate <mode>", "on, off or eager, as with viv run")
    .option("--translation-cache <size>", "as with viv run")
    .option("--discard", "leave the file as it is")
    .option("--keep-identity", "leave generation id and randomness as they are, to run the same history again")
    .option("--stats", "say at the end what the machine did")
    .action((file: string, options: OpenOptions) => onAction(readOpenOptions(file, options)));
}

function describeReplay(program: Command, onAction: (action: Action) => void): void {
  program
    .command("replay")
    .summary("run a recorded history again")
    .description(
      "Runs the history that --record recorded again, without the world it was recorded in: what came in comes from the\n" +
        "file, at the same instructions. Stops at the first difference, with status 1.",
    )
    .argument("<file>", "machine file")
    .option("--until <instruction>", "stop at this instruction, counted from power-on")
    .option("--back <count>", "stop so many instructions before the end")
    .option("--save <file>", 'make a machine file of where it stopped, for "viv open"')
    .option("--history <number>", 'the history of that number in "viv inspect" (default: the newest)')
    .option("--from <snapshot>", "begin at this snapshot")
    .option("--translate <mode>", "on, off or eager, as with viv run")
    .option("--translation-cache <size>", "as with viv run")
    .option("--json", "say how it ended as JSON, in place of what the guest wrote")
    .action((file: string, options: ReplayOptions) => onAction(readReplayOptions(file, options)));
}

function describeStreams(program: Command, onAction: (action: Action) => void): void {
  const passphrase = "--passphrase-file <file>";
  withConnection(program.command("export"))
    .summary("write a machine as one stream")
    .description("Writes where a machine was left, and all its snapshots, as one compressed and checked stream.")
    .argument("<machine>", WHICH)
    .argument("[output]", "where to write it (default: standard output)")
    .option(passphrase, "encrypt it with the first line of this file")
    .action((machine: string, output: string | undefined, options: StreamOptions & ConnectionOptions) => {
      if (!isMachineName(machine)) return onAction(readExportOptions(machine, output, options));
      const where = output === undefined || output === "-" ? {} : { output };
      onAction(daemonAction({ kind: "export", machine, ...where, ...passphraseOf(options) }, options));
    });
  withConnection(program.command("import"))
    .summary("make a machine of such a stream")
    .argument("<input>", 'what "viv export" wrote, or - for standard input')
    .argument("<machine>", "machine file to make, or the name of a machine of the daemon to make")
    .option(passphrase, "what it is encrypted with: the first line of this file")
    .option("--keep-identity", "it does not go on beside its original: leave generation id and randomness as they are")
    .action((input: string, machine: string, options: StreamOptions & ConnectionOptions) => {
      if (!isMachineName(machine)) return onAction(readImportOptions(input, machine, options));
      const from = input === "-" ? {} : { input };
      onAction(daemonAction({ kind: "import", machine, ...from, ...passphraseOf(options) }, options));
    });
}

function passphraseOf({ passphraseFile }: StreamOptions) {
  return passphraseFile === undefined ? {} : { passphraseFile };
}
