import type { Command } from "commander";
import type { Action } from "../../control/actions.js";
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
import { collect } from "./collect.js";

/** Adds the commands about machine files to the program. */
export function describeFileCommands(program: Command, onAction: (action: Action) => void): void {
  describeOpen(program, onAction);
  program
    .command("snapshot")
    .summary("name the point where a machine was left")
    .description("Names the point where a machine was left, or deletes such points.")
    .argument("<file>", "machine file")
    .argument("[name]", "name of the new snapshot")
    .option("--delete <name...>", "delete these, and what only they used")
    .option("--delete-histories", "delete all that --record recorded")
    .action(
      (file: string, name: string | undefined, options: { delete?: readonly string[]; deleteHistories?: boolean }) =>
        onAction(readSnapshotOptions(file, name, options)),
    );
  program
    .command("restore")
    .summary("go back to a snapshot")
    .description("Makes a snapshot the point where the machine goes on. Where it was left is kept as a snapshot.")
    .argument("<file>", "machine file")
    .argument("<name>", "name of the snapshot")
    .action((file: string, name: string) => onAction(readRestoreOptions(file, name)));
  program
    .command("fork")
    .summary("make more machines out of one")
    .description(
      "Makes machines that go on where this one was left, each in a file of its own: lab-1.viv, lab-2.viv, ...",
    )
    .argument("<file>", "machine file")
    .option("--count <number>", "how many (default: 1)")
    .option("--keep-identity", "leave generation id and randomness as they are, to run the same history again")
    .action((file: string, options: { count?: string; keepIdentity?: boolean }) =>
      onAction(readForkOptions(file, options)),
    );
  program
    .command("inspect")
    .summary("say what is in a machine file")
    .argument("<file>", "machine file")
    .option("--json", "as JSON")
    .action((file: string, options: { json?: boolean }) => onAction(readInspectOptions(file, options)));
  describeReplay(program, onAction);
  describeStreams(program, onAction);
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
    .option("--net <kind[,option...]>", "plug its network devices into this, in their order, as with viv run", collect)
    .option("--share <directory:target>", "give it these folders again, in the same order as to viv run", collect)
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
  program
    .command("export")
    .summary("write a machine as one stream")
    .description("Writes where a machine was left, and all its snapshots, as one compressed and checked stream.")
    .argument("<file>", "machine file")
    .argument("[output]", "where to write it (default: standard output)")
    .option(passphrase, "encrypt it with the first line of this file")
    .action((file: string, output: string | undefined, options: StreamOptions) =>
      onAction(readExportOptions(file, output, options)),
    );
  program
    .command("import")
    .summary("make a machine file of such a stream")
    .argument("<input>", 'what "viv export" wrote, or - for standard input')
    .argument("<file>", "machine file to make")
    .option(passphrase, "what it is encrypted with: the first line of this file")
    .option("--keep-identity", "it does not go on beside its original: leave generation id and randomness as they are")
    .action((input: string, file: string, options: StreamOptions) => onAction(readImportOptions(input, file, options)));
}
